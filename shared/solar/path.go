package solar

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// azimuths is how many horizons surround a cell, evenly spaced from grid north.
const azimuths = 120

const spacing = 2 * math.Pi / azimuths

// sun is where the sun stands in a slot, ready for comparison with horizons.
type sunPosition struct {
	tan  float32 // of its altitude; not above 0 while it is down
	sin  float32 // of its azimuth, from grid north
	cos  float32
	part float32 // how far it stands from one horizon's azimuth to the next, 0 to 1
	at   uint32  // bytes from the first horizon of a block's cells to that azimuth's
	bit  uint32  // of the slot, in its word of 32
}

// path holds the positions of the sun at one latitude and convergence, by node of
// declination, then by slot.
type path struct {
	slots     sun.Slots
	suns      []sunPosition
	rise, set []int16 // by node: the slots between which the sun is up
	// planes says for each azimuth whether the sun can be next to it before
	// noon (all bits of the first) and after (of the second).
	planes [azimuths][2]uint32
}

// newPath computes the positions of the sun at a latitude in radians, for declinations
// and a bin of convergence.
func newPath(latitude float64, declinations []float64, convergence int, s sun.Slots) *path {
	p := &path{slots: s, suns: make([]sunPosition, len(declinations)*s.N), rise: make([]int16, len(declinations)), set: make([]int16, len(declinations))}
	at := sun.NewSite(latitude)
	for q, delta := range declinations {
		sinDelta, cosDelta := math.Sincos(delta)
		row := p.suns[q*s.N : (q+1)*s.N]
		rise, set := 0, s.N
		for k := range row {
			sinH, azimuth := at.Position(sinDelta, cosDelta, sun.HourAngle(s.First+k, s.Step))
			x := azimuth/spacing - float64(convergence)/convergenceBins
			x -= azimuths * math.Floor(x/azimuths)
			a := min(int(x), azimuths-1)
			sin, cos := math.Sincos(x * spacing)
			row[k] = sunPosition{
				sin:  float32(sin),
				cos:  float32(cos),
				tan:  float32(sinH / math.Sqrt(max(1e-12, 1-sinH*sinH))),
				part: float32(x - float64(a)),
				at:   uint32(a * lanes * 4),
				bit:  1 << (k & 31),
			}
			if sinH > 0 {
				side := 0
				if k >= s.Middle {
					side = 1
				}
				p.planes[a][side], p.planes[(a+1)%azimuths][side] = math.MaxUint32, math.MaxUint32
			}
		}
		for rise < s.Middle && !(row[rise].tan > 0) {
			rise++
		}
		for set > s.Middle && !(row[set-1].tan > 0) {
			set--
		}
		p.rise[q], p.set[q] = int16(rise), int16(set)
	}
	return p
}

// Cells share the sun's path within a thousandth of a degree of latitude and
// within a 64th of the spacing of horizons of convergence, 0.05 degrees. What the
// sun radiates is interpolated between nodes a tenth of a degree of latitude apart. All count
// from latitude and convergence 0, so that results do not depend on how a raster is tiled.
const (
	latitudeBins    = 1000 // per degree
	nodeEvery       = 100  // bins
	convergenceBins = 64   // per spacing of horizons
)

func latitudeBin(latitude float64) int {
	return int(math.Round(latitude * 180 / math.Pi * latitudeBins))
}

func convergenceBin(convergence float64) int {
	turns := convergence / (2 * math.Pi)
	return int(math.Round((turns - math.Floor(turns)) * azimuths * convergenceBins))
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// binLatitude returns a bin's latitude in radians. Poles are kept short of 90
// degrees, where azimuth has no meaning.
func binLatitude(bin int) float64 {
	const limit = 89.99999
	d := float64(bin) / latitudeBins
	return max(-limit, min(limit, d)) * math.Pi / 180
}
