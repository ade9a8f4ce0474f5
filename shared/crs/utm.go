package crs

import "math"

// Proposal returns the EPSG code of the projected system on WGS84 that suits a position in degrees: the zone of UTM in
// its hemisphere (326xx, 327xx), beyond 84 degrees north and 80 degrees south the polar stereographic one (5041, 5042).
// It is 0 where there is no position, as with a system that cannot be inverted.
func Proposal(lon, lat float64) int {
	lon, lat = geographic(lon, lat)
	switch {
	case math.IsNaN(lon):
		return 0
	case lat > 84:
		return 5041
	case lat < -80:
		return 5042
	}
	zone := min(60, int((lon+180)/6)+1)
	switch {
	case lat >= 56 && lat < 64 && lon >= 3 && lon < 12: // southern Norway
		zone = 32
	case lat >= 72 && lon >= 0 && lon < 42: // Svalbard
		zone = 31 + 2*int((lon+3)/12)
	}
	if lat < 0 {
		return 32700 + zone
	}
	return 32600 + zone
}
