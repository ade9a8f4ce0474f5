package drainage

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// windowMemory is how many bytes a window takes with the climate of some of its rows.
const windowMemory = 160 << 20

// wetnessYears are the climate years whose cells differ: a table covers the same every year.
func (p *Terrain) wetnessYears(spec climate.Spec) []int {
	years := p.Job.Request.Parameters.Years()
	if spec.Kind != climate.KindRaster {
		years = years[:1]
	}
	return years
}

// MeanWetness takes the means of the sums of all cells by climate year.
func (p *Terrain) MeanWetness(plan *record.Plan, sums map[int]terrain.WetnessSum) error {
	plan.MeanWetness = map[int]float64{}
	var last terrain.WetnessSum
	for _, year := range p.Job.Request.Parameters.Years() {
		if sum, ok := sums[year]; ok {
			last = sum
		}
		if err := last.Err(); err != nil {
			return fault.New(fault.Invalid, fmt.Errorf("mean wetness of %d: %w", year, err))
		}
		if last.Cells == 0 {
			return fault.New(fault.Invalid, fmt.Errorf("climate %s has no data for %d over this DEM (centre %.4f, %.4f); choose another source or year", p.Job.Request.Parameters.Climate, year, plan.Longitude, plan.Latitude))
		}
		if last.Cells < last.Sloping*9/10 {
			plan.Findings.Add(finding.Finding{
				Code: finding.ClimateCoverage, Severity: finding.Doubt,
				Message: fmt.Sprintf("climate of %d covers %d of the %d cells that have a slope", year, last.Cells, last.Sloping),
			})
		}
		plan.MeanWetness[year] = last.Mean()
	}
	return nil
}

func cellsBetween(c climate.Cells, lo, hi int) climate.Cells {
	c.Lon, c.Lat = c.Lon[lo:hi], c.Lat[lo:hi]
	if c.Elevation != nil {
		c.Elevation = c.Elevation[lo:hi]
	}
	return c
}

// SumWetness sums the wetness index over the cells with elevation, slope and
// climate, weighted with area (Rasmussen et al. 2015, eq 9), by climate year.
func (p *Terrain) SumWetness(ctx context.Context, d *dem.DEM, plan *record.Plan) (map[int]terrain.WetnessSum, error) {
	img, closer, err := p.Job.Objects.OpenImage(ctx, job.WorkKey(p.Job.Request.ID, workfile.TerrainFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	return p.sumWindows(ctx, d, plan, d.Bounds(), 1, func(ctx context.Context, window raster.Window) (*raster.Grid[float64], error) {
		g, err := img.Grid(ctx, 0, window)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", workfile.TerrainFile, err)
		}
		return g, nil
	})
}

// sumWindows sums the wetness of w, window by window, some at a time: as many as memory has room for when batch calls go on
// at the same time. wetness returns the index of a window, NaN where there is no slope.
func (p *Terrain) sumWindows(ctx context.Context, d *dem.DEM, plan *record.Plan, w raster.Window, batch int,
	wetness func(context.Context, raster.Window) (*raster.Grid[float64], error),
) (map[int]terrain.WetnessSum, error) {
	source, spec, err := p.Job.OpenClimate(ctx, plan)
	if err != nil {
		return nil, err
	}
	years := p.wetnessYears(spec)
	total := map[int]terrain.WetnessSum{}
	var mu sync.Mutex
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(int(max(1, min(int64(p.Job.Threads), p.Job.Cost.Memory/windowMemory)/int64(batch))))
	for window := range workfile.Windows(w) {
		work.Go(p.Job.Guarded(ctx, func(ctx context.Context) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			g, err := wetness(ctx, window)
			if err != nil {
				return err
			}
			sums, err := p.wetnessOf(ctx, g, source, years, d, window)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for year, sum := range sums {
				all := total[year]
				all.Add(sum)
				total[year] = all
			}
			return nil
		}))
	}
	return total, work.Wait()
}

func (p *Terrain) wetnessOf(ctx context.Context, wetness *raster.Grid[float64], source climate.Source, years []int, d *dem.DEM, window raster.Window) (map[int]terrain.WetnessSum, error) {
	cells, err := p.Job.Cells(ctx, d, window)
	if err != nil {
		return nil, err
	}
	sums := map[int]terrain.WetnessSum{}
	rows := workfile.RowsAtOnce(window.Width)
	for _, year := range years {
		var sum terrain.WetnessSum
		for row := 0; row < window.Height; row += rows {
			lo, hi := row*window.Width, min(row+rows, window.Height)*window.Width
			c, err := source.Months(ctx, year, cellsBetween(cells, lo, hi))
			if err != nil && !errors.Is(err, climate.ErrNoCoverage) {
				return nil, replica.InputError(err)
			}
			for i := lo; i < hi; i++ {
				r := window.Row + i/window.Width
				sum.AddCell(wetness.Cells[i], d.Cell.DX[r]*d.Cell.DY[r], !math.IsNaN(c.ZRef[i-lo]))
			}
		}
		sums[year] = sum
	}
	return sums, nil
}
