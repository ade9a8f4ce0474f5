package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
)

// TestRunOnAFullDisk fills the disk as soon as the job is submitted, so that not even its end can be written.
func TestRunOnAFullDisk(t *testing.T) {
	lost := make(chan string, 10)
	p, err := newPlatform(platformOptions{dir: t.TempDir(), threads: 1, local: true, log: slog.New(slog.DiscardHandler), lost: func(reason string) { lost <- reason }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.close() }()
	full := job.Store{Bucket: faultbucket.Wrap(p.bucket, func(op, _ string) error {
		if op == faultbucket.Commit {
			return errors.New("no space left on device")
		}
		return nil
	})}
	p.compute.Store, p.cleanup.Store = full, full
	p.broker.Start()
	id, err := p.submitLocal(t.Context(), job.Sol, job.DefaultParameters(), "../../examples/maungawhau/dem.tif")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.wait(ctx, id, nil, lost); err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("the run ended with %v", err)
	}
}

// TestPlaceAtATime places one map by several runs at a time: each works, and the object stays whole.
func TestPlaceAtATime(t *testing.T) {
	dir := t.TempDir()
	object, to := filepath.Join(dir, "object"), filepath.Join(dir, "maps", "a.tif")
	if err := os.WriteFile(object, []byte("map"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := memblob.OpenBucket(nil)
	defer func() { _ = b.Close() }()
	if err := b.WriteAll(t.Context(), "key", []byte("map"), nil); err != nil {
		t.Fatal(err)
	}
	var runs sync.WaitGroup
	for i := range 8 {
		runs.Go(func() {
			for range 100 {
				if err := placeAny(t.Context(), b, object, to, i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	runs.Wait()
	for _, name := range []string{object, to} {
		if data, err := os.ReadFile(name); string(data) != "map" {
			t.Errorf("%s: %q (%v)", name, data, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "maps", "*")); len(left) != 1 {
		t.Errorf("left: %v (%v)", left, err)
	}
}

// placeAny places by a link, or with odd i by a copy, as where links do not work.
func placeAny(ctx context.Context, b *blob.Bucket, object, to string, i int) error {
	if i%2 == 1 {
		object += "-not-there"
	}
	return place(ctx, b, "key", object, to)
}
