package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
)

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
