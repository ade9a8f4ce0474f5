package crs

import (
	"math"
	"strings"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// GeoKeys returns the keys which state this system in a GeoTIFF, for a raster
// whose cells are areas.
func (c *CRS) GeoKeys() raster.GeoKeys {
	d := &c.def
	k := raster.GeoKeys{
		Shorts:  map[uint16]uint16{keyModelType: 1, keyRasterType: 1, keyAngularUnits: 9102},
		Doubles: map[uint16][]float64{},
		Strings: map[uint16]string{keyCitation: d.name},
	}
	if d.method == methodNone {
		k.Shorts[keyModelType] = 2
		c.writeBase(k)
		return k
	}
	// A key holds 16 bits; EPSG:900913 does not fit.
	if d.epsg > 0 && d.epsg <= math.MaxUint16 {
		k.Shorts[keyProjectedCRS] = uint16(d.epsg)
		delete(k.Shorts, keyAngularUnits)
		return k
	}
	c.writeBase(k)
	if !keyed(d) {
		// GDAL and Esri's programs read this; no key states the method.
		k.Shorts[keyProjectedCRS] = userDefined
		k.Strings[keyProjectedCitation] = peString + d.wkt()
		return k
	}
	k.Shorts[keyProjectedCRS] = userDefined
	k.Shorts[keyProjection] = userDefined
	switch d.unit {
	case 1:
		k.Shorts[keyLinearUnits] = 9001
	case 0.3048:
		k.Shorts[keyLinearUnits] = 9002
	case 1000:
		k.Shorts[keyLinearUnits] = 9036
	default:
		k.Shorts[keyLinearUnits] = userDefined
		k.Doubles[keyLinearUnitSize] = []float64{d.unit}
	}
	c.writeProjection(k)
	return k
}

// keyed reports whether keys alone state a projection.
func keyed(d *definition) bool {
	if d.axes != eastNorth {
		return false
	}
	switch d.method {
	case methodTransverseMercator, methodLambertConformal1SP, methodLambertConformal2SP, methodMercatorA, methodMercatorB, methodWebMercator,
		methodAlbers, methodLambertAzimuthal, methodPolarStereographicA, methodPolarStereographicB:
		return true
	}
	return false
}

func (c *CRS) writeBase(k raster.GeoKeys) {
	b := c.def.base
	if b.code > 0 && b.relation != stated && degreesOnly(b.code) == nil {
		k.Shorts[keyGeodeticCRS] = uint16(b.code)
		return
	}
	k.Shorts[keyGeodeticCRS] = userDefined
	k.Shorts[keyGeodeticDatum] = userDefined
	if b.datumCode > 0 && b.datumCode < userDefined {
		k.Shorts[keyGeodeticDatum] = uint16(b.datumCode)
	}
	if b.pm != 0 {
		k.Shorts[keyPrimeMeridian] = userDefined
		k.Doubles[keyPrimeMeridianLong] = []float64{b.pm}
	}
	if b.relation == stated {
		var v []float64
		for _, f := range strings.Fields(b.steps) {
			v = append(v, atof(f))
		}
		k.Doubles[keyToWGS84] = v
	}
	k.Shorts[keyEllipsoid] = userDefined
	k.Strings[keyGeodeticCitation] = b.name
	k.Doubles[keySemiMajorAxis] = []float64{b.a}
	if b.invf == 0 {
		k.Doubles[keySemiMinorAxis] = []float64{b.a}
	} else {
		k.Doubles[keyInvFlattening] = []float64{b.invf}
	}
}

func (c *CRS) writeProjection(k raster.GeoKeys) {
	p, unit := c.def.par, c.def.unit
	set := func(ct uint16, values map[uint16]float64) {
		k.Shorts[keyProjMethod] = ct
		for key, v := range values {
			k.Doubles[key] = []float64{v}
		}
	}
	fe, fn := p.fe/unit, p.fn/unit
	natural := map[uint16]float64{
		keyNatOriginLong: p.lon0, keyNatOriginLat: p.lat0, keyScaleAtNatOrigin: p.k0,
		keyFalseEasting: fe, keyFalseNorthing: fn,
	}
	switch c.def.method {
	case methodTransverseMercator:
		set(ctTransverseMercator, natural)
	case methodLambertConformal1SP:
		set(ctLambertConformal1SP, natural)
	case methodMercatorA:
		set(ctMercator, natural)
	case methodWebMercator:
		k.Strings[keyProjectedCitation] = "Popular Visualisation Pseudo-Mercator"
		set(ctMercator, natural)
	case methodMercatorB:
		set(ctMercator, map[uint16]float64{
			keyNatOriginLong: p.lon0, keyStdParallel1: p.sp1, keyFalseEasting: fe, keyFalseNorthing: fn,
		})
	case methodLambertConformal2SP:
		set(ctLambertConformal2SP, map[uint16]float64{
			keyFalseOriginLong: p.lon0, keyFalseOriginLat: p.lat0, keyStdParallel1: p.sp1, keyStdParallel2: p.sp2,
			keyFalseOriginE: fe, keyFalseOriginN: fn,
		})
	case methodAlbers:
		set(ctAlbers, map[uint16]float64{
			keyNatOriginLong: p.lon0, keyNatOriginLat: p.lat0, keyStdParallel1: p.sp1, keyStdParallel2: p.sp2,
			keyFalseEasting: fe, keyFalseNorthing: fn,
		})
	case methodLambertAzimuthal:
		set(ctLambertAzimuthalEA, map[uint16]float64{
			keyCenterLong: p.lon0, keyCenterLat: p.lat0, keyFalseEasting: fe, keyFalseNorthing: fn,
		})
	case methodPolarStereographicA, methodPolarStereographicB:
		lat := p.lat0
		if c.def.method == methodPolarStereographicB {
			lat = p.sp1
		}
		set(ctPolarStereographic, map[uint16]float64{
			keyStraightVertLong: p.lon0, keyNatOriginLat: lat, keyScaleAtNatOrigin: p.k0,
			keyFalseEasting: fe, keyFalseNorthing: fn,
		})
	}
}
