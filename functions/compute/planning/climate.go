package planning

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// snapshotClimate reads what the cells need of the climate source into the folder
// of the job, and returns the source that reads it there. What came over the network
// is kept in cache/ for all jobs with the same source and DEM.
func (p *planner) snapshotClimate(ctx context.Context, d *dem.DEM) (climate.Spec, error) {
	user := p.job.Request.Parameters
	spec, err := climate.ParseSpec(user.Climate, user.ClimateElevation, user.ClimateUnits)
	if err != nil {
		return spec, fault.New(fault.Invalid, err)
	}
	folder := job.WorkKey(p.job.Request.ID, "climate/")
	known := folder + "source.json"
	switch data, err := p.job.Store.Bucket.ReadAll(ctx, known); {
	case err == nil:
		return spec, json.Unmarshal(data, &spec)
	case gcerrors.Code(err) != gcerrors.NotFound:
		return spec, fmt.Errorf("read %s: %w", known, err)
	}
	entry := p.climateEntry(spec)
	if entry != "" {
		if note, ok := p.fromCache(ctx, entry, folder); ok {
			kept := climate.Spec{}
			if err := json.Unmarshal(note, &kept); err == nil {
				return p.noteSource(ctx, within(kept, entry, folder), known)
			}
		}
	}
	var files []string
	store := func(name string, write func(io.Writer) error) error {
		kind := objects.TIFF
		if strings.HasSuffix(name, ".csv") {
			kind = "text/csv; charset=utf-8"
		}
		files = append(files, strings.TrimPrefix(name, folder))
		return p.job.Objects.Put(ctx, name, kind, write)
	}
	cells := func(yield func(climate.Cells, error) bool) {
		step := thinning(d, meanCells)
		for window := range workfile.Windows(d.Bounds()) {
			c, err := p.everyCellOf(ctx, d, window, step)
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
	var some climate.Cells
	if spec.Kind == climate.KindRaster {
		some = thinned(d)
	}
	snapshot, err := climate.Snapshot(ctx, spec, user.Years(), some, cells, folder, p.kind.Climate, store)
	if err != nil {
		return spec, replica.InputError(err)
	}
	if entry != "" {
		note, err := json.Marshal(within(snapshot, folder, entry))
		if err != nil {
			return spec, fmt.Errorf("encode the climate source: %w", err)
		}
		p.toCache(ctx, folder, files, note, entry)
	}
	return p.noteSource(ctx, snapshot, known)
}

// climateEntry is the folder of a climate in the cache; empty for one that does not come over the network.
func (p *planner) climateEntry(spec climate.Spec) string {
	if !strings.HasPrefix(spec.Path, "https://") && !strings.HasPrefix(spec.Path, "http://") {
		return ""
	}
	user := p.job.Request.Parameters
	words := []string{user.Climate, user.ClimateElevation, fmt.Sprint(user.Years()), p.job.Request.DEM.SHA256}
	if u := spec.Units.String(); u != "" {
		words = append(words, u)
	}
	return cacheKey("climate", words...)
}

// meanCells is about how many cells of a DEM a climate's reference elevation is the mean
// of at most: of larger ones some are left out, evenly.
const meanCells = 1 << 28

// everyCellOf is cellsOf for those in the middle of step x step cells.
func (p *planner) everyCellOf(ctx context.Context, d *dem.DEM, w raster.Window, step int) (climate.Cells, error) {
	if step == 1 {
		return p.job.Cells(ctx, d, w)
	}
	z, err := d.Elevation(ctx, w)
	if err != nil {
		return climate.Cells{}, replica.InputError(err)
	}
	var c climate.Cells
	c.Lon, c.Lat = lonLatOfEvery(d, step, w)
	some := everyOf(w, step)
	for row := range some.Height {
		for col := range some.Width {
			c.Elevation = append(c.Elevation, z.At((some.Col+col)*step+step/2-w.Col, (some.Row+row)*step+step/2-w.Row))
		}
	}
	return c, nil
}

// within is a source whose files have moved from a folder to another.
func within(s climate.Spec, from, to string) climate.Spec {
	for _, name := range []*string{&s.Path, &s.Elevation} {
		if rest, ok := strings.CutPrefix(*name, from); ok {
			*name = to + rest
		}
	}
	return s
}

// noteSource writes down that the climate of the job is whole.
func (p *planner) noteSource(ctx context.Context, s climate.Spec, key string) (climate.Spec, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return s, fmt.Errorf("encode the climate source: %w", err)
	}
	return s, p.job.Objects.PutBytes(ctx, key, data)
}
