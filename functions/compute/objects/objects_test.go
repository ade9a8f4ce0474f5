package objects_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/rangeread"
	"github.com/cyverse-gis/eemt/shared/raster"
)

func newBucket(t *testing.T) *blob.Bucket {
	t.Helper()
	b := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// TestPut: an object is there whole or, with an error that a repetition may mend, not at all; what was there before stays.
func TestPut(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name  string
		write func(w io.Writer) error
		fail  string // the operation of the bucket that fails
		want  string // the object afterwards
	}{
		{"written", func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }, "", "new"},
		{"nothing written", func(io.Writer) error { return nil }, "", ""},
		{"given up half way", func(w io.Writer) error { _, _ = io.WriteString(w, "ne"); return broken }, "", "old"},
		{"refused by the bucket", func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }, faultbucket.Commit, "old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := newBucket(t)
			if err := inner.WriteAll(t.Context(), "a", []byte("old"), nil); err != nil {
				t.Fatal(err)
			}
			s := objects.Store{Bucket: faultbucket.Wrap(inner, func(op, _ string) error {
				if op == c.fail {
					return broken
				}
				return nil
			})}
			err := s.Put(t.Context(), "a", "text/plain", c.write)
			if failed := c.want == "old"; (err != nil) != failed || failed && (!fault.Is(err, fault.Unavailable) || !errors.Is(err, broken)) {
				t.Errorf("error %v", err)
			}
			if got, err := inner.ReadAll(t.Context(), "a"); err != nil || string(got) != c.want {
				t.Errorf("the object is %q (%v), want %q", got, err, c.want)
			}
		})
	}
}

// TestForeignWriter: a file that somebody replaces while it is open gives no mixture of both, but an error that asks to
// open it again.
func TestForeignWriter(t *testing.T) {
	s := objects.Store{Bucket: newBucket(t)}
	high := demtest.Hills(300, 300)
	for i := range high.Cells {
		high.Cells[i] += 1000
	}
	if err := s.WriteAll(t.Context(), "dem.tif", demtest.Encode(t, demtest.Hills(300, 300)), nil); err != nil {
		t.Fatal(err)
	}
	img, closer, err := s.OpenWithin(t.Context(), "dem.tif", 1) // no more than the block at hand is kept
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closer.Close() }()
	time.Sleep(2 * time.Millisecond) // the bucket tells versions apart by their time
	if err := s.WriteAll(t.Context(), "dem.tif", demtest.Encode(t, high), nil); err != nil {
		t.Fatal(err)
	}
	w := raster.Window{Col: 290, Row: 290, Width: 5, Height: 5}
	if g, err := img.Grid(t.Context(), 0, w); !errors.Is(err, rangeread.ErrChanged) {
		t.Errorf("%v (%v), want that the file changed", g, err)
	}
	g, err := s.Band(t.Context(), "dem.tif", 0, w)
	if err != nil || g.At(0, 0) < 3000 {
		t.Errorf("opened again: %v (%v)", g, err)
	}
}

// TestFolders lists, copies and removes many objects; that some are gone already is no error of a removal.
func TestFolders(t *testing.T) {
	s := objects.Store{Bucket: newBucket(t), AtOnce: 3}
	var names []string
	for n := range 20 {
		names = append(names, fmt.Sprintf("%02d", n))
		if err := s.PutBytes(t.Context(), "from/"+names[n], []byte(names[n])); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CopyEach(t.Context(), names, "from/", "to/"); err != nil {
		t.Fatal(err)
	}
	keys, err := s.Keys(t.Context(), "to/")
	if err != nil || len(keys) != 20 || keys[7] != "to/07" {
		t.Errorf("copied are %v (%v)", keys, err)
	}
	if err := s.Remove(t.Context(), append(slices.Clone(keys[:5]), "to/none", "to/03")); err != nil {
		t.Error(err)
	}
	if left, err := s.Keys(t.Context(), "to/"); err != nil || !slices.Equal(left, keys[5:]) {
		t.Errorf("left are %v (%v)", left, err)
	}
	if err := s.CopyEach(t.Context(), []string{"07", "none"}, "from/", "again/"); err == nil {
		t.Error("an object that is not there was copied")
	}
}

// TestChecksum reads the object, not what the bucket says of it.
func TestChecksum(t *testing.T) {
	s := objects.Store{Bucket: newBucket(t)}
	if err := s.Put(t.Context(), "a", objects.TIFF, func(w io.Writer) error { _, err := io.WriteString(w, "abc"); return err }); err != nil {
		t.Fatal(err)
	}
	sum, size, err := s.Checksum(t.Context(), "a")
	if err != nil || size != 3 || sum != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("%s of %d bytes (%v)", sum, size, err)
	}
	if _, _, err := s.Checksum(t.Context(), "none"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("of an object that is not there: %v", err)
	}
}

// TestLimits: large objects are sent in as many parts as S3 takes, and as many calls wait as are allowed.
func TestLimits(t *testing.T) {
	for size, want := range map[int64]int{0: 0, 1 << 30: 0, 9000 * 8 << 20: 0, 9000*8<<20 + 1: 9 << 20, 1 << 40: 117 << 20} {
		got := objects.PartSize(size)
		if got != want || got > 0 && size/int64(got) >= 10000 {
			t.Errorf("an object of %d bytes is sent in parts of %d, want %d", size, got, want)
		}
	}
	for atOnce, want := range map[int]int{0: 16, -1: 16, 1: 1, 40: 40} {
		if got := (objects.Store{AtOnce: atOnce}).Calls(); got != want {
			t.Errorf("AtOnce %d: %d calls, want %d", atOnce, got, want)
		}
	}
}
