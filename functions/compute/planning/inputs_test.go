package planning

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// demOf is a DEM in UTM of known cells.
func demOf(t *testing.T, width, height int) *dem.DEM {
	t.Helper()
	z := raster.New[float32](width, height)
	for i := range z.Cells {
		z.Cells[i] = float32(i%8000 + 1)
	}
	var b bytes.Buffer
	err := geotiff.Write(&b, geotiff.Options{
		Transform: raster.Transform{OriginX: 500000, OriginY: 4000000, StepX: 10, StepY: -10},
		GeoKeys:   raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 1025: 1, 3072: 32612}},
	}, z)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dem.Open(bytes.NewReader(b.Bytes()), int64(b.Len()), dem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestThinned: of a large DEM the outermost cells are there, of a small one all.
func TestThinned(t *testing.T) {
	for _, c := range []struct{ width, height, most int }{{30, 20, 700}, {900, 700, 1 << 18}, {3, 300_000, 900_000}} {
		d := demOf(t, c.width, c.height)
		lon, lat := d.LonLat(d.Bounds())
		some := thinned(d)
		if len(some.Lon) > c.most || len(some.Lon) != len(some.Lat) {
			t.Errorf("%d x %d cells: %d longitudes, %d latitudes of at most %d", c.width, c.height, len(some.Lon), len(some.Lat), c.most)
		}
		if slices.Max(some.Lon) != slices.Max(lon) || slices.Min(some.Lon) != slices.Min(lon) ||
			slices.Max(some.Lat) != slices.Max(lat) || slices.Min(some.Lat) != slices.Min(lat) {
			t.Errorf("%d x %d cells: not the extent of all", c.width, c.height)
		}
	}
}

// TestEveryCell: windows together have each third, fifth cell once, at its place.
func TestEveryCell(t *testing.T) {
	const width, height = 1500, 1101
	d := demOf(t, width, height)
	lon, lat := d.LonLat(d.Bounds())
	p := &planner{job: &replica.Job{}}
	for _, step := range []int{1, 3, 5, 7} {
		seen := map[int]bool{}
		for window := range workfile.Windows(d.Bounds()) {
			c, err := p.everyCellOf(context.Background(), d, window, step)
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.Lon {
				col, row := window.Col+i%window.Width, window.Row+i/window.Width
				if some := everyOf(window, step); step > 1 {
					col, row = (some.Col+i%some.Width)*step+step/2, (some.Row+i/some.Width)*step+step/2
				}
				n := row*width + col
				near := func(a, b float64) bool { return a-b < 1e-12 && b-a < 1e-12 }
				if seen[n] || !near(c.Lon[i], lon[n]) || !near(c.Lat[i], lat[n]) || c.Elevation[i] != float64(n%8000+1) {
					t.Fatalf("step %d: cell %d (seen: %v) is at %v, %v, %v m; want %v, %v, %v", step, n, seen[n], c.Lon[i], c.Lat[i], c.Elevation[i], lon[n], lat[n], n%8000+1)
				}
				seen[n] = true
			}
		}
		if want := (width + step/2) / step * ((height + step/2) / step); len(seen) != want {
			t.Errorf("step %d: %d cells, want %d", step, len(seen), want)
		}
	}
}
