package solar

import (
	"unsafe"

	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// The inner loops in plain Go, for processors without a version of their own.
// Products are rounded before they are added, so that all versions agree to the
// last bit.

func raiseGo(b *block, codes *horizon.Code, stride int, bearings *bearing, n int) {
	all := unsafe.Slice(codes, (n-1)*stride+lanes)
	b.before, b.after = [lanes]float32{}, [lanes]float32{}
	for k, a := range unsafe.Slice(bearings, n) {
		h := (*[lanes]float32)(b.horizons[a.at/4:])
		row := (*[lanes]horizon.Code)(all[k*stride:])
		for c := range lanes {
			v := row[c].Tangent()
			h[c] = v
			v = max(v, -(float32(b.east[c]*a.sin) + float32(b.north[c]*a.cos)))
			if a.morning != 0 {
				b.before[c] = max(b.before[c], v)
			}
			if a.evening != 0 {
				b.after[c] = max(b.after[c], v)
			}
		}
	}
}

func shineGo(mask *[lanes]uint32, b *block, suns *sunPosition, n int) {
	for _, s := range unsafe.Slice(suns, n) {
		h := (*[2 * lanes]float32)(b.horizons[s.at/4:])
		for c := range lanes {
			facing := float32(s.tan+float32(b.east[c]*s.sin)) + float32(b.north[c]*s.cos)
			if s.tan > h[c]+float32(s.part*(h[lanes+c]-h[c])) && facing > 0 {
				mask[c] |= s.bit
			}
		}
	}
}

func gatherGo(out *sums, c *corners, plus, minus []int32) {
	*out = sums{}
	for t, table := range c.tables {
		var acc sums
		for _, at := range plus {
			for i, v := range table.cells[at] {
				acc[i] += v
			}
		}
		for _, at := range minus {
			for i, v := range table.cells[at] {
				acc[i] -= v
			}
		}
		for i, v := range acc {
			out[i] += float32(c.weights[t] * v)
		}
	}
}
