package replica

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// MeasuredRadiation is the climate's mean global radiation on flat ground over
// the job's years, MJ m-2 d-1.
func (j *Job) MeasuredRadiation(ctx context.Context, plan *record.Plan) (months [12]float64, err error) {
	var spec climate.Spec
	if err := json.Unmarshal(plan.Climate, &spec); err != nil {
		return months, fmt.Errorf("plan of job %s: climate: %w", j.Request.ID, err)
	}
	source, err := climate.Open(ctx, spec, j.Objects.Open)
	if err != nil {
		return months, InputError(err)
	}
	table, ok := source.(*climate.Table)
	if !ok {
		return months, fault.New(fault.Invalid, fmt.Errorf("kc climate: rasters of climate have no radiation; take a climate of pixel:FILE.csv with the columns srad and dayl, or give kc a value or a raster"))
	}
	if months, err = table.Radiation(j.Request.Parameters.Years()); err != nil {
		return months, fault.New(fault.Invalid, fmt.Errorf("kc climate: %w", err))
	}
	return months, nil
}

// OpenClimate opens the climate that the plan stored.
func (j *Job) OpenClimate(ctx context.Context, plan *record.Plan) (climate.Source, climate.Spec, error) {
	var spec climate.Spec
	if err := json.Unmarshal(plan.Climate, &spec); err != nil {
		return nil, spec, fmt.Errorf("plan of job %s: climate: %w", j.Request.ID, err)
	}
	source, err := climate.Open(ctx, spec, j.Objects.Open)
	if err != nil {
		return nil, spec, InputError(err)
	}
	return source, spec, nil
}

// Cells returns longitude, latitude and elevation of the cells of a window.
func (j *Job) Cells(ctx context.Context, d *dem.DEM, w raster.Window) (climate.Cells, error) {
	z, err := d.Elevation(ctx, w)
	if err != nil {
		return climate.Cells{}, InputError(err)
	}
	lon, lat := d.LonLat(w)
	return climate.Cells{Lon: lon, Lat: lat, Elevation: z.Cells}, nil
}
