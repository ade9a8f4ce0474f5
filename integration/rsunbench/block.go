//go:build unix

package main

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// wave is one of the sines that hills are made of: amplitude * sin(phase + x east + y south).
type wave struct{ amplitude, phase, x, y float64 }

// hills are of many sizes; their waves are products of two sines, written as sums.
func hills() (waves []wave) {
	for k, length := 0, 400.0; k < 6; k, length = k+1, length/2.3 {
		sin, cos := math.Sincos(float64(k) * 0.9)
		unit := 2 * math.Pi / length
		for _, side := range []float64{1, -1} {
			waves = append(waves, wave{0.175 * length, float64(k), unit * (cos - side*sin), unit * (sin + side*cos)})
		}
	}
	return waves
}

// fill computes a row of elevations from column first on, each sine from the one before.
func fill(waves []wave, row, first int, out []float64) {
	for i := range out {
		out[i] = 1800
	}
	for _, w := range waves {
		v, v0 := math.Sincos(w.phase + w.x*float64(first) + w.y*float64(row))
		sin, cos := math.Sincos(w.x)
		for i := range out {
			out[i] += w.amplitude * v
			v, v0 = v*cos+v0*sin, v0*cos-v*sin
		}
	}
	for i, z := range out {
		out[i] = float64(float32(z))
	}
}

// middle returns the block in the middle of hills of side x side cells as a tile of
// eemt sees it, without holding them all.
func middle(side int) (solar.Surface, error) {
	all := raster.Window{Width: side, Height: side}
	at := (side - block) / 2 / block * block
	w := raster.Window{Col: at, Row: at, Width: block, Height: block}
	around := w.Grow(halo).Intersect(all)
	z := raster.New[float64](around.Width, around.Height)
	waves := hills()
	rings := newRings(all)
	row := make([]float64, side)
	for r := range side {
		fill(waves, r, 0, row)
		if k := r - around.Row; k >= 0 && k < around.Height {
			copy(z.Row(k), row[around.Col:])
		}
		rings.add(row)
	}
	utm, err := crs.FromEPSG(32613)
	if err != nil {
		return solar.Surface{}, err
	}
	place := raster.Transform{OriginX: 400000 + 10*float64(around.Col), OriginY: 4000000 - 10*float64(around.Row), StepX: 10, StepY: -10}
	cell := utm.CellSizes(place, around.Width, around.Height)
	core := raster.Window{Col: w.Col - around.Col, Row: w.Row - around.Row, Width: block, Height: block}
	slope, aspect := terrain.SlopeAspectWindow(z, cell, core, terrain.EdgesReplicate)
	lon, lat := make([]float64, block*block), make([]float64, block*block)
	utm.LonLat(place, core, lon, lat)
	for i := range lat {
		lat[i] *= math.Pi / 180
	}
	return solar.Surface{
		DEM: z, Core: core, OriginCol: around.Col, OriginRow: around.Row, Slope: slope, Aspect: aspect, Cell: cell, Latitude: lat,
		Far: &horizon.Far{Block: w, Rings: rings.rings, DX: cell.DX[core.Row], DY: cell.DY[core.Row]},
	}, nil
}
