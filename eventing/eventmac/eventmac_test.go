package eventmac_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/eventmac"
	"github.com/cyverse-gis/eemt/eventing/httpbinding"
)

var (
	at       = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("MST", -7*3600))
	first    = strings.Repeat("a", 32)
	second   = strings.Repeat("b", 40)
	assembly = eventing.NewTaskRequested("/compute", eventing.Task{JobID: "job", Phase: 2, Kind: eventing.KindAssembly, Task: "assembly"}, at)
)

func keys(t *testing.T, key string, others ...string) eventmac.Keys {
	t.Helper()
	k, err := eventmac.New(key, others...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		key    string
		others []string
		ok     bool
	}{
		{"", nil, true},
		{"", []string{""}, true},
		{first, []string{""}, true},
		{first, []string{second}, true},
		{first[:31], nil, false},
		{first, []string{second[:31]}, false},
		{"", []string{second}, false},
	} {
		if k, err := eventmac.New(c.key, c.others...); (err == nil) != c.ok || err == nil && k.Set() != (c.key != "") {
			t.Errorf("New(%q, %q) = set %t, %v", c.key, c.others, k.Set(), err)
		} else if err != nil && strings.Contains(err.Error(), first[:31]) {
			t.Errorf("the error repeats a key: %v", err)
		}
	}
}

// TestChanged changes each part of a signed event, moves its code to another, and takes it away.
func TestChanged(t *testing.T) {
	k := keys(t, first)
	if _, has := assembly.Extensions()[eventmac.Extension]; has {
		t.Fatal("an event is born with a code")
	}
	signed := k.Sign(assembly)
	if _, has := assembly.Extensions()[eventmac.Extension]; has {
		t.Error("Sign changes the event it is given")
	}
	if err := k.Verify(signed); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*event.Event){
		"no code":         func(e *event.Event) { e.SetExtension(eventmac.Extension, nil) },
		"empty code":      func(e *event.Event) { e.SetExtension(eventmac.Extension, "") },
		"no base64":       func(e *event.Event) { e.SetExtension(eventmac.Extension, "%") },
		"a number for it": func(e *event.Event) { e.SetExtension(eventmac.Extension, 7) },
		"cut short": func(e *event.Event) {
			e.SetExtension(eventmac.Extension, e.Extensions()[eventmac.Extension].(string)[:20])
		},
		"id":                 func(e *event.Event) { e.SetID("job.tiles-completed.1") },
		"source":             func(e *event.Event) { e.SetSource("/x") },
		"type":               func(e *event.Event) { e.SetType(eventing.TaskRequested) },
		"subject":            func(e *event.Event) { e.SetSubject("other") },
		"time":               func(e *event.Event) { e.SetTime(at.Add(time.Nanosecond)) },
		"no time":            func(e *event.Event) { e.SetTime(time.Time{}) },
		"data":               func(e *event.Event) { e.DataEncoded = []byte(`{"job_id":"other"}`) },
		"no data":            func(e *event.Event) { e.DataEncoded = nil },
		"id moved to source": func(e *event.Event) { e.SetID(e.ID() + "/"); e.SetSource(strings.TrimPrefix(e.Source(), "/")) },
		"the code under another job": func(e *event.Event) {
			code := e.Extensions()[eventmac.Extension]
			*e = eventing.NewTaskRequested("/compute", eventing.Task{JobID: "other", Phase: 2, Kind: eventing.KindAssembly, Task: "assembly"}, at)
			e.SetExtension(eventmac.Extension, code)
		},
		"signed by a stranger": func(e *event.Event) { *e = keys(t, second).Sign(assembly) },
	} {
		e := signed.Clone()
		change(&e)
		if err := k.Verify(e); !errors.Is(err, eventmac.ErrUnknown) {
			t.Errorf("%s: %v, want ErrUnknown", name, err)
		}
	}
}

// TestUnchanged keeps a code through what brokers do to events: another zone for the time, extensions of their own, a
// structured encoding.
func TestUnchanged(t *testing.T) {
	k := keys(t, first)
	e := eventing.WithFailure(k.Sign(assembly), eventing.Failure{Dest: "http://compute", Code: 503, Reason: "bucket unreachable"})
	e.SetTime(at.In(time.FixedZone("", 3600)))
	e.SetExtension("knativearrivaltime", "2026-03-01T12:00:00Z")
	if err := k.Verify(e); err != nil {
		t.Error(err)
	}
	data, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var back event.Event
	if err := back.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	if err := k.Verify(back); err != nil {
		t.Errorf("structured: %v", err)
	}
}

// TestRotation changes a key while services with the old and the new settings send each other events.
func TestRotation(t *testing.T) {
	steps := []eventmac.Keys{keys(t, first), keys(t, first, second), keys(t, second, first), keys(t, second)}
	for i := range steps {
		for j := max(0, i-1); j <= min(len(steps)-1, i+1); j++ {
			if err := steps[j].Verify(steps[i].Sign(assembly)); err != nil {
				t.Errorf("step %d does not take an event of step %d: %v", j, i, err)
			}
		}
	}
	if err := steps[3].Verify(steps[0].Sign(assembly)); err == nil {
		t.Error("a key that was taken out is still valid")
	}
	if err := keys(t, "").Verify(assembly); err != nil {
		t.Errorf("without a key: %v", err)
	}
}

// TestOverHTTP sends events from a Publisher to a Receiver, and what a stranger would send.
func TestOverHTTP(t *testing.T) {
	k := keys(t, first)
	var handled int
	receiver := httpbinding.NewReceiver(k.Require(func(context.Context, event.Event) error { handled++; return nil }, eventing.PingTick), slog.New(slog.DiscardHandler))
	s := httptest.NewServer(receiver)
	defer s.Close()
	p, err := httpbinding.NewPublisher(nil, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), assembly); err == nil || !strings.Contains(err.Error(), "401") || handled != 0 {
		t.Errorf("without a code: %v, handled %d times", err, handled)
	}
	p.Keys = k
	if err := p.Publish(t.Context(), assembly); err != nil || handled != 1 {
		t.Errorf("signed: %v, handled %d times", err, handled)
	}
	for _, c := range []struct {
		name   string
		e      event.Event
		status int
	}{
		{"forged", assembly, http.StatusUnauthorized},
		{"signed with another key", keys(t, second).Sign(assembly), http.StatusUnauthorized},
		{"signed", k.Sign(assembly), http.StatusAccepted},
		{"a tick, which has none", eventing.NewTick("/ping", eventing.TaskResume, at), http.StatusAccepted},
	} {
		for _, mode := range []func(context.Context) context.Context{binding.WithForceBinary, binding.WithForceStructured} {
			req := httptest.NewRequest(http.MethodPost, "/", nil)
			if err := cehttp.WriteRequest(mode(t.Context()), binding.ToMessage(&c.e), req); err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			receiver.ServeHTTP(w, req)
			if w.Code != c.status || w.Code != http.StatusAccepted && !strings.Contains(w.Body.String(), "EEMT_EVENT_KEY") {
				t.Errorf("%s: %d %q, want %d", c.name, w.Code, w.Body, c.status)
			}
		}
	}
}

// FuzzVerify has no code that a stranger makes up be taken.
func FuzzVerify(f *testing.F) {
	k, err := eventmac.New(first)
	if err != nil {
		f.Fatal(err)
	}
	good := k.Sign(assembly)
	f.Add(assembly.ID(), assembly.Subject(), string(assembly.Data()), good.Extensions()[eventmac.Extension].(string))
	f.Add("", "", "", "")
	f.Add("job.tiles-completed.0", "job", "{}", "AAAA")
	f.Fuzz(func(t *testing.T, id, subject, data, code string) {
		e := assembly.Clone()
		e.SetID(id)
		e.SetSubject(subject)
		e.DataEncoded = []byte(data)
		e.SetExtension(eventmac.Extension, code)
		same := id == assembly.ID() && subject == assembly.Subject() && data == string(assembly.Data()) && code == good.Extensions()[eventmac.Extension]
		if err := k.Verify(e); (err == nil) != same {
			t.Errorf("%q %q %q %q: %v", id, subject, data, code, err)
		}
	})
}
