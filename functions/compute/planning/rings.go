package planning

import (
	"context"
	"io"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// rings thins the DEM for the plan's rings while it is read row by row.
type rings struct {
	factors  []int
	thinners []*horizon.Thinner
	writers  []*geotiff.Writer
	spools   *replica.Spools
	rows     int // still to come
}

func newRings(j *replica.Job, d *dem.DEM, plan *record.Plan) (*rings, error) {
	r := &rings{spools: replica.NewSpools(j.Temp), rows: plan.Height}
	if plan.Far == nil {
		return r, nil
	}
	r.factors = plan.Far.Factors
	for _, f := range r.factors {
		size := raster.Window{Width: (plan.Width + f - 1) / f, Height: (plan.Height + f - 1) / f}
		opts := j.Options(d, size, []geotiff.BandInfo{
			{Description: "far terrain for rays along columns", Unit: "m"}, {Description: "far terrain for rays along rows", Unit: "m"},
		})
		opts.Transform.StepX *= float64(f)
		opts.Transform.StepY *= float64(f)
		opts.Spool = r.spools.Open
		w, err := geotiff.NewWriter(opts)
		if err != nil {
			return nil, err
		}
		r.writers = append(r.writers, w)
		r.thinners = append(r.thinners, horizon.NewThinner(plan.Width, f))
	}
	return r, nil
}

// add takes the next rows of the DEM.
func (r *rings) add(z *raster.Grid[float64]) error {
	for row := range z.Height {
		r.rows--
		for i, t := range r.thinners {
			if !t.Add(z.Row(row), r.rows == 0) {
				continue
			}
			if err := r.writers[i].WriteRows(workfile.BandNorthSouth, t.NorthSouth); err != nil {
				return err
			}
			if err := r.writers[i].WriteRows(workfile.BandEastWest, t.EastWest); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rings) put(ctx context.Context, j *replica.Job) error {
	for i, f := range r.factors {
		if err := j.Objects.Put(ctx, job.WorkKey(j.Request.ID, workfile.FarFile(f)), objects.TIFF, func(w io.Writer) error { return r.writers[i].Close(w) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *rings) remove() { r.spools.Remove() }
