package submission_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/eventmac"
	"github.com/cyverse-gis/eemt/eventing/eventtoken"
	"github.com/cyverse-gis/eemt/eventing/objectnotice/sns"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/functions/submission/dropped"
	"github.com/cyverse-gis/eemt/functions/submission/notices"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/fault"
)

const noticeSecret = "0123456789abcdef01234567"

// send posts an event in structured mode.
func (s *service) send(t *testing.T, path string, e event.Event) answer {
	t.Helper()
	data, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return s.do(t, http.MethodPost, path, strings.NewReader(string(data)), "Content-Type", event.ApplicationCloudEventsJSON)
}

// TestDoorsOfEvents sends what is meant for one door to each, with the credentials that a platform may ask for.
func TestDoorsOfEvents(t *testing.T) {
	keys, err := eventmac.New(strings.Repeat("k", eventmac.MinKey))
	if err != nil {
		t.Fatal(err)
	}
	job := eventing.NewJobCompleted("/compute", "01JTEST0000000000000000001", 0, noon)
	tick := eventing.NewTick("/ping", eventing.TaskResume, noon)
	var cloud event.Event
	if err := json.Unmarshal([]byte(payload(t, "gcs-cloudevent.json")), &cloud); err != nil {
		t.Fatal(err)
	}
	bearer := func(r *http.Request) error {
		switch r.Header.Get("Authorization") {
		case "Bearer pubsub":
			return nil
		case "Bearer later":
			return fault.New(fault.Unavailable, errors.New("the provider is away"))
		}
		return errors.New("a token of somebody else")
	}
	for _, c := range []struct {
		name    string
		keys    eventmac.Keys
		senders notices.Senders
		// status of: a job's event, one with a code, a tick, a notice at /events, a notice as a CloudEvent there, and a notice
		// at /events/notices, with a token, with the secret, with another secret.
		want [9]int
	}{
		{"a machine of one's own", eventmac.Keys{}, notices.Senders{}, [9]int{202, 202, 202, 200, 202, 200, 200, 404, 404}},
		{"a key", keys, notices.Senders{}, [9]int{401, 202, 202, 415, 401, 200, 200, 404, 404}},
		{"a secret", eventmac.Keys{}, notices.Senders{Secret: noticeSecret}, [9]int{202, 202, 202, 415, 400, 404, 404, 200, 404}},
		{"both", keys, notices.Senders{Secret: noticeSecret}, [9]int{401, 202, 202, 415, 401, 404, 404, 200, 404}},
		{"tokens", keys, notices.Senders{Bearer: bearer}, [9]int{401, 202, 202, 415, 401, 404, 200, 404, 404}},
		{"tokens or a secret", keys, notices.Senders{Bearer: bearer, Secret: noticeSecret}, [9]int{401, 202, 202, 415, 401, 404, 200, 200, 404}},
		{"identities", keys, notices.Senders{}, [9]int{401, 401, 401, 401, 401, 200, 200, 404, 404}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := guarded(t)
			var log strings.Builder
			s.with(func(with *submission.Config) {
				if c.name == "identities" {
					with.EventSenders = &eventtoken.Verifier{} // which knows no token
				}
				with.EventKeys, with.Notices, with.Uploads = c.keys, c.senders, dropped.Settings{Bucket: "eemt-maps"}
				with.Log = slog.New(slog.NewTextHandler(&log, nil))
			})
			notice := func(path string, header ...string) int {
				return s.do(t, http.MethodPost, path, strings.NewReader(payload(t, "minio.json")), header...).status
			}
			got := [9]int{
				s.send(t, "/events", job).status, s.send(t, "/events", keys.Sign(job)).status, s.send(t, "/events", tick).status,
				notice("/events"), s.send(t, "/events", cloud).status, notice("/events/notices"),
				notice("/events/notices", "Authorization", "Bearer pubsub"), notice("/events/notices/" + noticeSecret), notice("/events/notices/" + noticeSecret[1:]),
			}
			if got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
			if c.senders.Bearer != nil {
				if a, b := notice("/events/notices", "Authorization", "Bearer stranger"), notice("/events/notices", "Authorization", "Bearer later"); a != 404 || b != 503 {
					t.Errorf("a stranger's token %d, a provider that is away %d", a, b)
				}
			}
			for _, e := range []event.Event{job, keys.Sign(job), tick} {
				if a := s.send(t, "/events/notices", e); a.status != 400 && a.status != 404 {
					t.Errorf("%s at the door of notices: %d", e.Type(), a.status)
				}
			}
			if strings.Contains(log.String(), noticeSecret[1:]) {
				t.Errorf("the log has the secret: %s", log.String())
			}
		})
	}
}

// TestSecretIsNotLogged has the storage fail behind the secret address.
func TestSecretIsNotLogged(t *testing.T) {
	s := newService(t, func(op, key string) error {
		if op == faultbucket.Attributes && strings.HasPrefix(key, "uploads/") {
			return errors.New("away")
		}
		return nil
	})
	var log strings.Builder
	s.with(func(c *submission.Config) {
		c.Notices.Secret, c.Log = noticeSecret, slog.New(slog.NewTextHandler(&log, nil))
	})
	a := s.do(t, http.MethodPost, "/events/notices/"+noticeSecret, strings.NewReader(payload(t, "minio.json")))
	if a.status != http.StatusServiceUnavailable || !strings.Contains(log.String(), "away") || strings.Contains(log.String(), noticeSecret) {
		t.Errorf("%d, log %q", a.status, log.String())
	}
}

// TestForgedTicksMakeFewPasses counts how often the uploads are listed.
func TestForgedTicksMakeFewPasses(t *testing.T) {
	var passes atomic.Int32
	s := newService(t, func(op, key string) error {
		if op == faultbucket.List && strings.HasPrefix(key, "uploads/") {
			passes.Add(1)
		}
		return nil
	})
	if err := s.HandleEvent(t.Context(), eventing.NewTick("/ping", eventing.TaskResume, noon)); err != nil {
		t.Fatal(err)
	}
	one := passes.Swap(0)
	if one == 0 {
		t.Fatal("a pass lists nothing")
	}
	s.with(func(c *submission.Config) { c.Now = func() time.Time { return noon } })
	for range 50 {
		if a := s.send(t, "/events", eventing.NewTick("/ping", eventing.TaskResume, noon)); a.status != http.StatusAccepted {
			t.Fatal(a.status, a.body)
		}
	}
	if n := passes.Swap(0); n > 3*one {
		t.Errorf("50 ticks made %d passes", n/one)
	}
	s.with(func(*submission.Config) {})
	if s.send(t, "/events", eventing.NewTick("/ping", eventing.TaskResume, noon)); passes.Load() == 0 {
		t.Error("a tick after a pause makes no pass")
	}
}

// certificates answers for the SNS of one region.
type certificates func(r *http.Request) (*http.Response, error)

func (c certificates) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

// TestSNSIsVerified signs messages as SNS does, and as a stranger would.
func TestSNSIsVerified(t *testing.T) {
	const topic = "arn:aws:sns:us-west-2:123456789012:eemt-uploads"
	const place = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-0123abc.pem"
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var fetched atomic.Int32
	client := &http.Client{Transport: certificates(func(r *http.Request) (*http.Response, error) {
		fetched.Add(1)
		if r.URL.String() != place {
			t.Errorf("%s is fetched", r.URL)
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))))}, nil
	})}
	sign := func(m map[string]string, k *rsa.PrivateKey) {
		t.Helper()
		text := "Message\n" + m["Message"] + "\nMessageId\n" + m["MessageId"] + "\nSubject\n" + m["Subject"] + "\nTimestamp\n" + m["Timestamp"] + "\nTopicArn\n" + m["TopicArn"] + "\nType\n" + m["Type"] + "\n"
		sum := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		m["Signature"] = base64.StdEncoding.EncodeToString(signature)
	}
	for _, c := range []struct {
		name   string
		change func(m map[string]string)
		status int
	}{
		{"signed", func(map[string]string) {}, 200},
		{"another message", func(m map[string]string) { m["Message"] = strings.Replace(m["Message"], "Maunga", "Wanga", 1) }, 404},
		{"another time", func(m map[string]string) { m["Timestamp"] = "2026-03-02T19:02:32.021Z" }, 404},
		{"no signature", func(m map[string]string) { delete(m, "Signature") }, 404},
		{"no base64", func(m map[string]string) { m["Signature"] = "%" }, 404},
		{"signed by a stranger", func(m map[string]string) { sign(m, other) }, 404},
		{"another topic", func(m map[string]string) { m["TopicArn"] = strings.Replace(topic, "12:", "13:", 1); sign(m, key) }, 404},
		{"version 1", func(m map[string]string) { m["SignatureVersion"] = "1" }, 404},
		{"another type", func(m map[string]string) { m["Type"] = "Other"; sign(m, key) }, 404},
		{"a stranger's certificate", func(m map[string]string) {
			m["SigningCertURL"] = "https://evil.example/SimpleNotificationService-0123abc.pem"
		}, 404},
		{"a bucket's certificate", func(m map[string]string) {
			m["SigningCertURL"] = "https://evil.s3.us-west-2.amazonaws.com/SimpleNotificationService-0123abc.pem"
		}, 404},
		{"one of another region", func(m map[string]string) { m["SigningCertURL"] = strings.Replace(place, "us-west-2", "eu-west-1", 1) }, 404},
		{"over http", func(m map[string]string) { m["SigningCertURL"] = strings.Replace(place, "https", "http", 1) }, 404},
		{"on another port", func(m map[string]string) { m["SigningCertURL"] = strings.Replace(place, ".com/", ".com:8443/", 1) }, 404},
		{"by an action of SNS", func(m map[string]string) {
			m["SigningCertURL"] = "https://sns.us-west-2.amazonaws.com/?Action=x&y=.pem"
		}, 404},
		{"with a user", func(m map[string]string) { m["SigningCertURL"] = strings.Replace(place, "sns.", "a@sns.", 1) }, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m map[string]string
			if err := json.Unmarshal([]byte(payload(t, "sns.json")), &m); err != nil {
				t.Fatal(err)
			}
			m["SignatureVersion"], m["SigningCertURL"] = "2", place
			sign(m, key)
			c.change(m)
			body, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			s := newService(t, nil)
			s.with(func(with *submission.Config) {
				with.Notices.SNS = sns.New([]string{topic}, client, func() time.Time { return noon })
			})
			if a := s.do(t, http.MethodPost, "/events/notices", strings.NewReader(string(body)), "X-Amz-Sns-Message-Type", m["Type"]); a.status != c.status {
				t.Errorf("%d %s, want %d", a.status, a.body, c.status)
			}
		})
	}
	if fetched.Load() == 0 {
		t.Error("no certificate was fetched")
	}
	for topic, host := range map[string]string{
		topic: "sns.us-west-2.amazonaws.com", "arn:aws-cn:sns:cn-north-1:123456789012:x": "sns.cn-north-1.amazonaws.com.cn",
		"arn:aws:sns:a.evil:123456789012:x": "", "arn:aws:sqs:us-west-2:123456789012:x": "",
	} {
		if hosts, err := sns.Hosts([]string{topic}); (err == nil) != (host != "") || err == nil && hosts[0] != host {
			t.Errorf("%s: %v %v", topic, hosts, err)
		}
	}
}
