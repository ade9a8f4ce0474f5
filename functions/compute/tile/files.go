package tile

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// putDaily adds to a work file per quantity, a band for each day. index is the
// clear-sky index, nil for a clear sky.
func (p *part) putDaily(ctx context.Context, engine solar.Engine, surface solar.Surface, params solar.Parameters, index *clearness) error {
	days := make([]int, 365)
	for i := range days {
		days[i] = i + 1
	}
	bands := make([]geotiff.BandInfo, len(days))
	err := engine.Days(ctx, surface, params, days, p.job.Threads, func(day int, v *solar.Daily) error {
		index.scale(sun.MonthOf(day), v.Global, v.Flat)
		grids := map[string]*raster.Grid[float32]{
			workfile.DailyFile("global"): v.Global, workfile.DailyFile("flat"): v.Flat, workfile.DailyFile("hours"): v.Hours,
			workfile.DailyFile(string(param.Beam)): v.Beam, workfile.DailyFile(string(param.Diffuse)): v.Diffuse, workfile.DailyFile(string(param.Reflected)): v.Reflected,
		}
		for _, q := range workfile.Radiations(p.job.Request.Parameters) {
			if err := p.files.add(q.Daily, bands, day-1, p.window, grids[q.Daily].Cells); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return solarError(err)
	}
	return nil
}

// tileFiles are the work files of a tile while its parts come.
type tileFiles struct {
	job     *replica.Job
	dem     *dem.DEM
	tile    record.Tile
	spools  *replica.Spools
	writers map[string]*geotiff.Writer
}

func newTileFiles(j *replica.Job, d *dem.DEM, tile record.Tile) *tileFiles {
	return &tileFiles{job: j, dem: d, tile: tile, spools: replica.NewSpools(j.Temp), writers: map[string]*geotiff.Writer{}}
}

// add puts the cells of a window of the DEM into a band of a file, which is begun now if it is new.
// Its error is of the kind fault.Unavailable: that there is no room here for temporary files says nothing of the DEM.
func (f *tileFiles) add(name string, bands []geotiff.BandInfo, band int, at raster.Window, cells []float32) error {
	w := f.writers[name]
	if w == nil {
		opts := f.job.Options(f.dem, f.tile.Window, bands)
		opts.Spool, opts.Held = f.spools.Open, replica.Held
		var err error
		if w, err = geotiff.NewWriter(opts); err != nil {
			return fault.New(fault.Unavailable, fmt.Errorf("file %s: %w", name, err))
		}
		f.writers[name] = w
	}
	at.Col -= f.tile.Window.Col
	at.Row -= f.tile.Window.Row
	if err := w.WriteWindow(band, at, cells); err != nil {
		return fault.New(fault.Unavailable, fmt.Errorf("file %s: %w", name, err))
	}
	return nil
}

// addAll adds to all bands of a file.
func (f *tileFiles) addAll(name string, bands []geotiff.BandInfo, at raster.Window, grids []*raster.Grid[float32]) error {
	for b, g := range grids {
		if err := f.add(name, bands, b, at, g.Cells); err != nil {
			return err
		}
	}
	return nil
}

// put stores the files, which are whole.
func (f *tileFiles) put(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(f.writers)) {
		if err := f.job.Objects.Put(ctx, workfile.TileKey(f.job.Request.ID, f.tile.Task, name), objects.TIFF, f.writers[name].Close); err != nil {
			return err
		}
	}
	return nil
}

func (f *tileFiles) remove() { f.spools.Remove() }
