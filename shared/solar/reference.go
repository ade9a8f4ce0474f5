package solar

import (
	"context"
	"math"

	"github.com/cyverse-gis/eemt/shared/solar/clearsky"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// Reference returns the plain engine: every sample of every cell in float64,
// with a ray marched through the elevation grid for each. It is slow, and what
// Fast is measured against.
func Reference() Engine { return reference{} }

type reference struct {
	// horizon, when set, stands in for the ray march: the tangent of the
	// terrain's horizon at core cell i in a grid azimuth.
	horizon func(i int, azimuth float64) float64
}

func (e reference) Year(ctx context.Context, s Surface, p Parameters, threads int, progress func(done, total int)) (*Monthly, error) {
	if err := check(&s, &p, nil); err != nil {
		return nil, err
	}
	out := newMonthly(s.Core, p.Components)
	highest := highest(s.DEM.Cells)
	err := eachBlock(ctx, s.Core.Height, threads, func(_, row int) {
		for i := row * s.Core.Width; i < (row+1)*s.Core.Width && ctx.Err() == nil; i++ {
			for m := range 12 {
				t, flat := e.month(&s, &p, i, m, highest)
				out.set(m, i, t, flat)
			}
		}
	}, func(finished int) {
		if progress != nil {
			progress(finished, s.Core.Height)
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (e reference) Days(ctx context.Context, s Surface, p Parameters, days []int, threads int, emit func(day int, d *Daily) error) error {
	if err := check(&s, &p, days); err != nil {
		return err
	}
	highest := highest(s.DEM.Cells)
	for _, day := range days {
		d := newDaily(s.Core)
		err := eachBlock(ctx, s.Core.Height, threads, func(_, row int) {
			for i := row * s.Core.Width; i < (row+1)*s.Core.Width; i++ {
				t, flat := e.day(&s, &p, i, day, highest)
				d.set(i, t, flat)
			}
		}, nil)
		if err != nil {
			return err
		}
		if err := emit(day, d); err != nil {
			return err
		}
	}
	return nil
}

// month returns the sums of core cell i over the days of a month, as day does over one.
func (e reference) month(s *Surface, p *Parameters, i, month int, highest float64) (sum totals, flat float64) {
	first, last := sun.DaysOf(month)
	for day := first; day <= last; day++ {
		t, f := e.day(s, p, i, day, highest)
		sum.beam += t.beam
		sum.diffuse += t.diffuse
		sum.reflected += t.reflected
		sum.hours += t.hours
		flat += f
	}
	return sum, flat
}

// day returns one day's sums of core cell i, and the global of the same cell
// laid flat in the open.
func (e reference) day(s *Surface, p *Parameters, i, day int, highest float64) (totals, float64) {
	c, ok := s.at(i)
	if !ok {
		return noTotals, math.NaN()
	}
	at, press, a := sun.NewSite(c.latitude), clearsky.Pressure(c.z), s.air(p, i, sun.MonthOf(day))
	flat := planeDay(at, press, clearsky.NewPlane(0, 0), day, a, p, nil)
	var shadowed func(clearsky.Sample) bool
	switch {
	case !p.Shadows:
	case e.horizon != nil:
		shadowed = func(o clearsky.Sample) bool {
			return o.SinH <= o.CosH*e.horizon(i, o.Azimuth-c.convergence)
		}
	default:
		ray := newRay(s, c, p, highest)
		shadowed = func(o clearsky.Sample) bool {
			tan, azimuth := o.SinH/o.CosH, o.Azimuth-c.convergence
			return ray.blocked(tan, azimuth) || s.Far != nil && s.Far.March(s.OriginCol+c.col, s.OriginRow+c.row, c.z, azimuth) >= tan
		}
	}
	pl := clearsky.NewPlane(c.slope, c.aspect+c.convergence)
	return planeDay(at, press, pl, day, a, p, shadowed), flat.global()
}
