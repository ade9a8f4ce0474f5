package solar

import (
	"context"
	"slices"
)

// Census is what the fast engine's year does for a cell, on average: for
// comparison with what a machine can do.
type Census struct {
	Azimuths float64 // horizons found
	Suns     float64 // places of the sun tested against horizons
	Places   float64 // sums of tables added
	Bytes    float64 // to and from memory, when nothing is moved twice
	Flops    float64 // single precision additions, products, divisions, comparisons
}

// TakeCensus counts the work of Fast's Year, for the cells of a surface without layers.
func TakeCensus(ctx context.Context, s Surface, p Parameters, threads int) (Census, error) {
	if err := check(&s, &p, nil); err != nil {
		return Census{}, err
	}
	f, err := newField(ctx, &s, &p, threads)
	if err != nil || !f.haveCells {
		return Census{}, err
	}
	var sky *skyline
	if p.Shadows {
		if sky, err = newSkyline(ctx, f.terrain, &s, s.Core, f.active, threads, nil); err != nil {
			return Census{}, err
		}
	}
	var (
		w                   worker
		cells, suns, places float64
	)
	for _, c := range f.chunks(0, s.Core.Height) {
		w.enter(f, c.key)
		for block := range slices.Chunk(c.cells, lanes) {
			w.findLit(block, sky, 0)
			suns += float64(len(block)) * float64(w.block.tested(w.path))
			for k := range block {
				cells++
				f.layout.changes(&w.block, k, w.path, &w.changes)
				for m := range 12 {
					places += float64(len(w.changes.plus[m]) + len(w.changes.minus[m]))
				}
			}
		}
	}
	out := Census{Azimuths: float64(len(f.active)), Suns: suns / cells, Places: places / cells}
	// Of a sweep over smooth ground: three corners of a hull a cell, one of them new;
	// the surface near it, 24 places of seven operations and four of fourteen; two lines.
	const corner, near, lines, pack, unpack, test, energy = 3 * 8, 24*7 + 4*14, 10, 3, 11, 12, 12 * 60
	out.Flops = out.Azimuths*(corner+near+lines+pack+unpack) + out.Suns*test + out.Places*4*terms + energy
	// A sweep reads elevations, and how rough the ground is, and writes codes, which are read again; a year
	// reads five numbers of a cell twice, and writes 36 grids. What is written is
	// read before.
	out.Bytes = out.Azimuths*(4+1+2*2+2) + 5*2*8 + 36*2*4
	return out, nil
}

// tested counts the places of the sun that light compares with horizons.
func (b *block) tested(p *path) (n int) {
	before, after := b.peaks()
	for q := range p.rise {
		for k := int(p.rise[q]); k < int(p.set[q]); k++ {
			tan := p.suns[q*p.slots.N+k].tan
			if k < p.slots.Middle && !(tan > before) || k >= p.slots.Middle && !(tan > after) {
				n++
			}
		}
	}
	return n
}
