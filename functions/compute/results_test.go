package compute_test

import (
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/cost"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// ranges are mountains of waves of many lengths, with a relief in metres.
func ranges(side int, relief float64) *raster.Grid[float64] {
	g := raster.New[float64](side, side)
	for i := range g.Cells {
		x, y := float64(i%side), float64(i/side)
		z, share := 0.0, 0.5
		for k, length := 0.0, 180.0; k < 7; k, length, share = k+1, length/2.1, share/1.9 {
			sin, cos := math.Sincos(1.7 * k)
			z += share * math.Sin((x*cos+y*sin)/length*2*math.Pi+k) * math.Cos((y*cos-x*sin)/length*2*math.Pi)
		}
		g.Cells[i] = math.Round(100*(2300+relief*z)) / 100
	}
	return g
}

// The bytes of results that are foreseen, on mountains and on gentle terrain.
func TestResultsTakeWhatIsForeseen(t *testing.T) {
	if os.Getenv("EEMT_SLOW") == "" {
		t.Skip("whole jobs: set EEMT_SLOW=1")
	}
	const side = 320
	for _, terrain := range []struct {
		name   string
		relief float64
	}{{"mountains", 1200}, {"gentle", 40}} {
		for _, c := range []struct {
			name     string
			workflow param.Workflow
			change   func(p *param.Parameters)
		}{
			{"sol", param.Sol, func(*param.Parameters) {}},
			{"sol, years only", param.Sol, func(p *param.Parameters) { p.Maps = param.AnnualMaps }},
			{"sol, more layers", param.Sol, func(p *param.Parameters) {
				p.Layers = []param.Layer{param.Beam, param.Diffuse, param.Reflected, param.Horizon, param.SkyView}
			}},
			{"eemt", param.EEMT, func(*param.Parameters) {}},
			{"eemt, years only", param.EEMT, func(p *param.Parameters) { p.Maps = param.AnnualMaps }},
		} {
			t.Run(terrain.name+", "+c.name, func(t *testing.T) {
				p := quick(c.workflow)
				p.Step = 15
				c.change(&p)
				w := run(t, c.workflow, p, demtest.Encode(t, ranges(side, terrain.relief)), options{threads: 2})
				var bytes float64
				list := w.bucket.List(&blob.ListOptions{Prefix: job.ResultKey(jobID, "")})
				for {
					o, err := list.Next(t.Context())
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					if strings.HasSuffix(o.Key, ".tif") {
						bytes += float64(o.Size)
					}
				}
				foreseen := float64(cost.Cost{}.Estimate(c.workflow, p, side, side).Results)
				t.Logf("%.2f bytes a cell, %.2f foreseen", bytes/side/side, foreseen/side/side)
				if ratio := foreseen / bytes; ratio < 1/1.5 || ratio > 1.5 {
					t.Errorf("%.2f times what the results take is foreseen", ratio)
				}
			})
		}
	}
}
