package geotiff

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// TestWindowsInAnyOrder: the cells may come in pieces of any size, in any
// order, without a change of the file.
func TestWindowsInAnyOrder(t *testing.T) {
	for _, size := range []raster.Window{{Width: 301, Height: 211}, {Width: 1, Height: 97}, {Width: 640, Height: 33}} {
		opts := Options{Width: size.Width, Height: size.Height, Overviews: true, BlockSize: 64, Bands: make([]BandInfo, 2)}
		g := hills[float32](size.Width, size.Height)
		var want bytes.Buffer
		if err := Write(&want, opts, g, g); err != nil {
			t.Fatal(err)
		}
		for _, side := range []int{0, 1, 7, 64, 100} {
			if side == 1 && size.Width > 1 {
				continue // cell by cell where there are few
			}
			w, err := NewWriter(opts)
			if err != nil {
				t.Fatal(err)
			}
			windows := slices.Collect(w.Windows())
			if side > 0 {
				windows = nil
				for r := 0; r < size.Height; r += side {
					for c := 0; c < size.Width; c += side {
						windows = append(windows, raster.Window{Col: c, Row: r, Width: side, Height: side}.Intersect(size))
					}
				}
				random := rand.New(rand.NewPCG(1, uint64(side)))
				random.Shuffle(len(windows), func(i, j int) { windows[i], windows[j] = windows[j], windows[i] })
			}
			for _, at := range windows {
				for band := range 2 {
					if err := w.WriteWindow(band, at, g.Sub(at).Cells); err != nil {
						t.Fatal(err)
					}
				}
			}
			var got bytes.Buffer
			if err := w.Close(&got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("%v in windows of %d: the files differ", size, side)
			}
		}
	}
}

// TestFewBlocksAreOpen: in the order of Windows one block of each level is open
// at a time, however large the raster.
func TestFewBlocksAreOpen(t *testing.T) {
	for _, side := range []int{1024, 4096} {
		w, err := NewWriter(Options{Width: side, Height: side, Overviews: true, BlockSize: 32})
		if err != nil {
			t.Fatal(err)
		}
		cells := make([]float32, 32*32)
		most := 0
		for at := range w.Windows() {
			if err := w.WriteWindow(0, at, cells); err != nil {
				t.Fatal(err)
			}
			open := 0
			for _, l := range w.levels {
				open += len(l.open)
			}
			most = max(most, open)
		}
		if most >= len(w.levels) {
			t.Errorf("%d x %d cells: %d blocks of %d levels were open at a time", side, side, most, len(w.levels))
		}
		if err := w.Close(new(counter)); err != nil {
			t.Error(err)
		}
	}
}

func TestWindowErrors(t *testing.T) {
	w, err := NewWriter(Options{Width: 40, Height: 30})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at    raster.Window
		cells int
		want  string
	}{
		{raster.Window{Col: 39, Width: 2, Height: 1}, 2, "must lie inside of the 40 x 30 cells"},
		{raster.Window{Width: 2, Height: 0}, 0, "must lie inside"},
		{raster.Window{Width: 2, Height: 2}, 3, "needs 4 values, got 3"},
	} {
		if err := w.WriteWindow(0, c.at, make([]float32, c.cells)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.at, err, c.want)
		}
	}
	top := raster.Window{Width: 40, Height: 29}
	if err := w.WriteWindow(0, top, make([]float32, 40*29)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(new(counter)); err == nil || !strings.Contains(err.Error(), "40 cells were not written") {
		t.Errorf("close: %v", err)
	}
	if err := w.WriteWindow(0, top, make([]float32, 40*29)); err == nil || !strings.Contains(err.Error(), "came twice") {
		t.Errorf("twice: %v", err)
	}
}

// TestHugeFile writes some 7 GB of zeros, which a file of holes holds without
// taking the room, with a few other numbers: GDAL finds a valid BigTIFF.
func TestHugeFile(t *testing.T) {
	if os.Getenv("EEMT_SLOW") == "" {
		t.Skip("7 GB through memory: set EEMT_SLOW to run it")
	}
	reference.Program(t, "gdalinfo")
	python := gdalPython(t)
	const side = 37000
	dir := t.TempDir()
	spool, err := os.Create(filepath.Join(dir, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = spool.Close() }()
	w, err := NewWriter(Options{
		Width: side, Height: side, Transform: place, GeoKeys: utm13, Overviews: true, Compression: None,
		Spool: func() (Spool, error) { return holes{spool}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	cells := make([]float32, 512*512)
	for at := range w.Windows() {
		part := cells[:at.Width*at.Height]
		if at.Col == 0 && at.Row == 0 || at.Col+at.Width == side && at.Row+at.Height == side {
			part = slices.Repeat([]float32{7}, len(part))
		}
		if err := w.WriteWindow(0, at, part); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "huge.tif")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out := &appendHoles{f: f}
	if err := w.Close(out); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(out.at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if out.at < 7e9 {
		t.Errorf("%d bytes, want some 7 GB", out.at)
	}
	if s := run(t, python, "-m", validator, path); !strings.Contains(s, "is a valid cloud optimized GeoTIFF") || strings.Contains(s, "warning") {
		t.Errorf("validator: %s", s)
	}
	if info := run(t, "gdalinfo", path); !strings.Contains(info, "Size is 37000, 37000") || !strings.Contains(info, "LAYOUT=COG") {
		t.Errorf("gdalinfo:\n%s", info)
	}
	for _, at := range []string{"3 3", "20000 20000", "36999 36999"} {
		want := "7"
		if strings.HasPrefix(at, "2") {
			want = "0"
		}
		args := append([]string{"-valonly", path}, strings.Fields(at)...)
		if got := strings.TrimSpace(run(t, "gdallocationinfo", args...)); got != want {
			t.Errorf("cell %s is %q, want %s", at, got, want)
		}
	}
}

// holes leaves out what is zero.
type holes struct{ *os.File }

func (h holes) WriteAt(b []byte, off int64) (int, error) {
	if zero(b) {
		return len(b), nil
	}
	return h.File.WriteAt(b, off)
}

func (h holes) ReadAt(b []byte, off int64) (int, error) {
	n, _ := h.File.ReadAt(b, off)
	clear(b[n:]) // beyond the last number
	return len(b), nil
}

type appendHoles struct {
	f  *os.File
	at int64
}

func (h *appendHoles) Write(b []byte) (int, error) {
	var err error
	for off := 0; off < len(b) && err == nil; off += 4096 {
		if part := b[off:min(off+4096, len(b))]; !zero(part) {
			_, err = h.f.WriteAt(part, h.at+int64(off))
		}
	}
	h.at += int64(len(b))
	return len(b), err
}

var zeros [1 << 20]byte

func zero(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}
