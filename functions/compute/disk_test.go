package compute_test

import (
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/cost"

	"github.com/cyverse-gis/eemt/shared/param"
)

// TestDiskAgainstMeasurements compares what is foreseen with what the guide says was measured on 2048 x 2048 cells.
func TestDiskAgainstMeasurements(t *testing.T) {
	for _, c := range []struct {
		name     string
		w        param.Workflow
		maps     param.Maps
		measured float64 // bytes a cell, with a DEM of 4
	}{
		{"sol", param.Sol, param.AllMaps, 285},
		{"sol, years only", param.Sol, param.AnnualMaps, 67},
		{"eemt", param.EEMT, param.AllMaps, 619},
		{"eemt, years only", param.EEMT, param.AnnualMaps, 138},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := param.DefaultParameters()
			p.Maps = c.maps
			const side = 2048
			d := cost.Cost{}.Disk(c.w, p, side, side, 4*side*side)
			got := float64(d.Stored+d.Temp) / side / side
			if got < c.measured/1.25 || got > c.measured*1.25 {
				t.Errorf("%.0f bytes a cell foreseen, %.0f measured", got, c.measured)
			}
		})
	}
}
