package solar

import "fmt"

// Parameters say how radiation is computed. Values per month start with January.
type Parameters struct {
	StepMinutes  float64     // sampling step, 1..60
	Linke        [12]float64 // Linke turbidity for air mass 2, 1..8
	Albedo       [12]float64 // ground albedo, 0..1
	Shadows      bool        // terrain casts shadows
	KBeam        [12]float64 // real-sky factor of the beam, 0..1
	KDiffuse     [12]float64 // real-sky factor of the diffuse part, 0..1
	ReflFull     bool        // unlit cells reflect the full horizontal global, not its diffuse part only
	Components   bool        // return beam, diffuse and reflected beside global
	DistanceStep float64     // step of the reference ray march, in mean cell sizes, 0.1..10
	Bilinear     bool        // reference ray march samples bilinearly, not the nearest cell
}

// DefaultParameters returns a 15 minute step, Linke turbidity 3, albedo 0.2,
// a cloudless sky and terrain shadows on.
func DefaultParameters() Parameters {
	p := Parameters{StepMinutes: 15, Shadows: true, DistanceStep: 1}
	for m := range 12 {
		p.Linke[m], p.Albedo[m], p.KBeam[m], p.KDiffuse[m] = 3, 0.2, 1, 1
	}
	return p
}

// Validate reports the first value outside its range.
func (p *Parameters) Validate() error {
	if !(p.StepMinutes >= 1 && p.StepMinutes <= 60) {
		return fmt.Errorf("step %g: must be 1 to 60 minutes", p.StepMinutes)
	}
	if !(p.DistanceStep >= 0.1 && p.DistanceStep <= 10) {
		return fmt.Errorf("distance step %g: must be 0.1 to 10 cells", p.DistanceStep)
	}
	for i, v := range [4]*[12]float64{&p.Linke, &p.Albedo, &p.KBeam, &p.KDiffuse} {
		r := airRanges[i]
		for m, v := range v {
			if !(v >= r.min && v <= r.max) {
				return fmt.Errorf("%s %g of month %d: must be %g to %g", r.name, v, m+1, r.min, r.max)
			}
		}
	}
	return nil
}
