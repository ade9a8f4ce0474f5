package archive_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission/archive"
)

var at = time.Date(2026, 5, 4, 12, 34, 57, 0, time.UTC)

// folder is a source of files in memory; opened counts.
type folder struct {
	content map[string]string
	opened  map[string]int
}

func (f *folder) Open(_ context.Context, e archive.Entry, offset int64) (io.ReadCloser, error) {
	text, ok := f.content[e.Name]
	if !ok {
		return nil, errors.New("gone")
	}
	if f.opened == nil {
		f.opened = map[string]int{}
	}
	f.opened[e.Name]++
	// Short reads, as a network gives.
	return io.NopCloser(&short{strings.NewReader(text[offset:])}), nil
}

type short struct{ r io.Reader }

func (s *short) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 7)]) }

func sample() (*folder, []archive.Entry) {
	f := &folder{content: map[string]string{}}
	var entries []archive.Entry
	for i, name := range []string{"a.tif", "empty", "dir/ü \\ ~.tif", "one", "long/" + strings.Repeat("n", 300)} {
		text := strings.Repeat(fmt.Sprint(i), i*i*11)
		if name == "empty" {
			text = ""
		}
		f.content[name] = text
		entries = append(entries, archive.Entry{Name: name, Size: int64(len(text)), Modified: at.Add(time.Duration(i) * time.Hour), Key: name})
	}
	return f, entries
}

// want is the archive as the standard library writes it.
func want(t *testing.T, f *folder, entries []archive.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.Name, Method: zip.Store, Modified: e.Modified})
		if err == nil {
			_, err = io.WriteString(w, f.content[e.Name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAsTheStandardLibrary(t *testing.T) {
	f, entries := sample()
	for n := range len(entries) + 1 {
		a, err := archive.New(entries[:n])
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(a.Reader(t.Context(), f, new(archive.Sums)))
		if want := want(t, f, entries[:n]); err != nil || !bytes.Equal(got, want) || a.Size() != int64(len(want)) {
			t.Errorf("%d files: %v; %d bytes, size %d, want %d:\n%q\n%q", n, err, len(got), a.Size(), len(want), got, want)
		}
	}
}

// From any place to any other the bytes are the same, whatever was read before.
func TestRanges(t *testing.T) {
	f, entries := sample()
	a, err := archive.New(entries)
	if err != nil {
		t.Fatal(err)
	}
	all := want(t, f, entries)
	random := rand.New(rand.NewPCG(1, 2))
	var shared archive.Sums
	for range 2000 {
		from := random.IntN(len(all))
		to := from + random.IntN(len(all)-from) + 1
		sums := &shared
		if random.IntN(2) == 0 {
			sums = new(archive.Sums)
		}
		r := a.Reader(t.Context(), f, sums)
		if _, err := r.Seek(int64(from), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, to-from)
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, all[from:to]) {
			t.Fatalf("%d to %d: %v", from, to, err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// What is known is not read again.
	f.opened = nil
	r := a.Reader(t.Context(), f, &shared)
	_, _ = r.Seek(-30, io.SeekEnd)
	if _, err := io.ReadAll(r); err != nil || len(f.opened) > 0 {
		t.Errorf("%v, opened %v", err, f.opened)
	}
}

// A file that goes, or is cut, while the archive is read ends it with an error, not with other bytes.
func TestFilesThatChange(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(f *folder)
	}{
		{"gone", func(f *folder) { delete(f.content, "one") }},
		{"cut", func(f *folder) { f.content["one"] = "x" }},
	} {
		for _, from := range []int64{0, -10} {
			f, entries := sample()
			a, err := archive.New(entries)
			if err != nil {
				t.Fatal(err)
			}
			c.change(f)
			r := a.Reader(t.Context(), f, new(archive.Sums))
			whence := io.SeekStart
			if from < 0 {
				whence = io.SeekEnd
			}
			_, _ = r.Seek(from, whence)
			if _, err := io.ReadAll(r); err == nil || r.Err() == nil || !strings.Contains(err.Error(), "one") {
				t.Errorf("%s, from %d: %v", c.name, from, err)
			}
		}
	}
}

// zeros is a source of files without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
func (zeros) Close() error               { return nil }
func (zeros) Open(context.Context, archive.Entry, int64) (io.ReadCloser, error) {
	return zeros{}, nil
}

// readerAt reads an archive here and there, as a program does that opens it.
type readerAt struct{ r *archive.Reader }

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if _, err := r.r.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	return io.ReadFull(r.r, p)
}

// Archives beyond 4 GiB have the long form. Their zeros are summed once.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("sums 4 GiB of zeros")
	}
	sizes := []int64{3, 1<<32 - 2, 1<<32 - 1, 1<<32 + 5, 7}
	var entries []archive.Entry
	for i, n := range sizes {
		entries = append(entries, archive.Entry{Name: fmt.Sprint(i), Size: n, Modified: at, Key: fmt.Sprint(i)})
	}
	a, err := archive.New(entries)
	if err != nil {
		t.Fatal(err)
	}
	r := a.Reader(t.Context(), zeros{}, new(archive.Sums))
	z, err := zip.NewReader(readerAt{r}, a.Size())
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range z.File {
		if f.UncompressedSize64 != uint64(sizes[i]) || f.CompressedSize64 != uint64(sizes[i]) || f.Method != zip.Store {
			t.Errorf("file %d has %d bytes, want %d", i, f.UncompressedSize64, sizes[i])
		}
	}
	for _, i := range []int{0, 4} { // before the large ones, and after them
		open, err := z.File[i].Open()
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(open); err != nil || int64(len(data)) != sizes[i] {
			t.Errorf("file %d: %d bytes, %v", i, len(data), err)
		}
	}
}

func TestMany(t *testing.T) {
	f := &folder{content: map[string]string{}}
	var entries []archive.Entry
	for i := range 70_000 {
		name := fmt.Sprintf("%05d", i)
		f.content[name] = "x"
		entries = append(entries, archive.Entry{Name: name, Size: 1, Modified: at, Key: name})
	}
	a, err := archive.New(entries)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(a.Reader(t.Context(), f, new(archive.Sums)))
	if err != nil || !bytes.Equal(got, want(t, f, entries)) {
		t.Errorf("%d bytes of %d, %v", len(got), a.Size(), err)
	}
}

func TestRefused(t *testing.T) {
	for name, entries := range map[string][]archive.Entry{
		"no name":           {{Size: 1}},
		"a long name":       {{Name: strings.Repeat("n", 1<<16), Size: 1}},
		"less than no size": {{Name: "a", Size: -1}},
		"too long in all":   {{Name: "a", Size: 1 << 62}, {Name: "b", Size: 1 << 62}},
		"too many":          make([]archive.Entry, archive.MostEntries+1),
	} {
		if _, err := archive.New(entries); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}
