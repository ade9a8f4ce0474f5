package submission_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

// The rasters that a request names are looked at before there is a job, whatever door it comes by.
func TestNamedRasters(t *testing.T) {
	s := newService(t, nil)
	inBucket := s.Climate
	s.put(t, "climate/linke.tif", hills(t))
	s.put(t, "climate/text.tif", "hello")
	s.put(t, "jobs/x/results/map.tif", hills(t))
	for m := range 11 {
		s.put(t, fmt.Sprintf("climate/m_%02d.tif", m+1), hills(t))
	}
	s.put(t, "inputs/dem.tif", hills(t))
	elsewhere := func(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
		switch {
		case !strings.HasPrefix(name, "https://"):
			r, err := rangeread.Object(ctx, s.Store.Bucket, name)
			if err != nil {
				return nil, 0, nil, err
			}
			return r, r.Size(), r, nil
		case strings.Contains(name, "away.example"):
			return nil, 0, nil, fmt.Errorf("%w: no route", rangeread.ErrUnavailable)
		case strings.Contains(name, "good.example"):
			return strings.NewReader(hills(t)), int64(len(hills(t))), io.NopCloser(nil), nil
		}
		return nil, 0, nil, errors.New("host is not allowed here; allowed: good.example")
	}
	for _, c := range []struct{ name, says string }{
		{"climate/linke.tif", ""},
		{"https://good.example/l.tif", ""},
		{"https://away.example/l.tif", ""}, // compute has more patience
		{"climate/none.tif", `linke-value "climate/none.tif": there is no such object`},
		{"climate/text.tif", "not a TIFF"},
		{"climate/m_{month}.tif", `"climate/m_12.tif": there is no such object`},
		{"https://bad.example/l.tif", "host is not allowed"},
		{"jobs/x/results/map.tif", "must be an https address"},
		{"climate/../jobs/x/results/map.tif", "must be an https address"},
		{"inputs//dem.tif", "must be an https address"},
		{"http://169.254.169.254/l.tif", "must be an https address"},
	} {
		s.with(func(c *submission.Config) { c.Climate = elsewhere })
		before := len(keys(t, s.Store.Bucket))
		data := base64.StdEncoding.EncodeToString([]byte(hills(t)))
		answers := map[string]answer{
			"form":  s.post(t, "/api/submit-job", field{name: "linke_value", value: c.name}, field{"dem_file", hills(t), "dem.tif"}),
			"check": s.get(t, "/api/check?uploaded_filename=dem.tif&linke_value="+url.QueryEscape(c.name)),
			"standard": s.do(t, http.MethodPost, "/processes/sol/execution", strings.NewReader(fmt.Sprintf(`{"inputs":{"dem":%q,"linke_value":%q}}`, data, c.name)),
				"Content-Type", "application/json"),
		}
		for door, a := range answers {
			switch {
			case c.says == "" && a.status/100 != 2:
				t.Errorf("%s by %s: %d %s", c.name, door, a.status, a.body)
			case c.says != "" && (a.status != http.StatusBadRequest || !strings.Contains(a.json(t)["detail"].(string), c.says)):
				t.Errorf("%s by %s: %d %s, want %q", c.name, door, a.status, a.body, c.says)
			}
		}
		if c.says == "" {
			continue
		}
		if m := answers["standard"].json(t); m["parameter"] != "inputs.linke_value" || m["allowed"] == "" {
			t.Errorf("%s: the problem does not name the input: %v", c.name, m)
		}
		if after := len(keys(t, s.Store.Bucket)); after != before {
			t.Errorf("%s was refused, and left %d objects", c.name, after-before)
		}
	}
	// Without an opener the bucket alone is looked at.
	s.with(func(c *submission.Config) { c.Climate = inBucket })
	if a := s.post(t, "/api/submit-job", field{name: "kb", value: "climate/none.tif"}, field{"dem_file", hills(t), "dem.tif"}); a.status != http.StatusBadRequest {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// What an examination brought beside the DEM is not kept; the DEM is.
func TestCheckKeepsTheDEMAlone(t *testing.T) {
	s := newService(t, nil)
	a := s.post(t, "/api/check", field{"kb_file", hills(t), "kb.tif"}, field{"dem_file", hills(t), "dem.tif"})
	left := keys(t, s.Store.Bucket)
	if key := job.InputPrefix + a.json(t)["filename"].(string); a.status != http.StatusOK || !slices.Equal(left, []string{key, job.SumKey(key)}) {
		t.Fatalf("%d %s, left %v", a.status, a.body, left)
	}
	b := s.post(t, "/api/check", field{name: "uploaded_filename", value: a.json(t)["filename"].(string)}, field{"kb_file", hills(t), "kb.tif"})
	if now := keys(t, s.Store.Bucket); b.status != http.StatusOK || !slices.Equal(now, left) {
		t.Errorf("%d %s, left %v", b.status, b.body, now)
	}
}

// TestCheckThatMayComeAgain: a check that fails for a passing reason keeps the DEM, and names it.
func TestCheckThatMayComeAgain(t *testing.T) {
	var reads, fail atomic.Int32
	s := newService(t, func(op, key string) error {
		if op != faultbucket.Read || !strings.HasSuffix(key, ".tif") {
			return nil
		}
		if n := reads.Add(1); fail.Load() > 0 && n >= fail.Load() {
			return errors.New("away")
		}
		return nil
	})
	check := func() answer { return s.post(t, "/api/check", field{"dem_file", hills(t), "dem.tif"}) }
	if a := check(); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	fail.Store(reads.Swap(0)) // the last read, which the check makes
	a := check()
	name, _ := a.json(t)["filename"].(string)
	if a.status != http.StatusServiceUnavailable || name == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	fail.Store(0)
	if a := s.get(t, "/api/check?uploaded_filename="+name); a.status != http.StatusOK || a.json(t)["filename"] != name {
		t.Errorf("asked again: %d %s", a.status, a.body)
	}
	if a := s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: name}); a.status != http.StatusOK {
		t.Errorf("submitted: %d %s", a.status, a.body)
	}
}

// TestSmallBodies: what is longer than a request without a file may be is too large, not wrong.
func TestSmallBodies(t *testing.T) {
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.Cleaner = &passes{} })
	id := s.submit(t)
	long := `{"by": "` + strings.Repeat("x", 64<<10) + `"}`
	for _, c := range [][2]string{{"PUT", "/jobs/" + id + "/keep"}, {"POST", "/api/cleanup"}, {"POST", "/api/sign-upload"}, {"PUT", "/auth/quotas/anna"}} {
		if a := s.do(t, c[0], c[1], strings.NewReader(long), "Content-Type", "application/json"); a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d %s", c, a.status, a.body)
		}
	}
}

// TestUploadIsReadOnce: a job that names an upload does not read all of it again, unless the file was replaced since. The
// checksum goes with the file.
func TestUploadIsReadOnce(t *testing.T) {
	var reads atomic.Int32
	s := newService(t, func(op, key string) error {
		if op == faultbucket.Read && strings.HasSuffix(key, ".tif") {
			reads.Add(1)
		}
		return nil
	})
	name := s.post(t, "/api/upload-file", field{"file", hills(t), "dem.tif"}).json(t)["filename"].(string)
	key := job.InputPrefix + name
	var ids []string
	submit := func(content string) int32 {
		t.Helper()
		reads.Store(0)
		a := s.post(t, "/api/submit-job", field{name: "workflow_type", value: "sol"}, field{name: "fresh", value: "true"}, field{name: "uploaded_filename", value: name})
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		ids = append(ids, a.json(t)["job_id"].(string))
		n := reads.Load()
		r, err := s.Store.Request(t.Context(), ids[len(ids)-1])
		want := job.DEM{Key: key, Name: "dem.tif", SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(content))), Size: int64(len(content))}
		if err != nil || r.DEM != want {
			t.Errorf("job of %+v (%v), want %+v", r.DEM, err, want)
		}
		return n
	}
	header := submit(hills(t))
	other := string(demtest.Encode(t, demtest.Hills(11, 9)))
	s.put(t, key, other)
	if n := submit(other); n != header+1 {
		t.Errorf("%d reads of a file that was replaced, %d of one that was not", n, header)
	}
	if n := submit(other); n != header {
		t.Errorf("%d reads the next time, want %d", n, header)
	}
	for _, id := range ids {
		s.end(t, id, job.Completed)
		if a := s.do(t, http.MethodDelete, "/api/jobs/"+id, nil); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if left := keys(t, s.Store.Bucket); slices.Contains(left, key) || slices.Contains(left, job.SumKey(key)) {
		t.Errorf("left %v", left)
	}
}
