package clearsky_test

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/solar/clearsky"
)

// Noon in mid-June with the sun at 70 degrees, 2000 m above the sea, on flat ground and on a
// slope of 30 degrees that faces south.
func ExamplePlane() {
	const deg = math.Pi / 180
	sky := clearsky.NewSky(166, clearsky.Air{Linke: 3, Albedo: 0.2, KBeam: 1, KDiffuse: 1})
	noon := sky.Sample(math.Sin(70*deg), 180*deg, clearsky.Pressure(2000))
	for _, slope := range []float64{0, 30} {
		plane := clearsky.NewPlane(slope*deg, 180*deg)
		incidence := plane.Incidence(noon)
		beam, diffuse, reflected := plane.Irradiance(noon, incidence, incidence > 0, 0.2, true)
		fmt.Printf("slope %2.0f: beam %.0f, diffuse %.0f, reflected %.0f W m-2\n", slope, beam, diffuse, reflected)
	}
	// Output:
	// slope  0: beam 948, diffuse 105, reflected 0 W m-2
	// slope 30: beam 993, diffuse 111, reflected 14 W m-2
}
