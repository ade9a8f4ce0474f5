// Package projection maps positions on an ellipsoid to a plane, by the methods of the EPSG dataset.
package projection

import (
	"fmt"
	"math"
)

const rad = math.Pi / 180

// Projection maps radians, longitude relative to the central meridian, to metres without false origin. Results outside
// the domain are NaN. It is safe for use by many goroutines.
type Projection interface {
	// Forward returns the position on the plane.
	Forward(lam, phi float64) (x, y float64)
	// Inverse returns the position on the ellipsoid.
	Inverse(x, y float64) (lam, phi float64)
}

// Cylindrical is a projection whose point scale depends on the latitude alone.
type Cylindrical interface {
	Projection
	// Scale returns the point scale along the parallel and along the meridian.
	Scale(phi float64) (east, north float64)
}

// ownConvergence is a projection whose formulas state the convergence.
type ownConvergence interface {
	Convergence(lam, phi float64) float64
}

// Convergence returns the function that gives the direction of grid north in radians clockwise from true north. Where the
// projection is not conformal that is the angle at which the meridian meets grid north. It is by the projection's own formula,
// or else by the difference of two positions.
func Convergence(p Projection) func(lam, phi float64) float64 {
	if own, ok := p.(ownConvergence); ok {
		return own.Convergence
	}
	return func(lam, phi float64) float64 { return meridianTurn(p.Forward, lam, phi) }
}

// Method is the EPSG code of a map projection method; those without a code are negative.
type Method int

// The methods. None is that of a geographic system, which has no projection.
const (
	None                   Method = 0
	WebMercator            Method = 1024
	LambertMichigan        Method = 1051
	ColombiaUrban          Method = 1052
	EqualEarth             Method = 1078
	EquidistantConic       Method = 1119
	LambertConformal1SP    Method = 9801
	LambertConformal2SP    Method = 9802
	MercatorA              Method = 9804
	MercatorB              Method = 9805
	Cassini                Method = 9806
	TransverseMercator     Method = 9807
	ObliqueStereographic   Method = 9809
	PolarStereographicA    Method = 9810
	NewZealandMapGrid      Method = 9811
	HotineA                Method = 9812
	Laborde                Method = 9813
	HotineB                Method = 9815
	NearConformal          Method = 9817
	Polyconic              Method = 9818
	Krovak                 Method = 9819
	LambertAzimuthal       Method = 9820
	Albers                 Method = 9822
	EquidistantCylindrical Method = 9823
	Bonne                  Method = 9827
	PolarStereographicB    Method = 9829
	PolarStereographicC    Method = 9830
	Guam                   Method = 9831
	CassiniHyperbolic      Method = 9833
	EqualAreaCylindrical   Method = 9835
	Mollweide              Method = -1
	Sinusoidal             Method = -2
	Stereographic          Method = -3
)

// Parameters of a projection. A method uses some of them.
type Parameters struct {
	Lat0, Lon0 float64 // origin, degrees; Lon0 is the central meridian, from the prime meridian of the system
	SP1, SP2   float64 // standard parallels, degrees
	K0         float64 // scale factor at the origin
	FE, FN     float64 // false easting and northing, metres
	Azimuth    float64 // of the initial line, or the co-latitude of the cone's axis, degrees
	Rectified  float64 // angle from the rectified to the skew grid, degrees
	Height     float64 // of the plane of projection, metres
}

// Supported reports whether New knows a method.
func Supported(m Method) bool { return methods[m].make != nil }

// New makes a projection by a supported method. It leaves the central meridian, the false easting and the false northing to
// the caller. Parameters for which the formulas have no meaning are an error that names the parameter and its range.
func New(m Method, el Ellipsoid, p Parameters) (Projection, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if check := methods[m].check; check != nil {
		if err := check(p); err != nil {
			return nil, err
		}
	}
	for _, angle := range []*float64{&p.Lat0, &p.SP1, &p.SP2, &p.Azimuth, &p.Rectified} {
		*angle *= rad
	}
	return methods[m].make(el, p), nil
}

// ProbeLatitude returns a latitude in degrees that every sound set of parameters of a method maps.
func ProbeLatitude(m Method, p Parameters) float64 {
	if probe := methods[m].probe; probe != nil {
		return probe(p)
	}
	return p.Lat0
}

// check refuses values that no method takes.
func (p Parameters) check() error {
	for _, v := range []struct {
		what string
		v    float64
		lim  float64
	}{
		{"latitude of origin", p.Lat0, 90},
		{"longitude of origin", p.Lon0, 360},
		{"first standard parallel", p.SP1, 90},
		{"second standard parallel", p.SP2, 90},
		{"azimuth", p.Azimuth, 360},
		{"rectified grid angle", p.Rectified, 360},
		{"height", p.Height, 1e4},
		{"false easting", p.FE, 1e9},
		{"false northing", p.FN, 1e9},
	} {
		if !(math.Abs(v.v) <= v.lim) {
			return fmt.Errorf("%s %g: must be -%g to %g", v.what, v.v, v.lim, v.lim)
		}
	}
	if !(p.K0 >= 0.1 && p.K0 <= 10) {
		return fmt.Errorf("scale factor %g: must be 0.1 to 10", p.K0)
	}
	return nil
}
