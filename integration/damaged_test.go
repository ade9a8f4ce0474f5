package integration

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
)

// damage returns a copy with a few changes of the kinds that break parsers: bits, numbers at their bounds, pieces that are
// cut out, repeated or put elsewhere, an end too early.
func damage(r *rand.Rand, data []byte) []byte {
	out := bytes.Clone(data)
	for range 1 + r.IntN(4) {
		if len(out) < 8 {
			return out
		}
		// Most of what a format says of itself stands at the beginning.
		at := r.IntN(len(out) - 7)
		if r.IntN(2) == 0 {
			at = r.IntN(min(len(out)-7, 512))
		}
		switch r.IntN(7) {
		case 0:
			out[at] ^= 1 << r.IntN(8)
		case 1:
			out[at] = byte(r.IntN(256))
		case 2:
			binary.LittleEndian.PutUint32(out[at:], []uint32{0, 1, 0x7fffffff, 0x80000000, math.MaxUint32}[r.IntN(5)])
		case 3:
			binary.LittleEndian.PutUint16(out[at:], []uint16{0, 1, 0x7fff, math.MaxUint16}[r.IntN(4)])
		case 4:
			out = append(out[:at:at], out[at+r.IntN(len(out)-at):]...)
		case 5:
			n := at + r.IntN(min(64, len(out)-at))
			out = append(out[:n:n], append(bytes.Repeat(out[at:n], 1+r.IntN(20)), out[n:]...)...)
		case 6:
			out = out[:at]
		}
	}
	return out
}

// TestFloodOfDamagedInputs sends ten thousand damaged GeoTIFFs, climate tables, requests and events to the running services. No request
// panics, the services go on, and keep within the memory of their pods.
func TestFloodOfDamagedInputs(t *testing.T) {
	floods(t)
	s := newServices(t)
	p := s.start(t, "submission", "1s", "GOMEMLIMIT=870MiB")
	compute := s.start(t, "compute", "1s", "GOMEMLIMIT=870MiB")
	dem := demtest.Encode(t, demtest.Hills(24, 20))
	real, err := os.ReadFile("../examples/maungawhau/dem.tif")
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("../examples/maungawhau/climate.csv")
	if err != nil {
		t.Fatal(err)
	}
	good := &client{s: p}
	good.work(t, dem)
	p.submit(t, dem, nil)
	kind, form := formWith(t, nil, "file", real)
	var up struct{ Filename string }
	if err := json.Unmarshal(good.ask(t, 200, "POST", "/api/upload-file", kind, form), &up); err != nil {
		t.Fatal(err)
	}
	stored := up.Filename
	s.mu.Lock()
	var event received
	for _, list := range s.events {
		event = list[0]
	}
	s.mu.Unlock()

	r := rand.New(rand.NewPCG(1, 2))
	answers := map[string]map[int]int{}
	send := func(what, url, kind string, body []byte, header http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return // it cannot even be sent
		}
		req.Header.Set("Content-Type", kind)
		for name, values := range header {
			req.Header[name] = values
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			if strings.Contains(err.Error(), "invalid header") {
				return
			}
			t.Fatalf("%s: %v", what, err)
		}
		_ = res.Body.Close()
		if answers[what] == nil {
			answers[what] = map[int]int{}
		}
		answers[what][res.StatusCode]++
	}
	for i := range 10_000 {
		switch i % 4 {
		case 0:
			kind, form := formWith(t, nil, "dem_file", damage(r, [][]byte{dem, real}[r.IntN(2)]))
			send("GeoTIFF", p.url+"/api/check", kind, form, nil)
		case 1:
			// The form has the DEM already: the table takes the place of another file in it.
			kind, form := formWith(t, map[string]string{"uploaded_filename": stored, "workflow_type": "eemt"}, "climate_file", damage(r, table))
			send("table", p.url+"/api/check", kind, bytes.Replace(form, []byte(`filename="dem.tif"`), []byte(`filename="station.csv"`), 1), nil)
		case 2:
			send("request", p.url+"/processes/sol/execution", "application/json",
				damage(r, []byte(`{"inputs": {"dem": "`+stored+`", "step": 30, "linke_value": "3.1", "layers": ["beam"]}, "response": "document"}`)), nil)
		case 3:
			if r.IntN(2) == 0 {
				header := http.Header{}
				for name, values := range event.header {
					if strings.HasPrefix(name, "Ce-") {
						header[name] = []string{string(damage(r, []byte(values[0])))}
					}
				}
				send("event", []string{p.url + "/events", compute.url + "/"}[r.IntN(2)], "application/json", event.body, header)
				continue
			}
			header := http.Header{}
			for name, values := range event.header {
				if strings.HasPrefix(name, "Ce-") {
					header[name] = values
				}
			}
			send("event", []string{p.url + "/events", compute.url + "/"}[r.IntN(2)], "application/json", damage(r, event.body), header)
		}
	}
	good.work(t, dem)
	t.Logf("answers %v; peak of submission %d MiB, of compute %d MiB", answers, p.peak(t), compute.peak(t))
	if p.peak(t) > 870 || compute.peak(t) > 870 {
		t.Errorf("submission took %d MiB, compute %d", p.peak(t), compute.peak(t))
	}
	for what, list := range answers {
		if list[500] > 0 {
			t.Errorf("%s: %v", what, list)
		}
	}
	p.kill()
	compute.kill()
	if _, panicked, ok := strings.Cut(p.log.String()+compute.log.String(), "panic"); ok {
		t.Errorf("the log has a panic: %.2000s", panicked)
	}
}
