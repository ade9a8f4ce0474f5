package crs

import (
	"math"
	"testing"
)

func TestProposal(t *testing.T) {
	for _, tt := range []struct {
		name     string
		lon, lat float64
		want     int
	}{
		{"Arizona", -110.9, 32.2, 32612},
		{"Switzerland", 7.6, 47, 32632},
		{"Chile", -70.1, -33.4, 32719},
		{"equator", 0, 0, 32631},
		{"west of the date line", 180, 10, 32660},
		{"east of the date line", -180, 10, 32601},
		{"0 to 360", 249.1, 32.2, 32612},
		{"Bergen", 5.3, 60.4, 32632},
		{"Svalbard", 15.6, 78.2, 32633},
		{"Svalbard, east", 33.5, 79, 32637},
		{"north pole", 20, 86, 5041},
		{"south pole", -120, -85, 5042},
		{"nowhere", math.NaN(), 10, 0},
		{"beyond the pole", 10, 91, 0},
	} {
		got := Proposal(tt.lon, tt.lat)
		if got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
			continue
		}
		if got == 0 {
			continue
		}
		if x, y := mustEPSG(t, got).Forward(tt.lon, tt.lat); math.IsNaN(x) || math.Abs(x) > 4e6 || math.Abs(y) > 1.1e7 {
			t.Errorf("%s: EPSG:%d places it at %v %v", tt.name, got, x, y)
		}
	}
}
