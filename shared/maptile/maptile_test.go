package maptile_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"testing"

	webmercator "github.com/paulmach/orb/maptile"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/maptile"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// layer is a raster whose cells hold their own number, in UTM zone 13.
func layer(t *testing.T, width, height int, at raster.Transform, keys raster.GeoKeys) *maptile.Raster {
	t.Helper()
	g := raster.New[float32](width, height)
	for i := range g.Cells {
		g.Cells[i] = float32(i)
	}
	g.Set(1, 1, float32(math.NaN()))
	var b bytes.Buffer
	if err := geotiff.Write(&b, geotiff.Options{Width: width, Height: height, Transform: at, GeoKeys: keys, Overviews: true, BlockSize: 64}, g); err != nil {
		t.Fatal(err)
	}
	l, err := maptile.Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// grey is a scale from 0 to high whose colour tells the value.
func grey(high float64) maptile.Scale {
	s := maptile.Scale{Max: high}
	for i := range s.Colours {
		s.Colours[i] = color.NRGBA{uint8(i), uint8(i), uint8(i), 255}
	}
	return s
}

// middle is the tile of level z that has the middle of a raster.
func middle(l *maptile.Raster, z int) (x, y int) {
	t := webmercator.At(l.Bound().Center(), webmercator.Zoom(z))
	return int(t.X), int(t.Y)
}

// chessboard is a raster of 512 x 512 black and white cells, with overviews.
func chessboard(t *testing.T, at raster.Transform) *maptile.Raster {
	t.Helper()
	g := raster.New[float32](512, 512)
	for i := range g.Cells {
		g.Cells[i] = float32(255 * ((i/512 + i%512) % 2))
	}
	var b bytes.Buffer
	if err := geotiff.Write(&b, geotiff.Options{Width: 512, Height: 512, Transform: at, GeoKeys: demtest.UTM(), Overviews: true, BlockSize: 64}, g); err != nil {
		t.Fatal(err)
	}
	l, err := maptile.Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func decode(t *testing.T, data []byte, err error) *image.NRGBA {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil || img.Bounds() != image.Rect(0, 0, 256, 256) {
		t.Fatalf("%v %v", err, img)
	}
	n := image.NewNRGBA(img.Bounds())
	draw.Draw(n, n.Bounds(), img, image.Point{}, draw.Src)
	return n
}

func TestValue(t *testing.T) {
	l := layer(t, 16, 12, demtest.Transform(), demtest.UTM())
	lonLat := func(col, row float64) (float64, float64) {
		return l.CRS.Inverse(demtest.Transform().OriginX+30*col, demtest.Transform().OriginY-30*row)
	}
	for _, c := range []struct {
		col, row float64
		want     float64
		inside   bool
	}{
		{0.01, 0.01, 0, true},
		{15.99, 11.99, 191, true},
		{5.5, 3.5, 53, true},
		{1.5, 1.5, math.NaN(), true},
		{-0.01, 3, math.NaN(), false},
		{16.01, 3, math.NaN(), false},
	} {
		lon, lat := lonLat(c.col, c.row)
		v, _, _, inside, err := l.Value(t.Context(), lon, lat)
		if err != nil || inside != c.inside || v != c.want && !(math.IsNaN(v) && math.IsNaN(c.want)) {
			t.Errorf("at %g, %g: %g, inside %t (%v), want %g", c.col, c.row, v, inside, err, c.want)
		}
	}
	if _, _, _, inside, err := l.Value(t.Context(), 0, 0); inside || err != nil {
		t.Errorf("half the world away: inside %t (%v)", inside, err)
	}
}

// TestAntimeridian: a raster across it is as wide as it is, wherever its grid counts from.
func TestAntimeridian(t *testing.T) {
	degrees := raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 2048: 4326}}
	for _, west := range []float64{-181, 179} {
		l := layer(t, 16, 12, raster.Transform{OriginX: west, OriginY: 60, StepX: 0.125, StepY: -0.125}, degrees)
		if low, _ := l.Zooms(); low != 7 {
			t.Errorf("from %g: level %d shows it in one tile, want 7", west, low)
		}
		for col := range 16 {
			lon := math.Remainder(179+0.125*(float64(col)+0.5), 360)
			v, c, _, inside, err := l.Value(t.Context(), lon, 59.9)
			if err != nil || !inside || c != col || v != float64(col) {
				t.Errorf("from %g: at longitude %g: %g of column %d, inside %t (%v)", west, lon, v, c, inside, err)
			}
		}
	}
}

// Every pixel of a tile has the colour of the cell under it.
func TestTilePixelsAreCells(t *testing.T) {
	for name, l := range map[string]*maptile.Raster{
		"UTM":     layer(t, 16, 12, demtest.Transform(), demtest.UTM()),
		"degrees": layer(t, 16, 12, raster.Transform{OriginX: -107, OriginY: 39, StepX: 1.0 / 3600, StepY: -1.0 / 3600}, raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}),
		"0 to 360": layer(t, 16, 12, raster.Transform{OriginX: 253, OriginY: 39, StepX: 1.0 / 3600, StepY: -1.0 / 3600},
			raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}),
		"Mercator": layer(t, 16, 12, raster.Transform{OriginX: -11911186, OriginY: 4721671, StepX: 40, StepY: -40}, raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 1025: 1, 3072: 3857}}),
	} {
		t.Run(name, func(t *testing.T) {
			const z = 15
			n := math.Exp2(z)
			tx, ty := middle(l, z)
			data, err := l.Tile(t.Context(), z, tx, ty, grey(191))
			img := decode(t, data, err)
			opaque := 0
			for y := range 256 {
				for x := range 256 {
					// The inverse of the sphere's Mercator, as OSM documents it.
					lon := (float64(tx*256+x)+0.5)/n/256*360 - 180
					lat := math.Atan(math.Sinh(math.Pi*(1-2*(float64(ty*256+y)+0.5)/n/256))) * 180 / math.Pi
					v, _, _, _, err := l.Value(t.Context(), lon, lat)
					if err != nil {
						t.Fatal(err)
					}
					got := img.NRGBAAt(x, y)
					if math.IsNaN(v) != (got.A == 0) {
						t.Fatalf("pixel %d, %d: value %g, colour %v", x, y, v, got)
					}
					if got.A != 0 {
						opaque++
						if want := uint8(v / 191 * 255); got.R != want {
							t.Fatalf("pixel %d, %d: value %g is drawn as %d, want %d", x, y, v, got.R, want)
						}
					}
				}
			}
			if opaque < 1000 {
				t.Errorf("%d pixels are drawn", opaque)
			}
		})
	}
}

// Far out an overview is drawn, whose cells are means.
func TestTileOfOverview(t *testing.T) {
	l := layer(t, 512, 512, demtest.Transform(), demtest.UTM())
	low, high := l.Zooms()
	if low >= high {
		t.Fatalf("levels %d to %d", low, high)
	}
	for z := range high + 2 {
		x, y := middle(l, z)
		data, err := l.Tile(t.Context(), z, x, y, grey(512*512))
		img := decode(t, data, err)
		if z >= low {
			opaque := 0
			for i := 3; i < len(img.Pix); i += 4 {
				if img.Pix[i] != 0 {
					opaque++
				}
			}
			if opaque < 256 {
				t.Errorf("level %d: %d pixels are drawn", z, opaque)
			}
		}
	}
	for _, bad := range [][3]int{{-1, 0, 0}, {21, 0, 0}, {2, 4, 0}, {2, 0, -1}} {
		if _, err := l.Tile(t.Context(), bad[0], bad[1], bad[2], grey(1)); err == nil {
			t.Errorf("tile %v was drawn", bad)
		}
	}
}

// A chessboard seen from far is grey: overviews hold means, single cells would be
// black or white.
func TestFarTilesAreMeans(t *testing.T) {
	l := chessboard(t, demtest.Transform())
	const z = 10 // pixels of about 120 m on cells of 30 m
	x, y := middle(l, z)
	data, err := l.Tile(t.Context(), z, x, y, grey(255))
	img := decode(t, data, err)
	drawn := 0
	for i := 0; i < len(img.Pix); i += 4 {
		if img.Pix[i+3] == 0 {
			continue
		}
		drawn++
		if img.Pix[i] < 100 || img.Pix[i] > 155 {
			t.Fatalf("pixel %d is %d, want a mean", i/4, img.Pix[i])
		}
	}
	if drawn == 0 {
		t.Error("nothing is drawn")
	}
}

// Pixels of one and a half cells show cells: the overview, whose cells are larger than a pixel, would blur them.
func TestTilesAreAsSharpAsTheirPixels(t *testing.T) {
	at := demtest.Transform()
	at.StepX, at.StepY = 20, -20
	l := chessboard(t, at)
	const z = 12 // pixels of 30 m
	x, y := middle(l, z)
	data, err := l.Tile(t.Context(), z, x, y, grey(255))
	img := decode(t, data, err)
	drawn := 0
	for i := 0; i < len(img.Pix); i += 4 {
		if img.Pix[i+3] == 0 {
			continue
		}
		drawn++
		if img.Pix[i] != 0 && img.Pix[i] != 255 {
			t.Fatalf("pixel %d is %d, want black or white", i/4, img.Pix[i])
		}
	}
	if drawn == 0 {
		t.Error("nothing is drawn")
	}
}

func TestSummarize(t *testing.T) {
	l := layer(t, 64, 50, demtest.Transform(), demtest.UTM())
	s, err := l.Summarize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range s.Counts {
		n += c
	}
	if s.Minimum != 0 || s.Maximum != 3199 || math.Abs(s.Mean-1600) > 1 || math.Abs(s.StdDev-924) > 2 || n != 3199 || math.Abs(s.P2-64) > 2 || math.Abs(s.P98-3135) > 2 || math.Abs(s.Valid-3199.0/3200) > 1e-9 {
		t.Errorf("%+v, %d counted", s, n)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, keys := range map[string]raster.GeoKeys{"no system": {}} {
		var b bytes.Buffer
		if err := geotiff.Write(&b, geotiff.Options{Width: 4, Height: 4, GeoKeys: keys}, raster.New[float32](4, 4)); err != nil {
			t.Fatal(err)
		}
		if _, err := maptile.Open(bytes.NewReader(b.Bytes()), int64(b.Len())); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func BenchmarkTile(b *testing.B) {
	g := raster.New[float32](2048, 2048)
	for i := range g.Cells {
		g.Cells[i] = float32(i % 977)
	}
	var file bytes.Buffer
	if err := geotiff.Write(&file, geotiff.Options{Width: 2048, Height: 2048, Transform: demtest.Transform(), GeoKeys: demtest.UTM(), Overviews: true}, g); err != nil {
		b.Fatal(err)
	}
	l, err := maptile.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		b.Fatal(err)
	}
	const z = 12
	x, y := middle(l, z)
	for b.Loop() {
		if _, err := l.Tile(b.Context(), z, x, y, grey(977)); err != nil {
			b.Fatal(err)
		}
	}
}
