package tile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/sourcegraph/conc"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/product"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// terrainTile is what the energy of a tile needs of its terrain.
type terrainTile struct {
	window        raster.Window
	elevation     *raster.Grid[float64]
	slope, aspect *raster.Grid[float64]
	lon, lat      []float64
	cell          raster.CellSize
}

// energyYears evaluates every climate year and adds to a work file for each.
func (p *part) energyYears(ctx context.Context, t *terrainTile, sun *solar.Monthly, clouds *clearness) error {
	var spec climate.Spec
	if err := json.Unmarshal(p.plan.Climate, &spec); err != nil {
		return fmt.Errorf("plan of job %s: climate: %w", p.job.Request.ID, err)
	}
	source, err := climate.Open(ctx, spec, p.job.Objects.Open)
	if err != nil {
		return replica.InputError(err)
	}
	wetness, err := p.readWetness(ctx, p.plan, t.window)
	if err != nil {
		return err
	}
	if p.record.Sums == nil {
		p.record.Sums = map[int]record.Sums{}
	}
	layout := energyLayoutOf(p.job.Request.Parameters)
	valid := 0
	for _, year := range p.job.Request.Parameters.Years() {
		model, err := energy.NewModel(energy.DefaultParameters(), energy.NewCalendar(year))
		if err != nil {
			return fault.New(fault.Invalid, err)
		}
		e := &energyYear{model: model, year: year, source: source, terrain: t, wetness: wetness, mean: p.plan.MeanWetness[year], sun: sun, clouds: clouds, layout: layout}
		grids, sums, n, err := e.evaluate(ctx, p.job.Threads)
		if err != nil {
			return replica.InputError(err)
		}
		if err := sums.Err(); err != nil {
			return fault.New(fault.Invalid, fmt.Errorf("climate of %d at column %d, row %d, %d x %d cells: %w", year, t.window.Col, t.window.Row, t.window.Width, t.window.Height, err))
		}
		valid = n
		total := p.record.Sums[year]
		total.Add(sums)
		p.record.Sums[year] = total
		if err := p.files.addAll(workfile.EnergyFile(year), layout.bands, t.window, grids); err != nil {
			return err
		}
	}
	p.record.Valid += valid
	return nil
}

// energyYear evaluates the EEMT variants of one tile in one climate year.
type energyYear struct {
	model   *energy.Model
	year    int
	source  climate.Source
	terrain *terrainTile
	wetness *raster.Grid[float64]
	mean    float64
	sun     *solar.Monthly // of a clear sky
	clouds  *clearness
	layout  energyLayout
}

// energyLayout is what a tile's eemt_<year>.tif holds of a year.
type energyLayout struct {
	bands []geotiff.BandInfo
	// put stores cell i.
	put func(grids []*raster.Grid[float32], i int, year *energy.CellYear)
}

func energyLayoutOf(p param.Parameters) energyLayout {
	if p.Maps == param.AnnualMaps {
		return energyOfYear()
	}
	return energyOfMonths()
}

func energyOfMonths() energyLayout {
	bands := make([]geotiff.BandInfo, workfile.EnergyBands)
	for m := range 12 {
		bands[workfile.BandTradPPT+m] = geotiff.BandInfo{Description: "E_PPT Trad " + calendar.Months[m], Unit: "MJ m-2" + product.PerMonth}
		bands[workfile.BandTradBio+m] = geotiff.BandInfo{Description: "E_BIO Trad " + calendar.Months[m], Unit: "MJ m-2" + product.PerMonth}
		bands[workfile.BandTopoPPT+m] = geotiff.BandInfo{Description: "E_PPT Topo " + calendar.Months[m] + " at kappa 1", Unit: "MJ m-2" + product.PerMonth}
		bands[workfile.BandTopoBio+m] = geotiff.BandInfo{Description: "E_BIO Topo " + calendar.Months[m], Unit: "MJ m-2" + product.PerMonth}
	}
	return energyLayout{bands, func(grids []*raster.Grid[float32], i int, year *energy.CellYear) {
		for m := range 12 {
			grids[workfile.BandTradPPT+m].Cells[i] = float32(year.TradEPPT[m])
			grids[workfile.BandTradBio+m].Cells[i] = float32(year.TradEBio[m])
			grids[workfile.BandTopoPPT+m].Cells[i] = float32(year.TopoEPPT[m])
			grids[workfile.BandTopoBio+m].Cells[i] = float32(year.TopoEBio[m])
		}
	}}
}

// evaluate works through blocks of rows, threads at a time.
func (e *energyYear) evaluate(ctx context.Context, threads int) ([]*raster.Grid[float32], record.Sums, int, error) {
	width, height := e.terrain.window.Width, e.terrain.window.Height
	grids := make([]*raster.Grid[float32], len(e.layout.bands))
	for b := range grids {
		grids[b] = raster.New[float32](width, height)
	}
	rows := workfile.RowsAtOnce(width)
	blocks := (height + rows - 1) / rows
	sums := make([]record.Sums, blocks)
	valid := make([]int, blocks)
	errs := make([]error, blocks)
	var wait conc.WaitGroup
	free := make(chan struct{}, max(1, threads))
	for b := range blocks {
		free <- struct{}{}
		wait.Go(func() {
			defer func() { <-free }()
			if errs[b] = ctx.Err(); errs[b] == nil {
				valid[b], errs[b] = e.rows(ctx, b*rows, min((b+1)*rows, height), grids, &sums[b])
			}
		})
	}
	wait.Wait()
	var total record.Sums
	count := 0
	for b := range blocks {
		total.Add(sums[b])
		count += valid[b]
	}
	return grids, total, count, errors.Join(errs...)
}

// rows evaluates the cells of rows first to last.
func (e *energyYear) rows(ctx context.Context, first, last int, grids []*raster.Grid[float32], sums *record.Sums) (valid int, err error) {
	t := e.terrain
	width := t.window.Width
	lo, hi := first*width, last*width
	months, err := e.source.Months(ctx, e.year, climate.Cells{Lon: t.lon[lo:hi], Lat: t.lat[lo:hi], Elevation: t.elevation.Cells[lo:hi]})
	if err != nil && !errors.Is(err, climate.ErrNoCoverage) {
		return 0, err
	}
	var in energy.Cell
	var out energy.CellYear
	var cloudFactor [12]float64
	if e.clouds != nil {
		in.CloudFactor = &cloudFactor
	}
	days := dayLengths{}
	for i := lo; i < hi; i++ {
		k, row := i-lo, i/width
		in.Elevation, in.ReferenceElevation = t.elevation.Cells[i], months.ZRef[k]
		in.Northness = terrain.Northness(t.slope.Cells[i], t.aspect.Cells[i])
		in.South = t.lat[i] < 0
		in.Wetness, in.MeanWetness = e.wetness.Cells[i], e.mean
		in.Daylength = days.at(t.lat[i])
		for m := range 12 {
			in.TMin[m], in.TMax[m] = months.TMin[m][k], months.TMax[m][k]
			in.Prcp[m], in.VP[m] = months.Prcp[m][k], months.VP[m][k]
			in.SolarTopo[m], in.SolarFlat[m] = float64(e.sun.Global[m].Cells[i]), float64(e.sun.Flat[m].Cells[i])
		}
		if e.clouds != nil {
			e.clouds.at(i, &cloudFactor)
		}
		e.model.Year(&in, &out)
		e.layout.put(grids, i, &out)
		if math.IsNaN(out.TradEBio[0]) {
			continue // all of the year is NaN, or nothing
		}
		valid++
		area := t.cell.DX[row] * t.cell.DY[row]
		sums.Area.Add(area)
		var precipitation float64
		for m := range 12 {
			sums.Peff[m].Add(area * out.Peff[m])
			sums.AlphaPeff[m].Add(area * out.AlphaPeff[m])
			precipitation += in.Prcp[m]
		}
		sums.Precipitation.Add(area * precipitation)
		sums.Temperature.Add(area * e.model.MeanTemperature(&in))
	}
	return valid, nil
}

// dayLengths interpolates mean daylengths between latitudes 0.01 degrees apart:
// exact to 1e-6 h away from the polar circles, the same in every tile.
type dayLengths map[int][12]float64

func (d dayLengths) at(latitude float64) [12]float64 {
	const step = 0.01
	if math.IsNaN(latitude) {
		return [12]float64{}
	}
	k := math.Floor(latitude / step)
	f := latitude/step - k
	a, b := d.knot(int(k), step), d.knot(int(k)+1, step)
	for m := range a {
		a[m] += f * (b[m] - a[m])
	}
	return a
}

func (d dayLengths) knot(k int, step float64) [12]float64 {
	v, ok := d[k]
	if !ok {
		v = sun.MeanDayLength(min(90, max(-90, float64(k)*step)) * math.Pi / 180)
		d[k] = v
	}
	return v
}
