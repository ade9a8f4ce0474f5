package compute

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/functions/compute/assembly"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/preview"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/sources"
)

// encode returns a GeoTIFF of the bands in a CRS.
func encode(t *testing.T, epsg int, tr raster.Transform, bands ...*raster.Grid[float32]) []byte {
	t.Helper()
	c, err := crs.FromEPSG(epsg)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = geotiff.Write(&b, geotiff.Options{
		Width: bands[0].Width, Height: bands[0].Height, Transform: tr, GeoKeys: c.GeoKeys(), Bands: make([]geotiff.BandInfo, len(bands)),
	}, bands...)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// remote is a server of climate and rasters that wants a bearer token, and a bucket with a DEM.
type remote struct {
	server                *httptest.Server
	bucket                *blob.Bucket
	requests, sent, whole atomic.Int64
	total                 int64
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	const width, height = 12, 10
	z := raster.New[float32](width, height)
	for i := range z.Cells {
		z.Cells[i] = 2000 + 10*float32(math.Sin(float64(i)))
	}
	// UTM 13N, near 35.8 N 106.6 W.
	demFile := encode(t, 26913, raster.Transform{OriginX: 352000, OriginY: 3964000, StepX: 10, StepY: -10}, z)
	constant := map[string]float32{"tmin": 2, "tmax": 14, "prcp": 60, "vp": 600}
	place := raster.Transform{OriginX: -108, OriginY: 37, StepX: 0.1, StepY: -0.1}
	files := map[string][]byte{}
	for name, v := range constant {
		bands := make([]*raster.Grid[float32], 12)
		for m := range bands {
			bands[m] = raster.New[float32](300, 300)
			bands[m].Fill(v)
		}
		files["/"+name+"_2020.tif"] = encode(t, 4326, place, bands...)
	}
	for name, v := range map[string]float32{"elevation": 1900, "albedo": 0.3} {
		g := raster.New[float32](300, 300)
		g.Fill(v)
		files["/"+name+".tif"] = encode(t, 4326, place, g)
	}
	f := &remote{bucket: memblob.OpenBucket(nil)}
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		f.requests.Add(1)
		if r.Header.Get("Range") == "" && r.Method == http.MethodGet {
			f.whole.Add(1)
		}
		http.ServeContent(&counting{ResponseWriter: w, n: &f.sent}, r, r.URL.Path, time.Unix(1, 0), bytes.NewReader(data))
	}))
	for _, data := range files {
		f.total += int64(len(data))
	}
	t.Cleanup(func() {
		f.server.Close()
		_ = f.bucket.Close()
	})
	if err := f.bucket.WriteAll(t.Context(), "inputs/dem.tif", demFile, nil); err != nil {
		t.Fatal(err)
	}
	return f
}

// run does a job to its end; bucket is what compute sees.
func (f *remote) run(t *testing.T, bucket *blob.Bucket, id, token string, now func() time.Time) job.Status {
	t.Helper()
	ctx := t.Context()
	b := broker.New(broker.Options{Retries: -1})
	s := &Service{
		Store: job.Store{Bucket: bucket}, Events: b, Threads: 2, Now: now, Log: slog.New(slog.DiscardHandler), Version: "test",
		Draw:    func(io.Writer, *raster.Grid[float32], preview.Options) error { return nil }, // no test of these looks at a picture
		Climate: sources.Files{Bucket: f.bucket, Client: f.server.Client(), Token: token, Hosts: []string{f.server.Listener.Addr().String()}}.Open,
	}
	b.Subscribe("compute", []string{eventing.JobSubmitted, eventing.TaskRequested, eventing.TilesCompleted}, 1, s.Handle)
	p := param.DefaultParameters()
	p.Maps = param.AnnualMaps // whose climate is that of all maps
	p.Step, p.Climate, p.ClimateElevation = 60, "raster:"+f.server.URL+"/{var}_{year}.tif", f.server.URL+"/elevation.tif"
	p.AlbedoRaster = []string{f.server.URL + "/albedo.tif"}
	store := job.Store{Bucket: f.bucket}
	r := job.Request{ID: id, Workflow: param.EEMT, Parameters: p, DEM: job.DEM{Key: "inputs/dem.tif", SHA256: "abc"}, Created: now()}
	if err := store.Create(ctx, r); err != nil {
		t.Fatal(err)
	}
	b.Start()
	if err := b.Publish(ctx, eventing.NewJobSubmitted("test", id, 0, now())); err != nil {
		t.Fatal(err)
	}
	if err := b.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	st, err := store.Status(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// A raster climate behind a bearer token is read by range, once: the second job
// over the same DEM finds its window in the bucket's cache.
func TestClimateOverHTTPIsReadOnce(t *testing.T) {
	f := newRemote(t)
	if st := f.run(t, f.bucket, "01M84W47CS9KDDSWX2WFY3RB20", "wrong", time.Now); st.State != job.Failed || !strings.Contains(st.End.Reason, "401") {
		t.Fatalf("with a wrong token: %s, %+v; want failed, with the server's 401", st.State, st.End)
	}
	if st := f.run(t, f.bucket, "01M84W47CS9KDDSWX2WFY3RB21", "secret", time.Now); st.State != job.Completed {
		t.Fatalf("first job: %s, %+v", st.State, st.End)
	}
	first := f.requests.Load()
	if first == 0 || f.whole.Load() != 0 {
		t.Errorf("%d requests, %d of them without a range", first, f.whole.Load())
	}
	t.Logf("%d requests, %d of %d bytes", first, f.sent.Load(), f.total)
	if st := f.run(t, f.bucket, "01M84W47CS9KDDSWX2WFY3RB22", "secret", time.Now); st.State != job.Completed {
		t.Fatalf("second job: %s, %+v", st.State, st.End)
	}
	if again := f.requests.Load() - first; again != 0 {
		t.Errorf("the second job made %d requests, want none: its window is in the cache", again)
	}
	sources := f.sources(t, "01M84W47CS9KDDSWX2WFY3RB21")
	if again := f.sources(t, "01M84W47CS9KDDSWX2WFY3RB22"); !slices.Equal(again, sources) {
		t.Errorf("sources from the cache %+v, want %+v", again, sources)
	}
	// Of what came over the network the part that was read has a checksum.
	kept := map[string]int{}
	for _, s := range sources {
		switch {
		case s.Kept && len(s.SHA256) == 64 && s.Bytes > 0:
			kept[s.Input]++
		case s.Kept || s.SHA256 != "" || !strings.HasPrefix(s.File, f.server.URL):
			t.Errorf("source %+v", s)
		}
	}
	if len(sources) != 12 || kept["climate"] != 5 || kept["albedo_value"] != 1 {
		t.Errorf("%d sources, kept %v: %+v", len(sources), kept, sources)
	}
}

// sources are those of the report of a job.
func (f *remote) sources(t *testing.T, id string) []record.Source {
	t.Helper()
	data, err := f.bucket.ReadAll(t.Context(), job.ResultKey(id, workfile.ReportName))
	var r assembly.Report
	if err != nil || json.Unmarshal(data, &r) != nil {
		t.Fatalf("report of %s: %v", id, err)
	}
	return r.Sources
}

type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.ResponseWriter.Write(p)
}

func TestSourcesRefuse(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer func() { _ = bucket.Close() }()
	s := sources.Files{Bucket: bucket, Client: http.DefaultClient, Hosts: []string{"data.example.org"}}
	for name, want := range map[string]string{
		"/etc/passwd":                   "give an https address",
		"jobs/x/job.json":               "give an https address",
		"https://metadata.internal/x":   "host metadata.internal may not be called",
		"file:///etc/passwd":            "give an https address",
		"http://data.example.org:x/abc": "invalid port",
	} {
		_, _, _, err := s.Open(context.Background(), name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want an error with %q", name, err, want)
		}
	}
}
