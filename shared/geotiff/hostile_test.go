package geotiff

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
	"github.com/cyverse-gis/eemt/shared/geotiff/internal/ifd"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// testFiles are all files under testdata.
func testFiles(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*.tif"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no files under testdata", err)
	}
	files := map[string][]byte{}
	for _, p := range paths {
		if files[filepath.Base(p)], err = os.ReadFile(p); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// readSome opens a file of any content, then reads up to 256 x 256 cells at
// both ends of each band it looks at.
func readSome(t testing.TB, b []byte) {
	m, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		if s := err.Error(); s == "" || strings.Contains(s, "\n") {
			t.Errorf("error of several lines: %q", s)
		}
		return
	}
	for _, im := range append([]*Image{m}, m.Overviews()...) {
		w, h := min(im.Width, 256), min(im.Height, 256)
		dst := make([]float64, w*h)
		for _, band := range []int{0, im.Bands - 1} {
			_ = im.Band(band)
			_ = im.Read(t.Context(), band, raster.Window{Width: w, Height: h}, dst)
			_ = im.Read(t.Context(), band, raster.Window{Col: im.Width - w, Row: im.Height - h, Width: w, Height: h}, dst)
		}
	}
}

// TestDamaged: cut and altered files neither panic nor hang.
func TestDamaged(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, b := range testFiles(t) {
		t.Run(name, func(t *testing.T) {
			for n := 0; n < len(b); n += 1 + n/9 {
				readSome(t, b[:n])
			}
			for range 150 {
				c := bytes.Clone(b)
				for range 1 + rng.IntN(3) {
					c[rng.IntN(len(c))] = byte(rng.Uint32())
				}
				readSome(t, c)
			}
		})
	}
}

// tagEntry is the entry of a tag in the first directory of a classic little-endian file.
func tagEntry(t testing.TB, b []byte, id uint16) []byte {
	t.Helper()
	le := binary.LittleEndian
	at := int(le.Uint32(b[4:]))
	for i := range int(le.Uint16(b[at:])) {
		if e := b[at+2+12*i:]; le.Uint16(e) == id {
			return e
		}
	}
	t.Fatalf("no tag %d", id)
	return nil
}

// setTag alters the inline value of a tag in the first directory of a
// classic little-endian file.
func setTag(t testing.TB, b []byte, id uint16, count, value uint32) []byte {
	t.Helper()
	b = bytes.Clone(b)
	e := tagEntry(t, b, id)
	le := binary.LittleEndian
	le.PutUint16(e[2:], 4)
	le.PutUint32(e[4:], count)
	le.PutUint32(e[8:], value)
	return b
}

// TestLies: a header that claims more than the file holds is refused, without
// memory for what it claims.
func TestLies(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, Options{Transform: place}, hills[float32](40, 40)); err != nil {
		t.Fatal(err)
	}
	good := out.Bytes()
	big := setTag(t, setTag(t, good, ifd.ImageWidth, 1, 1<<31-1), ifd.ImageLength, 1, 1<<31-1)
	first := int(binary.LittleEndian.Uint32(good[4:]))
	loop := bytes.Clone(good)
	binary.LittleEndian.PutUint32(loop[first+2+12*int(binary.LittleEndian.Uint16(good[first:])):], uint32(first))
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "not a TIFF file; convert with: gdal_translate"},
		{"text", []byte("ncols 4\nnrows 5\n"), "not a TIFF file"},
		{"header only", good[:8], "cut short"},
		{"half", good[:len(good)/2], "cut short"},
		{"2^31 x 2^31", big, "more than a file of"},
		{"no cells", setTag(t, good, ifd.ImageWidth, 1, 0), "an image of 0 x 40 cells"},
		{"huge tile", setTag(t, setTag(t, good, ifd.TileWidth, 1, 1<<30), ifd.TileLength, 1, 1<<30), "too large"},
		{"tile of no cells", setTag(t, good, ifd.TileWidth, 1, 0), "blocks of 0"},
		{"too few blocks", setTag(t, good, ifd.TileWidth, 1, 16), "1 blocks are listed, the image has 3"},
		{"count of offsets", setTag(t, good, ifd.TileOffsets, 1<<31, 8), "blocks are listed"},
		{"65535 bands", setTag(t, good, ifd.SamplesPerPixel, 1, 65535), "more than a file of"},
		{"offset past the end", setTag(t, good, ifd.TileOffsets, 1, 1<<30), "cut short"},
		{"size past the end", setTag(t, good, ifd.TileByteCounts, 1, 1<<30), "cut short"},
		{"metadata past the end", setTag(t, good, ifd.GDALMetadata, 1<<30, 8), "has 1073741824 values"},
		{"loop", loop, "follows itself"},
		{"other compression", setTag(t, good, ifd.Compression, 1, 99), "number 99 compression is not read"},
		{"other predictor", setTag(t, good, ifd.Predictor, 1, 7), "predictor 7 on Float32 is not read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m, err := Open(bytes.NewReader(c.file), int64(len(c.file)))
			if err == nil {
				err = m.Read(t.Context(), 0, m.Bounds(), make([]float64, m.Width*m.Height))
			}
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
				t.Errorf("%d bytes were allocated for a file of %d", n, len(c.file))
			}
		})
	}
}

// TestChecksum: a block whose checksum does not fit is refused.
func TestChecksum(t *testing.T) {
	for _, name := range []string{"scaled.tif", "int16_deflate_planar.tif"} {
		b := testFiles(t)[name]
		m := openBytes(t, b)
		if err := m.index(); err != nil {
			t.Fatal(err)
		}
		last := len(m.offsets) - 1
		b[m.offsets[last]+m.counts[last]-1] ^= 1
		err := m.Read(t.Context(), m.Bands-1, m.Bounds(), make([]float64, m.Width*m.Height))
		if err == nil || !strings.Contains(err.Error(), "checksum") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	m := openFile(t, filepath.Join("testdata", "uint8_none.tif"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Grid(ctx, 0, m.Bounds()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestReadArguments(t *testing.T) {
	m := openFile(t, filepath.Join("testdata", "uint8_none.tif"))
	for _, c := range []struct {
		name string
		band int
		w    raster.Window
		n    int
	}{
		{"band", 2, raster.Window{Width: 1, Height: 1}, 1},
		{"negative band", -1, raster.Window{Width: 1, Height: 1}, 1},
		{"left", 0, raster.Window{Col: -1, Width: 2, Height: 1}, 2},
		{"right", 0, raster.Window{Col: 20, Width: 2, Height: 1}, 2},
		{"far right", 0, raster.Window{Col: int(^uint(0) >> 1), Width: 2, Height: 1}, 2},
		{"empty", 0, raster.Window{}, 0},
		{"room", 0, raster.Window{Width: 2, Height: 2}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			if m.Read(t.Context(), c.band, c.w, make([]float64, c.n)) == nil {
				t.Error("no error")
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	for _, b := range testFiles(f) {
		f.Add(b)
	}
	var out bytes.Buffer
	if err := Write(&out, Options{Transform: place, GeoKeys: utm13, BlockSize: 16, Overviews: true, Compression: ZSTD}, hills[float32](40, 40)); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		readSome(t, b)
	})
}

// TestGeoKeysShareText: keys that all state the same long text do not add up to
// gigabytes where the keys of a file are written.
func TestGeoKeysShareText(t *testing.T) {
	for _, c := range []struct {
		tag   uint16
		count int
	}{{ifd.GeoASCIIParams, 2000}, {ifd.GeoDoubleParams, 200}} {
		k := raster.GeoKeys{
			Shorts:  map[uint16]uint16{},
			Doubles: map[uint16][]float64{2057: make([]float64, 200)},
			Strings: map[uint16]string{1026: strings.Repeat("x", 2000)},
		}
		for i := range 400 {
			k.Shorts[uint16(5000+i)] = 0
		}
		var out bytes.Buffer
		if err := Write(&out, Options{Transform: place, GeoKeys: k}, hills[float32](16, 16)); err != nil {
			t.Fatal(err)
		}
		b := out.Bytes()
		le := binary.LittleEndian
		dir := bytes.Index(b, []byte{0x88, 0x13, 0, 0, 1, 0, 0, 0}) // key 5000
		for i := range 400 {
			le.PutUint16(b[dir+8*i+2:], c.tag)
			le.PutUint16(b[dir+8*i+4:], uint16(c.count))
		}
		if _, err := Open(bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), "each at most 65535") {
			t.Errorf("tag %d: error %v", c.tag, err)
		}
	}
}

// TestSizesOfBlocks: a file that states for each of its blocks what is left of the
// file is read, but not once for each block.
func TestSizesOfBlocks(t *testing.T) {
	g := hills[float32](16, 16*2000)
	var out bytes.Buffer
	if err := Write(&out, Options{Transform: place, BlockSize: 16, Type: Float64}, g); err != nil {
		t.Fatal(err)
	}
	b := out.Bytes()
	m := openBytes(t, b)
	want := readAll(t, m, 0)
	at := binary.LittleEndian.Uint32(tagEntry(t, b, ifd.TileByteCounts)[8:])
	for i, off := range m.offsets {
		binary.LittleEndian.PutUint32(b[int(at)+4*i:], uint32(len(b)-int(off)))
	}
	r := &countingReader{Reader: bytes.NewReader(b)}
	m, err := Open(r, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "sizes", 16, readAll(t, m, 0), want)
	if limit := int64(25 * len(b)); r.bytes > limit {
		t.Errorf("%d bytes were read of a file of %d", r.bytes, len(b))
	}
}

// TestListOfBlocks: sizes of more blocks than there are take no memory of their own.
func TestListOfBlocks(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, Options{Transform: place}, hills[float32](40, 40)); err != nil {
		t.Fatal(err)
	}
	const more = 1 << 20
	b := out.Bytes()
	size := openBytes(t, b)
	if err := size.index(); err != nil {
		t.Fatal(err)
	}
	b = setTag(t, b, ifd.TileByteCounts, more, uint32(len(b)))
	b = append(binary.LittleEndian.AppendUint32(b, uint32(size.counts[0])), make([]byte, 4*more)...)
	m := openBytes(t, b)
	if readAll(t, m, 0); len(m.counts) != 1 {
		t.Errorf("%d sizes of one block are held", len(m.counts))
	}
}

// TestOneStrip: of an uncompressed raster in one strip, little more is held than
// the window.
func TestOneStrip(t *testing.T) {
	const width, height = 8192, 2000
	var out bytes.Buffer
	if err := Write(&out, Options{Transform: place, Compression: None}, hills[float32](16, 16)); err != nil {
		t.Fatal(err)
	}
	b := out.Bytes()
	for id, v := range map[uint16]uint32{ifd.ImageWidth: width, ifd.ImageLength: height, ifd.TileWidth: width, ifd.TileLength: height, ifd.TileByteCounts: 4 * width * height} {
		b = setTag(t, b, id, 1, v)
	}
	b = setTag(t, b, ifd.TileOffsets, 1, uint32(len(b)))
	for i := range width * height {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(i)))
	}
	m := openBytes(t, b)
	w := raster.Window{Col: 100, Row: 50, Width: 3, Height: 1900}
	dst := make([]float64, w.Width*w.Height)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := m.Read(t.Context(), 0, w, dst); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	for i, v := range dst {
		if want := float64((w.Row+i/w.Width)*width + w.Col + i%w.Width); v != want {
			t.Fatalf("cell %d: %g, want %g", i, v, want)
		}
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 2*wholeBytes {
		t.Errorf("%d bytes were allocated", n)
	}
}

// TestLargeBlocks: what is decoded at a time does not grow with the cores of a machine.
func TestLargeBlocks(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(64))
	for _, c := range []struct{ side, want int }{{512, 64}, {2048, 16}, {4096, 4}, {8192, 1}} {
		m := &Image{Width: 1 << 20, Height: 1 << 20, Bands: 1, Type: Float32, bits: 32, comp: codec.Deflate, BlockWidth: c.side, BlockHeight: c.side}
		if got := m.workers(1000); got != c.want {
			t.Errorf("%d blocks of %d x %d cells are decoded at a time, want %d", got, c.side, c.side, c.want)
		}
	}
}

// TestOverlappingDirectories: directories may share their bytes; tags that nobody
// asks for are not held.
func TestOverlappingDirectories(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, Options{Transform: place}, hills[float32](16, 16)); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	b := out.Bytes()
	want := readAll(t, openBytes(t, bytes.Clone(b)), 0)
	first := int(le.Uint32(b[4:]))
	link := first + 2 + 12*int(le.Uint16(b[first:]))
	const tags, directories = 60000, 120
	at := len(b)
	le.PutUint32(b[link:], uint32(at))
	b = append(b, make([]byte, 12*(tags+directories)+6)...)
	for i := range tags + directories {
		le.PutUint16(b[at+2+12*i:], uint16(43000+i%22000))
	}
	for i := range directories {
		le.PutUint16(b[at+12*i:], tags)
		next := uint32(at + 12*(i+1))
		if i+1 == directories {
			next = 0
		}
		le.PutUint32(b[at+12*i+2+12*tags:], next)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > 1000 {
		t.Errorf("%d allocations for %d bytes", n, len(b))
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > directories*12*(tags+1000) {
		t.Errorf("%d bytes were allocated for a file of %d", n, len(b))
	}
	compare(t, "image", 16, readAll(t, m, 0), want)
}
