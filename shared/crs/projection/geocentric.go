package projection

import "math"

// Geocentric returns the Cartesian coordinates in metres of a longitude and latitude in degrees at height 0 (EPSG method
// 9602).
func (el *Ellipsoid) Geocentric(lon, lat float64) (x, y, z float64) {
	sl, cl := math.Sincos(lon * rad)
	sp, cp := math.Sincos(lat * rad)
	prime := el.a / math.Sqrt(1-el.e2*sp*sp)
	return prime * cp * cl, prime * cp * sl, prime * (1 - el.e2) * sp
}

// Geodetic returns the longitude and latitude in degrees of Cartesian coordinates in metres (Bowring 1985). Up to heights
// of some hundred metres the error is below a micrometre. On the axis of the Earth the longitude is 0.
func (el *Ellipsoid) Geodetic(x, y, z float64) (lon, lat float64) {
	r := math.Hypot(x, y)
	if r == 0 {
		return 0, math.Copysign(90, z)
	}
	b := el.a * (1 - el.f)
	t := z * el.a / (r * b)
	c := 1 / math.Sqrt(1+t*t)
	sn := t * c
	phi := math.Atan2(z+el.e2/(1-el.e2)*b*sn*sn*sn, r-el.e2*el.a*c*c*c)
	return math.Atan2(y, x) / rad, phi / rad
}
