package sun

import "math"

// Slots are the samples of a day in which the sun is up on some day of the year.
type Slots struct {
	First, N int     // the number of the first sample, counted from midnight; how many there are
	Middle   int     // the first slot at noon or later, counted from First
	Step     float64 // hours between two samples
}

// ActiveSlots finds the slots in which the sun is up at some latitude between both, radians,
// for a time step in hours.
func ActiveSlots(minLatitude, maxLatitude, step float64) Slots {
	longest := 0.0
	for _, lat := range []float64{minLatitude, maxLatitude} {
		longest = max(longest, DayLength(lat, juneSolstice), DayLength(lat, decemberSolstice))
	}
	half := longest/2 + 0.1
	first := max(0, int(math.Floor((12-half)/step-0.5)))
	last := min(SlotsPerDay(step)-1, int(math.Ceil((12+half)/step-0.5)))
	s := Slots{First: first, N: last - first + 1, Step: step}
	for s.Middle < s.N && HourAngle(s.First+s.Middle, step) < 0 {
		s.Middle++
	}
	return s
}

// Words is how many 32-bit words hold a bit for each slot.
func (s Slots) Words() int { return (s.N + 31) / 32 }
