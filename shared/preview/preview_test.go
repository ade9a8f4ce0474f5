package preview

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// slopeEast rises by one per column.
func slopeEast(width, height int) *raster.Grid[float32] {
	g := raster.New[float32](width, height)
	for r := range height {
		for c := range width {
			g.Set(c, r, float32(c))
		}
	}
	return g
}

func drawn(t *testing.T, g *raster.Grid[float32], o Options) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := PNG(&b, g, o); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func ptr(x float64) *float64 { return &x }

func TestPNGColoursFollowTheRamp(t *testing.T) {
	img := drawn(t, slopeEast(100, 50), Options{Min: ptr(0), Max: ptr(99), MaxSide: 400})
	// Without a title the map begins at the margin; pixel 4c+2 lies in column c.
	want, err := table("viridis")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []int{1, 30, 50, 98} {
		got := color.NRGBAModel.Convert(img.At(margin+4*c+2, margin+100)).(color.NRGBA)
		// Half a pixel right of the cell's centre: 0.125 of a cell, 0.3 colours.
		if w := want[int((float64(c)+0.125)/99*255+0.5)]; got != w {
			t.Errorf("column %d: colour %v, want %v", c, got, w)
		}
	}
}

func TestPNGNodataIsTransparent(t *testing.T) {
	g := slopeEast(40, 40)
	g.Set(10, 20, float32(math.NaN()))
	g.Set(11, 20, float32(math.Inf(1)))
	img := drawn(t, g, Options{MaxSide: 400})
	holes := 0
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if _, _, _, a := img.At(x, y).RGBA(); a == 0 {
				holes++
			}
		}
	}
	// Two cells of 10 x 10 pixels, not blurred into their neighbours.
	if holes != 200 {
		t.Errorf("%d transparent pixels, want 200", holes)
	}
}

func TestPNGIsDeterministic(t *testing.T) {
	g := slopeEast(60, 45)
	relief := raster.New[float64](60, 45)
	for i := range relief.Cells {
		relief.Cells[i] = 30 * math.Sin(float64(i)/17)
	}
	o := Options{Title: "Slope", Unit: "MJ m-2 yr-1", Relief: relief, CellSize: 10, MaxSide: 300}
	var a, b bytes.Buffer
	if err := PNG(&a, g, o); err != nil {
		t.Fatal(err)
	}
	if err := PNG(&b, g, o); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two drawings of one grid differ")
	}
}

func TestPNGOddInput(t *testing.T) {
	nan := raster.New[float32](5, 4)
	nan.Fill(float32(math.NaN()))
	constant := raster.New[float32](5, 4)
	constant.Fill(7)
	huge := raster.New[float32](3, 3)
	huge.Fill(math.MaxFloat32)
	huge.Set(1, 1, -math.MaxFloat32)
	for name, g := range map[string]*raster.Grid[float32]{
		"no data":      nan,
		"one value":    constant,
		"one cell":     raster.New[float32](1, 1),
		"extremes":     huge,
		"one row":      slopeEast(5000, 1),
		"shrinks much": slopeEast(3000, 1999),
	} {
		t.Run(name, func(t *testing.T) {
			img := drawn(t, g, Options{Title: "Title", Unit: "degC", MaxSide: 200, CellSize: 30})
			if s := img.Bounds().Size(); s.X < 200 || s.X > 500 || s.Y > 500 {
				t.Errorf("picture of %v pixels", s)
			}
		})
	}
}

func TestPNGRefuses(t *testing.T) {
	g := slopeEast(4, 4)
	for name, c := range map[string]struct {
		g    *raster.Grid[float32]
		o    Options
		want string
	}{
		"no grid":        {nil, Options{}, "without cells"},
		"ramp":           {g, Options{Ramp: "jet"}, `colour ramp "jet": must be one of grey, inferno, sun, terrain, viridis, wet`},
		"side":           {g, Options{MaxSide: 9000}, "longest side 9000: must be 64 to 8192"},
		"cell size":      {g, Options{CellSize: math.NaN()}, "cell size NaN"},
		"relief size":    {g, Options{Relief: raster.New[float64](3, 4), CellSize: 1}, "relief of 3 x 4"},
		"relief, no dxy": {g, Options{Relief: raster.New[float64](4, 4)}, "relief without a cell size"},
	} {
		t.Run(name, func(t *testing.T) {
			err := PNG(&bytes.Buffer{}, c.g, c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestPanel(t *testing.T) {
	var grids []*raster.Grid[float32]
	for range 12 {
		grids = append(grids, slopeEast(30, 20))
	}
	var b bytes.Buffer
	if err := Panel(&b, grids, strings.Split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", " "), Options{Title: "Months", Unit: "mm"}); err != nil {
		t.Fatal(err)
	}
	c, err := png.DecodeConfig(&b)
	if err != nil {
		t.Fatal(err)
	}
	// Four maps of 256 pixels, three gaps of 16, two margins of 32.
	if c.Width != 4*256+3*16+2*margin {
		t.Errorf("panel is %d pixels wide, want %d", c.Width, 4*256+3*16+2*margin)
	}
	if err := Panel(&b, grids, []string{"one"}, Options{}); err == nil || !strings.Contains(err.Error(), "1 labels for 12 maps") {
		t.Errorf("error %v for too few labels", err)
	}
	if err := Panel(&b, nil, nil, Options{}); err == nil {
		t.Error("no error for a panel without maps")
	}
}

// Every kernel must leave a constant as it is, and bilinear a plane.
func TestResampleIsExact(t *testing.T) {
	plane := raster.New[float64](17, 11)
	for r := range 11 {
		for c := range 17 {
			plane.Set(c, r, 3*float64(c)-2*float64(r))
		}
	}
	up := resample(plane, 17*5, 11*5)
	for y := 5; y < 50; y++ {
		for x := 5; x < 80; x++ {
			want := 3*((float64(x)+0.5)/5-0.5) - 2*((float64(y)+0.5)/5-0.5)
			if got := up.At(x, y); math.Abs(got-want) > 1e-9 {
				t.Fatalf("pixel %d, %d: %g, want %g", x, y, got, want)
			}
		}
	}
	constant := raster.New[float64](17, 11)
	constant.Fill(4)
	for _, size := range [][2]int{{5, 3}, {17, 11}, {100, 60}} {
		for _, k := range []kernel{triangle, spline} {
			for i, v := range resampleWith(constant, size[0], size[1], k).Cells {
				if math.Abs(v-4) > 1e-12 {
					t.Fatalf("%v: pixel %d is %g, want 4", size, i, v)
				}
			}
		}
	}
	// 17 x 11 to 5 x 3: the mean is kept.
	var mean float64
	for _, v := range resample(plane, 5, 3).Cells {
		mean += v / 15
	}
	if want := 3*8.0 - 2*5.0; math.Abs(mean-want) > 1e-9 {
		t.Errorf("mean after shrinking %g, want %g", mean, want)
	}
}

func TestHillshadeLightsTheNorthWest(t *testing.T) {
	for name, c := range map[string]struct {
		east, north float64 // rise per metre
		brighter    bool
	}{
		"faces north-west": {0.3, -0.3, true},
		"faces south-east": {-0.3, 0.3, false},
	} {
		z := raster.New[float64](9, 9)
		for r := range 9 {
			for col := range 9 {
				z.Set(col, r, 10*(c.east*float64(col)-c.north*float64(r)))
			}
		}
		if light := hillshade(z, 10, 9, 9).At(4, 4); (light > 1) != c.brighter {
			t.Errorf("%s: light %g, flat ground has 1", name, light)
		}
	}
	flat := hillshade(raster.New[float64](5, 5), 10, 5, 5)
	if light := flat.At(2, 2); math.Abs(light-1) > 1e-12 {
		t.Errorf("flat ground: light %g, want 1", light)
	}
}

func TestLabels(t *testing.T) {
	for name, c := range map[string]struct {
		sc              scale
		low, mid, high_ string
	}{
		"hundreds":       {scale{lo: 5004, hi: 7409}, "5004", "6206", "7409"},
		"fractions":      {scale{lo: -0.25, hi: 0.75, below: true}, "≤ −0.25", "0.25", "0.75"},
		"beyond":         {scale{lo: 10, hi: 20, above: true}, "10.0", "15.0", "≥ 20.0"},
		"negative zero":  {scale{lo: -10, hi: 10}, "−10.0", "0.0", "10.0"},
		"single value":   {scale{lo: 7 - 1e-6, hi: 7 + 1e-6}, "", "7", ""},
		"small fraction": {scale{lo: 0, hi: 0.002}, "0.00000", "0.00100", "0.00200"},
	} {
		low, mid, high := labels(c.sc)
		if low != c.low || mid != c.mid || high != c.high_ {
			t.Errorf("%s: %q %q %q, want %q %q %q", name, low, mid, high, c.low, c.mid, c.high_)
		}
	}
}

func BenchmarkPNG(b *testing.B) {
	g := slopeEast(1024, 1024)
	for b.Loop() {
		if err := PNG(&bytes.Buffer{}, g, Options{Title: "Slope"}); err != nil {
			b.Fatal(err)
		}
	}
}
