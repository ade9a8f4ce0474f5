package geotiff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// TestSameBytes: neither threads, nor the order of bands, nor the spool
// change the file.
func TestSameBytes(t *testing.T) {
	opts := Options{Width: 300, Height: 211, Transform: place, GeoKeys: utm13, Overviews: true, BlockSize: 64, Bands: make([]BandInfo, 3)}
	g := hills[float32](300, 211)
	for _, comp := range []Compression{Deflate, ZSTD, None} {
		opts.Compression = comp
		var want bytes.Buffer
		if err := Write(&want, opts, g, g, g); err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 2, 8} {
			opts.Threads = threads
			var got bytes.Buffer
			w, err := NewWriter(opts)
			if err != nil {
				t.Fatal(err)
			}
			file, err := os.Create(filepath.Join(t.TempDir(), "spool"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = file.Close() }()
			w.opts.Spool = func() (Spool, error) { return file, nil }
			w.held = spoolAbove // from the first block on
			for r := range opts.Height {
				for band := range 3 {
					if err := w.WriteRows(band, g.Row(r)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := w.Close(&got); err != nil {
				t.Fatal(err)
			}
			if w.end == 0 {
				t.Error("the spool was not used")
			}
			if !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("compression %d, %d threads: the files differ", comp, threads)
			}
		}
	}
}

func TestWriteErrors(t *testing.T) {
	nd := 300.0
	for _, c := range []struct {
		name string
		opts Options
		want string
	}{
		{"size", Options{Width: 0, Height: 4}, "a raster of 0 x 4 cells"},
		{"type", Options{Width: 4, Height: 4, Type: Float16}, "Float16 is not written"},
		{"nodata", Options{Width: 4, Height: 4, Type: Uint8, NoData: &nd}, "nodata 300: must be a whole number from 0 to 255"},
		{"block", Options{Width: 4, Height: 4, BlockSize: 100}, "block size 100: must be a multiple of 16"},
		{"level", Options{Width: 4, Height: 4, Level: 10}, "level 10: must be 1 to 9"},
		{"south-up", Options{Width: 4, Height: 4, Transform: raster.Transform{StepX: 1, StepY: 1}}, "negative southward"},
		{"scale", Options{Width: 4, Height: 4, Bands: []BandInfo{{Scale: 2}}}, "scale or an offset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewWriter(c.opts)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	t.Run("rows", func(t *testing.T) {
		w, err := NewWriter(Options{Width: 3, Height: 2, Type: Int16})
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range [][]float32{{1, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, float32(math.NaN()), 3}} {
			if w.WriteRows(0, rows) == nil {
				t.Errorf("%v: no error", rows)
			}
		}
		if err := w.Close(&bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "0 of 2 rows were written") {
			t.Errorf("close: %v", err)
		}
	})
	t.Run("spool", func(t *testing.T) {
		full := errors.New("disk full")
		w, err := NewWriter(Options{Width: 40, Height: 40, Spool: func() (Spool, error) { return nil, full }})
		if err != nil {
			t.Fatal(err)
		}
		w.held = spoolAbove
		_ = w.WriteRows(0, hills[float32](40, 40).Cells)
		if err := w.Close(&bytes.Buffer{}); !errors.Is(err, full) {
			t.Errorf("close: %v", err)
		}
	})
}

// TestIntegersCutOff: values are rounded to the nearest integer of the type.
func TestIntegersCutOff(t *testing.T) {
	in := []float64{-1e30, -1.5, -0.4, 0.5, 127.4, 254.6, 70000, 1e30}
	for _, c := range []struct {
		kind SampleType
		want []float64
	}{
		{Uint8, []float64{0, 0, 0, 1, 127, 255, 255, 255}},
		{Int8, []float64{-128, -2, 0, 1, 127, 127, 127, 127}},
		{Uint16, []float64{0, 0, 0, 1, 127, 255, 65535, 65535}},
		{Int32, []float64{math.MinInt32, -2, 0, 1, 127, 255, 70000, math.MaxInt32}},
		{Int64, []float64{math.MinInt64, -2, 0, 1, 127, 255, 70000, math.MaxInt64}},
		{Uint64, []float64{0, 0, 0, 1, 127, 255, 70000, math.MaxUint64}},
	} {
		var out bytes.Buffer
		g := &raster.Grid[float64]{Width: len(in), Height: 1, Cells: in}
		if err := Write(&out, Options{Type: c.kind}, g); err != nil {
			t.Fatal(err)
		}
		compare(t, c.kind.String(), len(in), readAll(t, openBytes(t, out.Bytes()), 0), c.want)
	}
}

// TestOnlyBlocksUnderWindow: a window costs the blocks it touches.
func TestOnlyBlocksUnderWindow(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, Options{BlockSize: 64, Compression: None}, hills[float32](1024, 1024)); err != nil {
		t.Fatal(err)
	}
	r := &countingReader{Reader: bytes.NewReader(out.Bytes())}
	m, err := Open(r, int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if r.calls != 1 {
		t.Errorf("opening took %d reads, want 1", r.calls)
	}
	r.bytes = 0
	if _, err := m.Grid(t.Context(), 0, raster.Window{Col: 100, Row: 100, Width: 64, Height: 64}); err != nil {
		t.Fatal(err)
	}
	// Four blocks, of which the rows under the window.
	if want := int64(4 * 64 * 64 * 4); r.bytes > want {
		t.Errorf("%d bytes were read, want at most %d", r.bytes, want)
	}
}

var mutex sync.Mutex

type countingReader struct {
	*bytes.Reader
	calls int
	bytes int64
}

func (c *countingReader) ReadAt(b []byte, off int64) (int, error) {
	mutex.Lock()
	c.calls++
	c.bytes += int64(len(b))
	mutex.Unlock()
	return c.Reader.ReadAt(b, off)
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(uint8(0), uint8(0), uint8(20), uint8(2), []byte("0123456789abcdefghijklmnopqrstuvwxyz0123456789"))
	f.Add(uint8(6), uint8(1), uint8(3), uint8(1), []byte{0xff, 0xc0, 0, 0, 0x7f, 0x80, 0, 0, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, kind, comp, width, bands uint8, data []byte) {
		opts := Options{Type: SampleType(kind % 11), Compression: Compression(comp % 3), BlockSize: 16, Overviews: true, BigTIFF: comp >= 128}
		if opts.Type == Float16 || width == 0 || len(data) > 1<<14 {
			return
		}
		nb := int(bands%3) + 1
		height := len(data) / 4 / int(width) / nb
		if height == 0 {
			return
		}
		grids := make([]*raster.Grid[float32], nb)
		for b := range grids {
			grids[b] = raster.New[float32](int(width), height)
			for i := range grids[b].Cells {
				v := math.Float32frombits(binary.LittleEndian.Uint32(data))
				data = data[4:]
				if !opts.Type.Float() {
					lo, hi := opts.Type.Limits()
					if v = float32(math.Round(float64(v))); v != v || float64(v) < lo || float64(v) > hi {
						v = 0
					}
				}
				grids[b].Cells[i] = v
			}
		}
		var out bytes.Buffer
		if err := Write(&out, opts, grids...); err != nil {
			t.Fatal(err)
		}
		m := openBytes(t, out.Bytes())
		for b, g := range grids {
			got := readAll(t, m, b)
			for i, v := range g.Cells {
				if !same(got[i], float64(v)) {
					t.Fatalf("band %d, cell %d: %v, want %v", b, i, got[i], v)
				}
			}
		}
	})
}

// TestBigTIFF: a file that passes 4 GiB becomes BigTIFF.
func TestBigTIFF(t *testing.T) {
	for _, c := range []struct {
		bytes int
		want  bool
	}{{4<<30 - 4096, false}, {4 << 30, true}, {9 << 30, true}} {
		w, err := NewWriter(Options{Width: 1000, Height: 1000})
		if err != nil {
			t.Fatal(err)
		}
		blocks := w.levels[0].blocks
		for i := range blocks {
			blocks[i].n = c.bytes / len(blocks)
		}
		l, err := w.plan()
		if err != nil {
			t.Fatal(err)
		}
		if l.Big != c.want || l.end < uint64(c.bytes) {
			t.Errorf("%d bytes: BigTIFF %v, want %v; end %d", c.bytes, l.Big, c.want, l.end)
		}
	}
}

// TestConstant: what compresses best still counts as justified.
func TestConstant(t *testing.T) {
	g := raster.New[float32](9000, 5000)
	for _, comp := range []Compression{Deflate, ZSTD} {
		var out bytes.Buffer
		if err := Write(&out, Options{Compression: comp, BlockSize: 1024}, g); err != nil {
			t.Fatal(err)
		}
		openBytes(t, out.Bytes())
	}
}
