package param_test

import (
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/solar"
)

// The domain packages know nothing of the table: their ranges are those of the table all the same.
func TestRangesAreThoseOfSolar(t *testing.T) {
	for name, set := range map[string]func(p *solar.Parameters, v float64){
		"step":         func(p *solar.Parameters, v float64) { p.StepMinutes = v },
		"linke_value":  func(p *solar.Parameters, v float64) { p.Linke[11] = v },
		"albedo_value": func(p *solar.Parameters, v float64) { p.Albedo[11] = v },
		"kb":           func(p *solar.Parameters, v float64) { p.KBeam[11] = v },
		"kd":           func(p *solar.Parameters, v float64) { p.KDiffuse[11] = v },
	} {
		f, ok := param.FieldOf(name)
		if !ok {
			t.Fatalf("no parameter %s", name)
		}
		for v, good := range map[float64]bool{
			f.Minimum: true, f.Maximum: true,
			math.Nextafter(f.Minimum, -100): false, math.Nextafter(f.Maximum, 100): false,
		} {
			p := solar.DefaultParameters()
			set(&p, v)
			if err := p.Validate(); (err == nil) != good {
				t.Errorf("%s %v: shared/solar says %v; the table has %g to %g", name, v, err, f.Minimum, f.Maximum)
			}
		}
	}
	ours, theirs := param.DefaultParameters(), solar.DefaultParameters()
	if ours.Step != theirs.StepMinutes || param.Monthly(ours.Linke) != theirs.Linke || param.Monthly(ours.Albedo) != theirs.Albedo {
		t.Errorf("defaults %+v, of shared/solar %+v", ours, theirs)
	}
}
