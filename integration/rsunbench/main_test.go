//go:build unix

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

func TestOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name, want string
		o          options
	}{
		{"side", "side 3: must be 16 to 16384 cells", options{side: 3, days: "1"}},
		{"day", `day "400": must be 1 to 365`, options{side: 64, days: "1,400"}},
		{"size", `size "x": must be 16 to 65536`, options{side: 64, days: "1", growth: "64,x", tile: 64}},
		{"tile", "tile 1: must be 64 cells or more", options{side: 64, days: "1", growth: "64", tile: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := run(io.Discard, c.o); err == nil || err.Error() != c.want {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// The engine alone, over tiles, with its limits: no GRASS is needed.
func TestGrowthAndLimits(t *testing.T) {
	var out strings.Builder
	plot := t.TempDir() + "/growth.svg"
	if err := run(&out, options{side: 64, days: "15", growth: "64,100", tile: 64, plot: plot}); err != nil {
		t.Fatal(err)
	}
	if err := run(&out, options{side: 64, days: "15", limit: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"   64 x   64", "  100 x  100", "not timed", "bytes moved", "GB/s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

func TestPlotIsWellFormed(t *testing.T) {
	text := draw([]point{{side: 256, all: cost{1, 2}, grass: cost{3, 4000}}, {side: 512, all: cost{4, 8}}})
	d := xml.NewDecoder(strings.NewReader(text))
	circles := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
			circles++
		}
	}
	if circles != 3 {
		t.Errorf("%d points, want 3", circles)
	}
}

func TestPartHasTheCellsOfItsWindow(t *testing.T) {
	s, err := surface("", 20)
	if err != nil {
		t.Fatal(err)
	}
	p := part(s, raster.Window{Col: 5, Row: 7, Width: 4, Height: 3}, nil)
	if got, want := p.Latitude[1*4+2], s.Latitude[8*20+7]; got != want {
		t.Errorf("latitude %g, want %g", got, want)
	}
	if got, want := p.Slope.At(3, 2), s.Slope.At(8, 9); got != want {
		t.Errorf("slope %g, want %g", got, want)
	}
}

// A tile of large terrain sees its halo at full resolution and the rest in rings.
func TestPartOfLargeTerrainHasRings(t *testing.T) {
	s, err := surface("", 16)
	if err != nil {
		t.Fatal(err)
	}
	if rings := thin(s); rings != nil {
		t.Errorf("%d rings of small terrain, want none", len(rings))
	}
	w := raster.Window{Col: 5, Row: 7, Width: 4, Height: 3}
	rings := []horizon.Ring{{Factor: coarser, Inner: halo, Outer: 2 * halo, NorthSouth: raster.New[float32](4, 4), EastWest: raster.New[float32](4, 4)}}
	p := part(s, w, rings)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if got, want := p.DEM.At(p.Core.Col, p.Core.Row), s.DEM.At(5, 7); got != want || p.Far.Block != w {
		t.Errorf("elevation %g of block %v, want %g of %v", got, p.Far.Block, want, w)
	}
}

// Hills row by row are those of the formula, and the block in the middle of large
// ones sees all rings.
func TestMiddleOfLargeTerrain(t *testing.T) {
	out := make([]float64, 300)
	fill(hills(), 77, 1000, out)
	want := 1800.0
	for k, length := 0, 400.0; k < 6; k, length = k+1, length/2.3 {
		sin, cos := math.Sincos(float64(k) * 0.9)
		u, w := (1299*cos+77*sin)/length, (77*cos-1299*sin)/length
		want += 0.35 * length * math.Sin(u*2*math.Pi+float64(k)) * math.Cos(w*2*math.Pi)
	}
	if got := out[299]; math.Abs(got-want) > 1e-3 {
		t.Errorf("elevation %g, want %g", got, want)
	}
	s, err := middle(2600)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(s.Far.Rings) != 3 || s.DEM.Width != block+2*halo || s.Far.Block.Col != 640 {
		t.Errorf("%d rings around block %v of a window of %d cells", len(s.Far.Rings), s.Far.Block, s.DEM.Width)
	}
}
