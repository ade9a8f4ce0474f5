package solar

import (
	"context"
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// skyline holds the horizons of a window's cells in the azimuths where the sun
// can stand: one plane of cells after another.
type skyline struct {
	cells  int
	plane  [azimuths]int16 // -1 where no horizon is needed
	codes  []horizon.Code
	active []int // azimuth numbers with a plane
}

// sunAzimuths marks the grid azimuths the sun can stand in, with their
// neighbours, for a range of latitudes and of convergences.
func sunAzimuths(minLatitude, maxLatitude, minConvergence, maxConvergence float64, s sun.Slots) (active []int) {
	var marked [azimuths]bool
	low, high := minConvergence/spacing, maxConvergence/spacing
	mark := func(position float64) {
		from, to := int(math.Floor(position-high))-1, int(math.Ceil(position-low))+1
		for a := from; a <= min(to, from+azimuths-1); a++ {
			marked[((a%azimuths)+azimuths)%azimuths] = true
		}
	}
	const every = 0.25 * math.Pi / 180
	n := int(math.Ceil((maxLatitude - minLatitude) / every))
	for i := range n + 1 {
		at := sun.NewSite(min(maxLatitude, minLatitude+float64(i)*every))
		for day := 1; day <= sun.YearDays+1; day++ {
			sinDelta, cosDelta := math.Sincos(sun.Declination(day))
			for k := range s.N {
				if sinH, azimuth := at.Position(sinDelta, cosDelta, sun.HourAngle(s.First+k, s.Step)); sinH > -0.02 {
					mark(azimuth / spacing)
				}
			}
		}
	}
	for a, m := range marked {
		if m {
			active = append(active, a)
		}
	}
	return active
}

// newSkyline finds the horizons of the DEM window w in the active azimuths.
func newSkyline(ctx context.Context, t *horizon.Terrain, s *Surface, w raster.Window, active []int, threads int, done func(part float64)) (*skyline, error) {
	sky := &skyline{cells: w.Width * w.Height, active: active}
	for a := range sky.plane {
		sky.plane[a] = -1
	}
	for n, a := range active {
		sky.plane[a] = int16(n)
	}
	sky.codes = make([]horizon.Code, sky.cells*len(active))
	angles, codes := make([]float64, len(active)), make([][]horizon.Code, len(active))
	for n, a := range active {
		angles[n], codes[n] = float64(a)*spacing, sky.codes[n*sky.cells:(n+1)*sky.cells]
	}
	if err := sweep(ctx, t, s, w, angles, codes, make([]horizon.Sweeper, max(1, threads)), done); err != nil {
		return nil, err
	}
	return sky, nil
}

// sweep writes the horizons of the cells of w in each of some azimuths to its codes, with a
// goroutine for each sweeper. done, when not nil, gets the part that is finished.
func sweep(ctx context.Context, t *horizon.Terrain, s *Surface, w raster.Window, azimuths []float64, codes [][]horizon.Code, sweepers []horizon.Sweeper, done func(part float64)) error {
	bands := bandsOf(s, w)
	tasks := len(azimuths) * len(bands)
	return eachBlock(ctx, tasks, len(sweepers), func(worker, task int) {
		n, b := task/len(bands), bands[task%len(bands)]
		from := (b.first - w.Row) * w.Width
		core := raster.Window{Col: w.Col, Row: b.first, Width: w.Width, Height: b.rows}
		sweepers[worker].Sweep(t, s.Far, azimuths[n], b.dx, b.dy, core, codes[n][from:from+b.rows*w.Width])
	}, func(finished int) {
		if done != nil {
			done(float64(finished) / float64(tasks))
		}
	})
}

// tangent returns the horizon of cell i in a grid azimuth, linear between the planes.
func (s *skyline) tangent(i int, azimuth float64) float64 {
	x := azimuth / spacing
	x -= azimuths * math.Floor(x/azimuths)
	a := int(x) % azimuths
	f := x - math.Floor(x)
	return (1-f)*s.at(a, i) + f*s.at((a+1)%azimuths, i)
}

func (s *skyline) at(a, i int) float64 {
	if s.plane[a] < 0 {
		return 0
	}
	return float64(s.codes[int(s.plane[a])*s.cells+i].Tangent())
}

// band is a run of rows that are swept with one cell size.
type band struct {
	first, rows int // in the DEM
	dx, dy      float64
}

// bandsOf cuts the rows of w where the cell size changes: a projected grid is
// one band. Elsewhere bands are powers of two of rows of the whole raster, high
// enough to be few and low enough that the size differs from that of the middle
// row by less than 0.5 %, or 64 rows high.
func bandsOf(s *Surface, w raster.Window) []band {
	dx, dy := s.Cell.DX, s.Cell.DY
	change := 0.0
	for r := 1; r < len(dx); r++ {
		change = max(change, math.Abs(dx[r]/dx[r-1]-1), math.Abs(dy[r]/dy[r-1]-1))
	}
	if change < 1e-12 {
		return []band{{first: w.Row, rows: w.Height, dx: dx[w.Row], dy: dy[w.Row]}}
	}
	rows := 64
	for rows < 1<<20 && float64(rows)*change < 0.005 {
		rows *= 2
	}
	var bands []band
	for r := w.Row; r < w.Row+w.Height; {
		start := floorDiv(s.OriginRow+r, rows)*rows - s.OriginRow
		end := min(start+rows, w.Row+w.Height)
		middle := max(0, min(start+rows/2, len(dx)-1))
		bands = append(bands, band{first: r, rows: end - r, dx: dx[middle], dy: dy[middle]})
		r = end
	}
	return bands
}
