package replica_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

// TestInputError: only what a file itself says ends its job. What a bucket or an interruption says keeps its kind, so that
// the event is delivered again.
func TestInputError(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer func() { _ = bucket.Close() }()
	_, gone := bucket.ReadAll(t.Context(), "none")
	for name, c := range map[string]struct {
		err  error
		ends bool
	}{
		"no raster":            {errors.New("not a TIFF"), true},
		"interrupted":          {context.Canceled, false},
		"too late":             {fmt.Errorf("read: %w", context.DeadlineExceeded), false},
		"an origin away":       {fmt.Errorf("read: %w", rangeread.ErrUnavailable), false},
		"replaced meanwhile":   {fmt.Errorf("read: %w", rangeread.ErrChanged), false},
		"a bucket away":        {fault.New(fault.Unavailable, errors.New("away")), false},
		"refused, or not here": {gone, false},
	} {
		got := replica.InputError(c.err)
		if fault.Is(got, fault.Invalid) != c.ends || !errors.Is(got, c.err) {
			t.Errorf("%s: %v, want that it ends the job: %t", name, got, c.ends)
		}
	}
}

// TestOpenDEM: a bad DEM ends the job, a bucket that fails does not.
func TestOpenDEM(t *testing.T) {
	for _, c := range []struct {
		name       string
		file       []byte
		away, ends bool
	}{
		{name: "a DEM", file: demtest.Encode(t, demtest.Hills(9, 7))},
		{name: "no DEM", file: []byte("no raster"), ends: true},
		{name: "a bucket that is away", file: demtest.Encode(t, demtest.Hills(9, 7)), away: true},
		{name: "no object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := memblob.OpenBucket(nil)
			defer func() { _ = inner.Close() }()
			if c.file != nil {
				if err := inner.WriteAll(t.Context(), "inputs/dem.tif", c.file, nil); err != nil {
					t.Fatal(err)
				}
			}
			bucket := faultbucket.Wrap(inner, func(op, _ string) error {
				if c.away && op == faultbucket.Read {
					return errors.New("away")
				}
				return nil
			})
			r := &replica.Replica{Store: job.Store{Bucket: bucket}, Progress: func(string, string, float64, float64) {}, Version: "7"}
			j := r.Job(&engine.Run{
				Request: job.Request{ID: "a", Workflow: param.Sol, Parameters: param.DefaultParameters(), DEM: job.DEM{Key: "inputs/dem.tif", Name: "dem.tif"}},
				Log:     slog.New(slog.DiscardHandler),
			})
			d, closer, err := j.OpenDEM(t.Context())
			if c.file != nil && !c.away && !c.ends {
				if err != nil || d.Image.Width != 9 || j.Software() != "eemt 7" {
					t.Fatalf("%v, written by %s", err, j.Software())
				}
				if err := closer.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || fault.Is(err, fault.Invalid) != c.ends {
				t.Errorf("%v, want that it ends the job: %t", err, c.ends)
			}
		})
	}
}

// TestSweepTemp removes what killed processes left, and nothing else, nor what is in work.
func TestSweepTemp(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for name, at := range map[string]time.Time{"eemt-spool-1": old, "eemt-spool-2": old, "eemt-spool-3": time.Now(), "other": old} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "eemt-spool-4"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "eemt-spool-4"), old, old); err != nil {
		t.Fatal(err)
	}
	if n, err := replica.SweepTemp(dir, time.Now().Add(-time.Minute)); n != 2 || err != nil {
		t.Errorf("%d were removed (%v), want 2", n, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 || left[0].Name() != "eemt-spool-3" || left[1].Name() != "eemt-spool-4" || left[2].Name() != "other" {
		t.Errorf("left are %v (%v)", left, err)
	}
	if n, err := replica.SweepTemp(filepath.Join(dir, "none"), time.Now()); n != 0 || err != nil {
		t.Errorf("%d of a directory that there is not (%v)", n, err)
	}
}

// TestSpools: what is spooled lies in the folder that was given, under a name that the sweep looks for, until it is removed.
func TestSpools(t *testing.T) {
	dir := t.TempDir()
	s := replica.NewSpools(dir)
	for range 3 {
		if _, err := s.Open(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files (%v), want 3", len(files), err)
	}
	s.Remove()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left are %v (%v)", left, err)
	}
	if err := os.WriteFile(filepath.Join(dir, files[0].Name()), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := replica.SweepTemp(dir, time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("%d were swept (%v), want 1", n, err)
	}
	if _, err := replica.NewSpools(filepath.Join(dir, "none")).Open(); err == nil {
		t.Error("a folder that there is not holds a file")
	}
}
