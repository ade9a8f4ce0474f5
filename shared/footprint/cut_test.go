package footprint

import (
	"math/rand/v2"
	"testing"

	"github.com/paulmach/orb"
)

// cut is the part of a ring west (1) or east (-1) of longitude 180, by walking it: what clipped must return.
func cut(ring orb.Ring, side float64) (out orb.Ring) {
	for i, p := range ring[1:] {
		q := ring[i] // the one before
		if (q[0]-180)*(p[0]-180) < 0 {
			out = append(out, orb.Point{180, q[1] + (p[1]-q[1])*(180-q[0])/(p[0]-q[0])})
		}
		if side*(p[0]-180) <= 0 {
			out = append(out, p)
		}
	}
	if len(out) > 0 {
		out = append(out, out[0])
	}
	return out
}

// TestClippedRings: rings of outlines that cross the antimeridian, some with corners on it, are cut as by walking them.
func TestClippedRings(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	bounds := map[float64]orb.Bound{
		1:  {Min: orb.Point{-180, -90}, Max: orb.Point{180, 90}},
		-1: {Min: orb.Point{180, -90}, Max: orb.Point{540, 90}},
	}
	for n := range 50000 {
		// A slanted quadrilateral with points between its corners; every second one has points on the meridian.
		corner := [4]orb.Point{{-1, 1}, {1, 1}, {1, -1}, {-1, -1}}
		steps := 1 + r.IntN(4)
		var ring orb.Ring
		for side := range 4 {
			from, to := corner[(3-side+4)%4], corner[(2-side+4)%4]
			for i := range steps {
				f := float64(i) / float64(steps)
				p := orb.Point{180 + from[0] + f*(to[0]-from[0]) + 0.3*r.Float64(), 60 + from[1] + f*(to[1]-from[1]) + 0.3*r.Float64()}
				if n%2 == 0 && r.IntN(3) == 0 {
					p[0] = 180
				}
				ring = append(ring, p)
			}
		}
		ring = append(ring, ring[0])
		if ring.Bound().Right() <= 180 {
			continue
		}
		for side, b := range bounds {
			if got, want := clipped(ring, b), cut(ring, side); !got.Equal(want) {
				t.Fatalf("ring %v, side %g:\n%v, want\n%v", ring, side, got, want)
			}
		}
	}
}
