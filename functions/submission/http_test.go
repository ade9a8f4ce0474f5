package submission_test

import (
	"archive/zip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/stac"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// service is a submission function with its bucket and what it announced.
type service struct {
	*submission.Service
	submission.Config
	handler http.Handler
	http    *httptest.Server
	mu      sync.Mutex
	events  []event.Event
	// refuse makes announcing fail.
	refuse error
	// created is called with each announced job while the client waits.
	created func(e event.Event)
}

func newService(t *testing.T, hook faultbucket.Hook) *service {
	t.Helper()
	b := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = b.Close() })
	if hook != nil {
		b = faultbucket.Wrap(b, hook)
	}
	s := &service{}
	var n atomic.Int64
	s.Config = submission.Config{
		Store: job.Store{Bucket: b}, Log: slog.New(slog.DiscardHandler), Version: "test", MaxUpload: 64 << 10,
		Now: func() time.Time { return noon.Add(time.Duration(n.Load()) * time.Second) },
		NewID: func() string {
			return fmt.Sprintf("01JTEST%019d", n.Add(1))
		},
		Events: eventing.PublisherFunc(func(_ context.Context, e event.Event) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.created != nil {
				s.created(e)
			}
			s.events = append(s.events, e)
			return s.refuse
		}),
	}
	s.with(func(*submission.Config) {})
	s.http = definition(t).NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }))
	return s
}

// with changes the settings of the function, as starting it anew does: what it had in memory is gone.
func (s *service) with(change func(c *submission.Config)) {
	change(&s.Config)
	s.Service = submission.New(s.Config)
	s.handler = s.Handler()
}

// on lets the function work on another bucket.
func (s *service) on(b *blob.Bucket) { s.with(func(c *submission.Config) { c.Store.Bucket = b }) }

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	m := map[string]any{}
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%q is no JSON object: %v", a.body, err)
	}
	return m
}

func (s *service) do(t *testing.T, method, path string, body io.Reader, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.http.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(data), err}
}

func (s *service) get(t *testing.T, path string, header ...string) answer {
	t.Helper()
	return s.do(t, http.MethodGet, path, nil, header...)
}

// field of a form: a value, or a file when it has a file name.
type field struct{ name, value, file string }

func (s *service) post(t *testing.T, path string, fields ...field) answer {
	t.Helper()
	kind, body := formOf(t, fields...)
	return s.do(t, http.MethodPost, path, strings.NewReader(body), "Content-Type", kind)
}

func keys(t *testing.T, b *blob.Bucket) []string {
	t.Helper()
	var list []string
	it := b.List(nil)
	for {
		o, err := it.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, o.Key)
	}
}

func hills(t *testing.T) string { return string(demtest.Encode(t, demtest.Hills(12, 10))) }

// submit posts a DEM and returns the id of its job, another each time.
func (s *service) submit(t *testing.T) string {
	t.Helper()
	a := s.post(t, "/api/submit-job", field{name: "workflow_type", value: "sol"}, field{name: "fresh", value: "true"}, field{"dem_file", hills(t), "dem.tif"})
	if a.status != http.StatusOK {
		t.Fatalf("submit: %d %s", a.status, a.body)
	}
	return a.json(t)["job_id"].(string)
}

func (s *service) end(t *testing.T, id string, state job.State) {
	t.Helper()
	if _, _, err := s.Store.WriteEnd(t.Context(), id, job.End{State: state, Reason: "because", Ended: noon.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
}

func (s *service) put(t *testing.T, key, data string) {
	t.Helper()
	if err := s.Store.Bucket.WriteAll(t.Context(), key, []byte(data), nil); err != nil {
		t.Fatal(err)
	}
}

func TestSubmit(t *testing.T) {
	dem := field{"dem_file", hills(t), "dem.tif"}
	for _, c := range []struct {
		name   string
		fields []field
		check  func(r job.Request) bool
	}{
		{"fields first", []field{{name: "workflow_type", value: "sol"}, {name: "step", value: "30"}, dem}, func(r job.Request) bool { return r.Parameters.Step == 30 }},
		{"file first", []field{dem, {name: "step", value: "30"}, {name: "linke_value", value: "2.5"}}, func(r job.Request) bool {
			return r.Parameters.Step == 30 && r.Parameters.Linke[0] == 2.5
		}},
		{"defaults", []field{dem}, func(r job.Request) bool { return r.Workflow == param.Sol && r.Parameters.Step == 15 }},
		{"empty fields mean the default", []field{dem, {name: "step", value: ""}}, func(r job.Request) bool { return r.Parameters.Step == 15 }},
		{"twelve values", []field{dem, {name: "albedo_value", value: "0.7,0.7,0.6,0.4,0.2,0.2,0.2,0.2,0.2,0.3,0.5,0.7"}}, func(r job.Request) bool {
			return len(r.Parameters.Albedo) == 12
		}},
		{"factors and layers", []field{dem, {name: "kb", value: "0.8"}, {name: "kc", value: "1"}, {name: "layers", value: "skyview, diff_rad"}}, func(r job.Request) bool {
			p := r.Parameters
			return p.KB[0] == 0.8 && p.KD == nil && p.KC[0] == 1 && len(p.Layers) == 2 && p.Has(param.Diffuse) && p.Has(param.SkyView)
		}},
		{"a word", []field{dem, {name: "linke_value", value: "climatology"}}, func(r job.Request) bool {
			return r.Parameters.LinkeClimatology && r.Parameters.Linke == nil
		}},
		{"a word as records have it", []field{{name: "linke_climatology", value: "true"}, dem}, func(r job.Request) bool {
			return r.Parameters.LinkeClimatology && r.Parameters.Linke == nil
		}},
		{"a raster of the bucket", []field{dem, {name: "linke_value", value: "climate/linke_{month}.tif"}}, func(r job.Request) bool {
			return len(r.Parameters.LinkeRaster) == 1 && r.Parameters.Linke[0] == 3
		}},
		{"a raster sent along", []field{dem, {"albedo_file", hills(t), "snow, winter.tif"}}, func(r job.Request) bool {
			return len(r.Parameters.AlbedoRaster) == 1 && strings.HasSuffix(r.Parameters.AlbedoRaster[0], "_snow_winter.tif")
		}},
		{"threads are taken", []field{dem, {name: "num_threads", value: "4"}}, func(job.Request) bool { return true }},
		{"eemt", []field{{name: "workflow_type", value: "eemt"}, {"climate_file", "month,tmin\n", "c.csv"}, {name: "start_year", value: "2019"}, dem}, func(r job.Request) bool {
			return r.Workflow == param.EEMT && r.Parameters.StartYear == 2019 && strings.HasPrefix(r.Parameters.Climate, "table:inputs/")
		}},
		{"a path in the name", []field{{"dem_file", hills(t), `..\..\etc/../my dem.TIF`}}, func(r job.Request) bool {
			return r.DEM.Name == "my dem.TIF" && strings.HasSuffix(r.DEM.Key, "_my_dem.TIF")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			for m := range 12 {
				s.put(t, fmt.Sprintf("climate/linke_%02d.tif", m+1), hills(t))
			}
			durable := false
			s.created = func(e event.Event) {
				j, _ := eventing.JobOf(e)
				_, err := s.Store.Request(context.Background(), j.JobID)
				durable = err == nil
			}
			a := s.post(t, "/api/submit-job", c.fields...)
			if a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			body := a.json(t)
			id, _ := body["job_id"].(string)
			if body["status"] != "submitted" || a.header.Get("Location") != "/api/jobs/"+id {
				t.Errorf("answer %v, location %q", body, a.header.Get("Location"))
			}
			if a := s.get(t, "/api/jobs/"+id); a.status != http.StatusOK {
				t.Errorf("its record: %d %s", a.status, a.body)
			}
			r, err := s.Store.Request(t.Context(), id)
			if err != nil || !c.check(r) {
				t.Errorf("request %+v (%v)", r, err)
			}
			if exists, _ := s.Store.Bucket.Exists(t.Context(), r.DEM.Key); !exists || !strings.HasPrefix(r.DEM.Key, "inputs/") || strings.Count(r.DEM.Key, "/") != 1 {
				t.Errorf("DEM key %q (there: %t)", r.DEM.Key, exists)
			}
			if len(s.events) != 1 || s.events[0].Type() != eventing.JobSubmitted || !durable {
				t.Errorf("%d events, job.json durable before: %t", len(s.events), durable)
			}
		})
	}
}

func TestSubmitRefuses(t *testing.T) {
	tiff := hills(t)
	dem := field{"dem_file", tiff, "dem.tif"}
	for _, c := range []struct {
		name   string
		fields []field
		want   []string
	}{
		{"no DEM", []field{{name: "step", value: "15"}}, []string{"dem_file", "uploaded_filename"}},
		{"another format", []field{{"dem_file", "\x89PNG\r\n\x1a\n and more of it", "dem.png"}}, []string{"file dem.png", "not a TIFF file"}},
		{"text instead of a file", []field{{name: "dem_file", value: "dem.tif"}}, []string{"field dem_file has no file"}},
		{"not a TIFF", []field{{"dem_file", "hello", "dem.tif"}}, []string{"not a TIFF"}},
		{"empty file", []field{{"dem_file", "", "dem.tif"}}, []string{"empty"}},
		{"too large", []field{{"dem_file", "II*\x00" + strings.Repeat("x", 64<<10), "dem.tif"}}, []string{"dem.tif", "larger"}},
		{"no reference system", []field{{"dem_file", string(demtest.EncodeAs(t, demtest.Hills(5, 5), demtest.Transform(), raster.GeoKeys{})), "dem.tif"}}, []string{"no coordinate reference system"}},
		{"unknown field", []field{dem, {name: "colour", value: "blue"}}, []string{"colour"}},
		{"unknown workflow", []field{dem, {name: "workflow_type", value: "moon"}}, []string{"moon", "sol or eemt"}},
		{"step too large", []field{dem, {name: "step", value: "90"}}, []string{"step 90", "1 to 60"}},
		{"step a word", []field{dem, {name: "step", value: "often"}}, []string{"step", "often"}},
		{"step not a number", []field{dem, {name: "step", value: "NaN"}}, []string{"step NaN", "1 to 60"}},
		{"linke too small", []field{dem, {name: "linke_value", value: "0.5"}}, []string{"0.5", "1 to 8"}},
		{"linke of three months", []field{dem, {name: "linke_value", value: "3,3,3"}}, []string{"3 values", "12"}},
		{"albedo above one", []field{dem, {name: "albedo_value", value: "1.01"}}, []string{"1.01", "0 to 1"}},
		{"index too low", []field{dem, {name: "kc", value: "0.1"}}, []string{"kc 0.1", "0.2 to 1"}},
		{"index of no climate", []field{dem, {name: "kc", value: "climate"}}, []string{"kc climate", "eemt workflow"}},
		{"unknown layer", []field{dem, {name: "layers", value: "beam,moon"}}, []string{"moon", "beam, diffuse, reflected, horizon, skyview"}},
		{"raster of the server", []field{dem, {name: "kd", value: "/etc/kd.tif"}}, []string{"kd", "/etc/kd.tif", "climate/", "kd_file"}},
		{"raster of another bucket", []field{dem, {name: "linke_value", value: "gs://other/l.tif"}}, []string{"gs://other/l.tif", "linke_file"}},
		{"two rasters", []field{dem, {name: "kd", value: "climate/a.tif,climate/b.tif"}}, []string{"kd has 2 rasters", "12"}},
		{"raster that is none", []field{dem, {"kb_file", "hello", "kb.tif"}}, []string{"kb", "kb.tif", "TIFF"}},
		{"raster that is no GeoTIFF", []field{dem, {"kb_file", "hello", "kb.png"}}, []string{"kb.png", "not a TIFF file"}},
		{"year before", []field{dem, {name: "start_year", value: "1700"}}, []string{"1700", "1900 to 2100"}},
		{"years reversed", []field{dem, {name: "start_year", value: "2021"}, {name: "end_year", value: "2019"}}, []string{"2019", "2021"}},
		{"north", []field{dem, {name: "north", value: "up"}}, []string{"up", "true or grid"}},
		{"daily", []field{dem, {name: "daily", value: "maybe"}}, []string{"daily", "maybe"}},
		{"eemt without climate", []field{dem, {name: "workflow_type", value: "eemt"}}, []string{"climate"}},
		{"eemt with a strange climate", []field{dem, {name: "workflow_type", value: "eemt"}, {name: "climate", value: "weather"}}, []string{"weather"}},
		{"climate table too large", []field{dem, {name: "workflow_type", value: "eemt"}, {"climate_file", strings.Repeat("1", 1<<20+1), "c.csv"}}, []string{"c.csv", "larger"}},
		{"stored: traversal", []field{{name: "uploaded_filename", value: "../jobs/x/job.json"}}, []string{"../jobs/x/job.json"}},
		{"stored: backslash", []field{{name: "uploaded_filename", value: `..\x.tif`}}, []string{"uploaded_filename"}},
		{"stored: none", []field{{name: "uploaded_filename", value: "none.tif"}}, []string{"none.tif", "no such upload"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			if c.name == "climate table too large" {
				s.with(func(c *submission.Config) { c.MaxUpload = 4 << 20 })
			}
			status := http.StatusBadRequest
			if strings.Contains(c.name, "too large") && slices.Contains(c.want, "larger") {
				status = http.StatusRequestEntityTooLarge
			}
			a := s.post(t, "/api/submit-job", c.fields...)
			if a.status != status {
				t.Fatalf("%d %s, want %d", a.status, a.body, status)
			}
			detail, _ := a.json(t)["detail"].(string)
			for _, w := range c.want {
				if !strings.Contains(detail, w) {
					t.Errorf("%q does not say %q", detail, w)
				}
			}
			if left := keys(t, s.Store.Bucket); len(left) != 0 {
				t.Errorf("a refused submission left %v", left)
			}
			if len(s.events) != 0 {
				t.Errorf("a refused submission was announced")
			}
		})
	}
}

func TestSubmitWithoutMultipart(t *testing.T) {
	s := newService(t, nil)
	a := s.post(t, "/api/upload-file", field{"file", hills(t), "dem.tif"})
	if a.status != http.StatusOK {
		t.Fatalf("upload: %d %s", a.status, a.body)
	}
	body := a.json(t)
	name, _ := body["filename"].(string)
	if body["original_name"] != "dem.tif" || body["status"] != "success" || body["size"] != float64(len(hills(t))) {
		t.Errorf("upload answered %v", body)
	}
	form := url.Values{"workflow_type": {"sol"}, "uploaded_filename": {name}, "step": {"20"}}
	a = s.do(t, http.MethodPost, "/api/submit-job", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
	if a.status != http.StatusOK {
		t.Fatalf("submit: %d %s", a.status, a.body)
	}
	r, err := s.Store.Request(t.Context(), a.json(t)["job_id"].(string))
	if err != nil || r.DEM.Name != "dem.tif" || r.DEM.Key != "inputs/"+name || r.Parameters.Step != 20 || len(r.DEM.SHA256) != 64 {
		t.Errorf("request %+v (%v)", r, err)
	}
	s.put(t, "inputs/plain.tif", hills(t))
	a = s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: "plain.tif"})
	if a.status != http.StatusOK {
		t.Fatalf("submit: %d %s", a.status, a.body)
	}
	if r, err = s.Store.Request(t.Context(), a.json(t)["job_id"].(string)); err != nil || r.DEM.Name != "plain.tif" {
		t.Errorf("name of an upload without prefix: %q (%v)", r.DEM.Name, err)
	}
	s.put(t, "inputs/deeper/dem.tif", hills(t))
	if a = s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: "deeper/dem.tif"}); a.status != http.StatusBadRequest {
		t.Errorf("a path as uploaded_filename: %d %s", a.status, a.body)
	}
	a = s.do(t, http.MethodPost, "/api/submit-job", strings.NewReader("uploaded_filename=none.tif"), "Content-Type", "application/x-www-form-urlencoded")
	if a.status != http.StatusBadRequest {
		t.Errorf("unknown upload: %d %s", a.status, a.body)
	}
	if kept, _ := s.Store.Bucket.Exists(t.Context(), "inputs/"+name); !kept {
		t.Error("the upload of a job is gone")
	}
}

func TestUploadRefuses(t *testing.T) {
	s := newService(t, nil)
	for name, f := range map[string]field{
		"no file":    {name: "other", value: "x"},
		"text":       {"file", "hello", "dem.tif"},
		"picture":    {"file", "\x89PNG\r\n\x1a\n and more of it", "dem.tif"},
		"too large":  {"file", "II*\x00" + strings.Repeat("x", 64<<10), "dem.tif"},
		"cut header": {"file", hills(t)[:100], "dem.tif"},
	} {
		status := http.StatusBadRequest
		if name == "too large" {
			status = http.StatusRequestEntityTooLarge
		}
		if a := s.post(t, "/api/upload-file", f); a.status != status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, status)
		}
	}
	if a := s.do(t, http.MethodPost, "/api/upload-file", strings.NewReader("x")); a.status != http.StatusBadRequest {
		t.Errorf("no form: %d %s, want 400", a.status, a.body)
	}
	if left := keys(t, s.Store.Bucket); len(left) != 0 {
		t.Errorf("refused uploads left %v", left)
	}
}

// TestContentTellsAGeoTIFF sends DEMs and a raster under names without an extension, or with another one.
func TestContentTellsAGeoTIFF(t *testing.T) {
	for _, name := range []string{"noext", "dem.geotiff", "DEM.TIFF", "dem.gtif", "dem.tif.bak", "100%.tif", "größe"} {
		s := newService(t, nil)
		if a := s.post(t, "/api/upload-file", field{"file", hills(t), name}); a.status != 200 || a.json(t)["original_name"] != name {
			t.Errorf("upload-file, %s: %d %s", name, a.status, a.body)
		}
		if a := s.post(t, "/api/submit-job", field{"dem_file", hills(t), name}, field{"kb_file", factor(t), name}); a.status != 200 {
			t.Errorf("submit-job, %s: %d %s", name, a.status, a.body)
		} else if r := s.only(t).Request; r.DEM.Name != name || len(r.Parameters.KBRaster) != 1 {
			t.Errorf("submit-job, %s: %+v", name, r)
		}
		if a := s.do(t, http.MethodPost, "/uploads", nil, "Tus-Resumable", tus, "Upload-Length", "10", "Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(name))); a.status != http.StatusCreated {
			t.Errorf("tus, %s: %d %s", name, a.status, a.body)
		}
		s.drop(t, "uploads/"+name, hills(t))
		if said := s.take(t, "uploads/"+name); !strings.HasPrefix(said, "it becomes job") || strings.Contains(said, "failed") {
			t.Errorf("dropped, %s: %s", name, said)
		}
	}
}

// factor is a raster of 0.5 around the hills.
func factor(t *testing.T) string {
	t.Helper()
	g := raster.New[float64](4, 4)
	for i := range g.Cells {
		g.Cells[i] = 0.5
	}
	return string(demtest.EncodeAs(t, g, raster.Transform{OriginX: -107.02, OriginY: 39.03, StepX: 0.01, StepY: -0.01}, raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}))
}

// TestBrokenUpload cuts the connection in the middle of the file.
func TestBrokenUpload(t *testing.T) {
	s := newService(t, nil)
	body := "--b\r\nContent-Disposition: form-data; name=\"dem_file\"; filename=\"dem.tif\"\r\n\r\n" + hills(t)[:400]
	a := s.do(t, http.MethodPost, "/api/submit-job", strings.NewReader(body), "Content-Type", "multipart/form-data; boundary=b")
	if a.status != http.StatusBadRequest {
		t.Errorf("%d %s, want 400", a.status, a.body)
	}
	if left := keys(t, s.Store.Bucket); len(left) != 0 {
		t.Errorf("a broken upload left %v", left)
	}
}

func TestUnannouncedJobIsNotLost(t *testing.T) {
	s := newService(t, nil)
	s.refuse = errors.New("the broker is away")
	id := s.submit(t)
	if a := s.get(t, "/api/jobs/"+id); a.status != http.StatusOK || a.json(t)["status"] != "pending" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestStorageAway(t *testing.T) {
	s := newService(t, func(_, _ string) error { return errors.New("secret address of the store") })
	for _, a := range []answer{
		s.get(t, "/api/jobs"), s.get(t, "/api/jobs/01JTEST0000000000000000001"), s.get(t, "/", "Accept", "text/html"),
		s.post(t, "/api/submit-job", field{"dem_file", hills(t), "dem.tif"}),
	} {
		if a.status != http.StatusServiceUnavailable || strings.Contains(a.body, "secret") {
			t.Errorf("%d %s, want 503 without inner words", a.status, a.body)
		}
	}
	if a := s.get(t, "/healthz"); a.status != http.StatusOK || a.json(t)["status"] != "healthy" {
		t.Errorf("health: %d %s", a.status, a.body)
	}
}

func TestJobs(t *testing.T) {
	s := newService(t, nil)
	var ids []string
	for range 4 {
		ids = append(ids, s.submit(t))
	}
	s.end(t, ids[0], job.Completed)
	s.end(t, ids[1], job.Failed)
	s.end(t, ids[2], job.Cancelled)
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"", []string{ids[3], ids[2], ids[1], ids[0]}},
		{"?limit=2", []string{ids[3], ids[2]}},
		{"?status=completed", []string{ids[0]}},
		{"?status=failed", []string{ids[2], ids[1]}},
		{"?status=pending", []string{ids[3]}},
		{"?status=failed&limit=1", []string{ids[2]}},
	} {
		a := s.get(t, "/api/jobs"+c.query)
		var list []map[string]any
		if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", c.query, a.status, a.body)
		}
		var got []string
		for _, j := range list {
			got = append(got, j["id"].(string))
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("jobs%s: %v, want %v", c.query, got, c.want)
		}
	}
	if a := s.get(t, "/api/jobs?status=done"); a.status != http.StatusBadRequest || !strings.Contains(a.body, "must be pending, running, completed, failed") {
		t.Errorf("status=done: %d %s, want 400 with the allowed values", a.status, a.body)
	}
	for _, q := range []string{"0", "1001", "x", "-1"} {
		if a := s.get(t, "/api/jobs?limit="+q); a.status != http.StatusBadRequest || !strings.Contains(a.body, "1 to 1000") {
			t.Errorf("limit %s: %d %s", q, a.status, a.body)
		}
	}
	s.put(t, job.Prefix("01JTEST0000000000000000099")+"job.json", "{damaged")
	s.put(t, "index/000000000000000-01JTEST0000000000000000099", "{}")
	if a := s.get(t, "/api/jobs"); a.status != http.StatusOK || strings.Count(a.body, `"id"`) != 4 {
		t.Errorf("a damaged job hides the others: %d %s", a.status, a.body)
	}
	one := s.get(t, "/api/jobs/"+ids[1]).json(t)
	for k, want := range map[string]any{
		"id": ids[1], "workflow_type": "sol", "status": "failed", "dem_filename": "dem.tif", "error_message": "because",
		"completed_at": "2026-05-04T13:00:00Z", "progress": 0.0,
	} {
		if one[k] != want {
			t.Errorf("%s is %v, want %v", k, one[k], want)
		}
	}
	if p, ok := one["parameters"].(map[string]any); !ok || p["step"] != 15.0 {
		t.Errorf("parameters are %v", one["parameters"])
	}
	if a := s.get(t, "/api/jobs"); s.get(t, "/monitor").status != http.StatusOK || !strings.Contains(s.get(t, "/", "Accept", "text/html").body, ids[0]) {
		t.Errorf("the page does not show the jobs; list: %s", a.body)
	}
}

func TestPageEscapes(t *testing.T) {
	s := newService(t, nil)
	s.post(t, "/api/submit-job", field{"dem_file", hills(t), "<script>alert(1)<-script>.tif"})
	a := s.get(t, "/", "Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	if strings.Contains(a.body, "<script>") || !strings.Contains(a.body, "&lt;script&gt;") || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("page with a hostile name: %s", a.body)
	}
}

func TestNotFound(t *testing.T) {
	s := newService(t, nil)
	id := s.submit(t)
	s.put(t, job.ResultKey(id, "report.json"), "{}")
	s.put(t, job.ResultKey(id, "../job.json"), "a key that only a careless path reaches")
	for _, c := range []struct{ method, path string }{
		{"GET", "/api/jobs/01JTEST0000000000000000099"},
		{"GET", "/api/jobs/..%2F..%2Fuploads"},
		{"GET", "/api/jobs/x"},
		{"GET", "/api/jobs/x/results"},
		{"POST", "/api/jobs/x/cancel"},
		{"DELETE", "/api/jobs/x"},
		{"GET", "/jobs/x/results/a.tif"},
		{"GET", "/jobs/" + id + "/results/none.tif"},
		{"GET", "/jobs/" + id + "/results/..%2Fjob.json"},
		{"GET", "/jobs/" + id + "/results/a/..%2f..%2fjob.json"},
		{"GET", "/nothing"},
	} {
		if a := s.do(t, c.method, c.path, nil); a.status != http.StatusNotFound || strings.Contains(a.body, "workflow") || strings.Contains(a.body, "careless") {
			t.Errorf("%s %s: %d %s, want 404", c.method, c.path, a.status, a.body)
		}
	}
}

func TestCancelAndDelete(t *testing.T) {
	s := newService(t, nil)
	id := s.submit(t)
	if a := s.do(t, http.MethodDelete, "/api/jobs/"+id, nil); a.status != http.StatusBadRequest || !strings.Contains(a.body, "cancel it") {
		t.Errorf("delete of a pending job: %d %s", a.status, a.body)
	}
	if a := s.do(t, http.MethodPost, "/api/jobs/"+id+"/cancel", nil); a.status != http.StatusOK {
		t.Fatalf("cancel: %d %s", a.status, a.body)
	}
	if last := s.events[len(s.events)-1]; last.Type() != eventing.JobCancelled {
		t.Errorf("cancelling announced %s", last.Type())
	}
	if a := s.do(t, http.MethodPost, "/api/jobs/"+id+"/cancel", nil); a.status != http.StatusBadRequest || !strings.Contains(a.body, "Job is not running (status: failed)") {
		t.Errorf("second cancel: %d %s", a.status, a.body)
	}
	if j := s.get(t, "/api/jobs/"+id).json(t); j["status"] != "failed" || j["error_message"] != "Job cancelled by user" {
		t.Errorf("cancelled job shows %v", j)
	}
	if a := s.do(t, http.MethodDelete, "/api/jobs/"+id, nil); a.status != http.StatusOK {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	if left := keys(t, s.Store.Bucket); len(left) != 0 {
		t.Errorf("a deleted job left %v", left)
	}
	if a := s.get(t, "/api/jobs/"+id); a.status != http.StatusNotFound {
		t.Errorf("a deleted job: %d", a.status)
	}
}

func TestZip(t *testing.T) {
	s := newService(t, nil)
	id := s.submit(t)
	files := map[string]string{"slope_rad.tif": "slope", "eemt/EEMT_Topo_jan_2020.tif": "january", "report.json": "{}"}
	for name, data := range files {
		s.put(t, job.ResultKey(id, name), data)
	}
	if a := s.get(t, "/api/jobs/"+id+"/results"); a.status != http.StatusBadRequest || !strings.Contains(a.body, "Job not completed") {
		t.Errorf("before the end: %d %s", a.status, a.body)
	}
	s.end(t, id, job.Completed)
	a := s.get(t, "/api/jobs/"+id+"/results")
	if a.status != http.StatusOK || a.err != nil || a.header.Get("Content-Type") != "application/zip" ||
		a.header.Get("Content-Disposition") != "attachment; filename=eemt_results_"+id+".zip" {
		t.Fatalf("%d %v %v", a.status, a.err, a.header)
	}
	z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil || files[f.Name] != string(data) {
			t.Errorf("%s holds %q (%v), want %q", f.Name, data, err, files[f.Name])
		}
		delete(files, f.Name)
	}
	if len(files) != 0 {
		t.Errorf("the archive lacks %v", files)
	}
	if err := s.Store.WriteExpired(t.Context(), id, noon); err != nil {
		t.Fatal(err)
	}
	if a := s.get(t, "/api/jobs/"+id+"/results"); a.status != http.StatusBadRequest || !strings.Contains(a.body, "2026-05-04") {
		t.Errorf("after retention: %d %s", a.status, a.body)
	}
}

// TestZipBreaksOff fails the second file: the client must see the answer break,
// not end.
func TestZipBreaksOff(t *testing.T) {
	s := newService(t, func(op, key string) error {
		if op == faultbucket.Read && strings.HasSuffix(key, "results/b.tif") {
			return errors.New("the store went away")
		}
		return nil
	})
	id := s.submit(t)
	s.put(t, job.ResultKey(id, "a.tif"), strings.Repeat("a", 100000))
	s.put(t, job.ResultKey(id, "b.tif"), "b")
	s.end(t, id, job.Completed)
	if a := s.get(t, "/api/jobs/"+id+"/results"); a.err == nil {
		t.Errorf("%d with %d bytes and a proper end, want a broken connection", a.status, len(a.body))
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	bad := "index/"
	s := newService(t, func(_, key string) error {
		if strings.Contains(key, bad) {
			panic("a defect")
		}
		return nil
	})
	answered := func(path string) {
		t.Helper()
		if a := s.get(t, path); a.status != http.StatusInternalServerError || strings.Contains(a.body, "defect") {
			t.Errorf("%s: %d %s, want 500 without inner words", path, a.status, a.body)
		}
	}
	answered("/api/jobs")
	bad = "nothing"
	id := s.submit(t)
	s.end(t, id, job.Completed)
	bad = "/end.json" // read in a goroutine of its own
	answered("/api/jobs")
	if a := s.get(t, "/healthz"); a.status != http.StatusOK {
		t.Errorf("after a panic: %d", a.status)
	}
}

func TestResultsByRange(t *testing.T) {
	s := newService(t, nil)
	id := s.submit(t)
	data := strings.Repeat("0123456789", 5000)
	s.put(t, job.ResultKey(id, "global/annual/total_sun_sum.tif"), data)
	path := "/jobs/" + id + "/results/global/annual/total_sun_sum.tif"
	whole := s.get(t, path)
	etag := whole.header.Get("ETag")
	if whole.status != http.StatusOK || whole.body != data || whole.header.Get("Accept-Ranges") != "bytes" || etag == "" || whole.header.Get("Content-Type") != stac.COG {
		t.Fatalf("%d, %d bytes, %v", whole.status, len(whole.body), whole.header)
	}
	for _, c := range []struct {
		name   string
		header []string
		status int
		body   string
	}{
		{"first bytes", []string{"Range", "bytes=0-3"}, 206, "0123"},
		{"middle", []string{"Range", "bytes=40005-40014"}, 206, "5678901234"},
		{"end", []string{"Range", "bytes=-2"}, 206, "89"},
		{"open", []string{"Range", "bytes=49995-"}, 206, "56789"},
		{"beyond", []string{"Range", "bytes=50000-"}, 416, ""},
		{"same file", []string{"Range", "bytes=1-2", "If-Range", etag}, 206, "12"},
		{"another file", []string{"Range", "bytes=1-2", "If-Range", `"other"`}, 200, data},
		{"not modified", []string{"If-None-Match", etag}, 304, ""},
	} {
		a := s.get(t, path, c.header...)
		if a.status != c.status || c.body != "" && a.body != c.body {
			t.Errorf("%s: %d with %d bytes, want %d with %d", c.name, a.status, len(a.body), c.status, len(c.body))
		}
		if c.status == 206 && !strings.HasSuffix(a.header.Get("Content-Range"), "/50000") {
			t.Errorf("%s: Content-Range %q", c.name, a.header.Get("Content-Range"))
		}
	}
	head := s.do(t, http.MethodHead, path, nil)
	if head.status != http.StatusOK || head.body != "" || head.header.Get("Content-Length") != "50000" {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
	var list []map[string]any
	a := s.get(t, "/jobs/"+id+"/results/")
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || len(list) != 1 || list[0]["href"] != path || list[0]["size"] != 50000.0 {
		t.Errorf("files: %s", a.body)
	}
}

// TestCancelledAndGone cancels a job for a client that goes as soon as its end is written: the end is announced all the
// same.
func TestCancelledAndGone(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	s := newService(t, nil)
	inner := s.Store.Bucket
	s.on(faultbucket.WrapAround(inner, func(op, key string, do func() error) error {
		err := do()
		if op == faultbucket.Commit && strings.HasSuffix(key, "end.json") {
			leave()
		}
		return err
	}, nil))
	var heard []string
	events := eventing.PublisherFunc(func(ctx context.Context, e event.Event) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		heard = append(heard, e.Type())
		return nil
	})
	s.with(func(c *submission.Config) { c.Events = events })
	r := job.Request{ID: "01JTESTAAAAAAAAAAAAAAAAAAA", Workflow: param.Sol, Parameters: param.DefaultParameters(), Created: noon}
	if err := s.Store.Create(ctx, r); err != nil {
		t.Fatal(err)
	}
	_, _ = s.Cancel(ctx, r.ID) // its answer reaches nobody
	if noted, err := s.Store.Announced(t.Context(), r.ID); err != nil || !noted || !slices.Equal(heard, []string{eventing.JobCancelled}) {
		t.Errorf("heard %v, noted: %t (%v)", heard, noted, err)
	}
}

// TestEchoIsAnnounced: the end of an echo job is announced like any other, at once where it has no pause, else by the
// resume tick, to which it says so.
func TestEchoIsAnnounced(t *testing.T) {
	for pause, heard := range map[int][]string{0: {eventing.JobCompleted}, 30: nil} {
		s := newService(t, nil)
		s.with(func(c *submission.Config) { c.Echo = true })
		a := s.do(t, http.MethodPost, "/processes/echo/execution", strings.NewReader(fmt.Sprintf(`{"inputs":{"stringInput":"Value1","pause":%d}}`, pause)),
			"Content-Type", "application/json", "Prefer", "respond-async")
		if a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.body)
		}
		id := s.only(t).Request.ID
		var got []string
		for _, e := range s.events {
			got = append(got, e.Type())
		}
		end, err := s.Store.End(t.Context(), id)
		noted, noting := s.Store.Announced(t.Context(), id)
		if err != nil || noting != nil || end.Event == "" || noted != (pause == 0) || !slices.Equal(got, heard) {
			t.Errorf("pause %d: heard %v, noted: %t, end %+v (%v, %v)", pause, got, noted, end, err, noting)
		}
	}
}
