package replica

import (
	"math"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/turbidity"
)

// Turbidity says what --linke-value climatology was.
type Turbidity struct {
	Source string `json:"source"`
	// Center is the turbidity of the twelve months at the centre of the DEM.
	Center [12]float64 `json:"center"`
	// Even says that all cells took that of the centre; else each has its own.
	Even bool `json:"even"`
}

// even is the difference of turbidity over a DEM, in any month, below which all its cells take that
// of the centre: a step of the grid. Half of it is worth some 0.1 % of a year's radiation, and cells
// of their own air take twice the time.
const even = 0.05

// TurbidityOf reads the climatology at the corners of the DEM, the middles of its sides and its centre. The result is the
// same for every tile.
func TurbidityOf(d *dem.DEM, plan *record.Plan) Turbidity {
	t := Turbidity{Source: turbidity.Source, Center: turbidity.At(plan.Longitude, plan.Latitude)}
	low, high := t.Center, t.Center
	at := d.Image.Transform
	for _, x := range []float64{0, 0.5, 1} {
		for _, y := range []float64{0, 0.5, 1} {
			lon, lat := d.CRS.Inverse(at.OriginX+at.StepX*x*float64(d.Image.Width), at.OriginY+at.StepY*y*float64(d.Image.Height))
			for m, v := range turbidity.At(lon, lat) {
				if v == v { // a corner may lie outside the map
					low[m], high[m] = math.Min(low[m], v), math.Max(high[m], v)
				}
			}
		}
	}
	t.Even = true
	for m := range low {
		t.Even = t.Even && high[m]-low[m] < even
	}
	return t
}
