package compute

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
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

// A raster climate behind a bearer token is read by range, once: the second job
// over the same DEM finds its window in the bucket's cache.
func TestClimateOverHTTPIsReadOnce(t *testing.T) {
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
	elevation := raster.New[float32](300, 300)
	elevation.Fill(1900)
	files["/elevation.tif"] = encode(t, 4326, place, elevation)
	var requests, bytesSent, whole atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		requests.Add(1)
		if r.Header.Get("Range") == "" && r.Method == http.MethodGet {
			whole.Add(1)
		}
		counter := &counting{ResponseWriter: w, n: &bytesSent}
		http.ServeContent(counter, r, r.URL.Path, time.Unix(1, 0), bytes.NewReader(data))
	}))
	defer server.Close()

	bucket := memblob.OpenBucket(nil)
	defer func() { _ = bucket.Close() }()
	ctx := context.Background()
	if err := bucket.WriteAll(ctx, "inputs/dem.tif", demFile, nil); err != nil {
		t.Fatal(err)
	}
	run := func(id, token string) job.Status {
		t.Helper()
		b := broker.New(broker.Options{Retries: -1})
		s := &Service{
			Store: job.Store{Bucket: bucket}, Events: b, Threads: 2, Now: time.Now, Log: slog.New(slog.DiscardHandler), Version: "test",
			Climate: Sources{Bucket: bucket, Client: server.Client(), Token: token, Hosts: []string{"127.0.0.1"}}.Open,
		}
		b.Subscribe("compute", []string{eventing.JobSubmitted, eventing.TileRequested, eventing.TilesCompleted}, 1, s.Handle)
		p := job.DefaultParameters()
		p.Step, p.Climate, p.ClimateElevation = 60, "raster:"+server.URL+"/{var}_{year}.tif", server.URL+"/elevation.tif"
		r := job.Request{ID: id, Workflow: job.EEMT, Parameters: p, DEM: job.DEM{Key: "inputs/dem.tif", SHA256: "abc"}, Created: time.Now()}
		if err := s.Store.Create(ctx, r); err != nil {
			t.Fatal(err)
		}
		b.Start()
		if err := b.Publish(ctx, eventing.NewJobSubmitted("test", id, 0, time.Now())); err != nil {
			t.Fatal(err)
		}
		if err := b.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		st, err := s.Store.Status(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}

	if st := run("01M84W47CS9KDDSWX2WFY3RB20", "wrong"); st.State != job.Failed || !strings.Contains(st.End.Reason, "401") {
		t.Fatalf("with a wrong token: %s, %+v; want failed, with the server's 401", st.State, st.End)
	}
	if st := run("01M84W47CS9KDDSWX2WFY3RB21", "secret"); st.State != job.Completed {
		t.Fatalf("first job: %s, %+v", st.State, st.End)
	}
	total := int64(0)
	for _, f := range files {
		total += int64(len(f))
	}
	first := requests.Load()
	if first == 0 || whole.Load() != 0 {
		t.Errorf("%d requests, %d of them without a range", first, whole.Load())
	}
	t.Logf("%d requests, %d of %d bytes", first, bytesSent.Load(), total)
	if st := run("01M84W47CS9KDDSWX2WFY3RB22", "secret"); st.State != job.Completed {
		t.Fatalf("second job: %s, %+v", st.State, st.End)
	}
	if again := requests.Load() - first; again != 0 {
		t.Errorf("the second job made %d requests, want none: its window is in the cache", again)
	}
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
	s := Sources{Bucket: bucket, Client: http.DefaultClient, Hosts: []string{"data.example.org"}}
	for name, want := range map[string]string{
		"/etc/passwd":                   "give an https address",
		"jobs/x/job.json":               "give an https address",
		"https://metadata.internal/x":   "host metadata.internal is not allowed here",
		"file:///etc/passwd":            "give an https address",
		"http://data.example.org:x/abc": "invalid port",
	} {
		_, _, _, err := s.Open(context.Background(), name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want an error with %q", name, err, want)
		}
	}
}
