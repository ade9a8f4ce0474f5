package crs

import (
	"math"
	"strings"

	"github.com/cyverse-gis/eemt/shared/crs/projection"
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
	if d.method == projection.None {
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
	case projection.TransverseMercator, projection.LambertConformal1SP, projection.LambertConformal2SP, projection.MercatorA, projection.MercatorB, projection.WebMercator,
		projection.Albers, projection.LambertAzimuthal, projection.PolarStereographicA, projection.PolarStereographicB:
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
	fe, fn := p.FE/unit, p.FN/unit
	natural := map[uint16]float64{
		keyNatOriginLong: p.Lon0, keyNatOriginLat: p.Lat0, keyScaleAtNatOrigin: p.K0,
		keyFalseEasting: fe, keyFalseNorthing: fn,
	}
	switch c.def.method {
	case projection.TransverseMercator:
		set(ctTransverseMercator, natural)
	case projection.LambertConformal1SP:
		set(ctLambertConformal1SP, natural)
	case projection.MercatorA:
		set(ctMercator, natural)
	case projection.WebMercator:
		k.Strings[keyProjectedCitation] = "Popular Visualisation Pseudo-Mercator"
		set(ctMercator, natural)
	case projection.MercatorB:
		set(ctMercator, map[uint16]float64{
			keyNatOriginLong: p.Lon0, keyStdParallel1: p.SP1, keyFalseEasting: fe, keyFalseNorthing: fn,
		})
	case projection.LambertConformal2SP:
		set(ctLambertConformal2SP, map[uint16]float64{
			keyFalseOriginLong: p.Lon0, keyFalseOriginLat: p.Lat0, keyStdParallel1: p.SP1, keyStdParallel2: p.SP2,
			keyFalseOriginE: fe, keyFalseOriginN: fn,
		})
	case projection.Albers:
		set(ctAlbers, map[uint16]float64{
			keyNatOriginLong: p.Lon0, keyNatOriginLat: p.Lat0, keyStdParallel1: p.SP1, keyStdParallel2: p.SP2,
			keyFalseEasting: fe, keyFalseNorthing: fn,
		})
	case projection.LambertAzimuthal:
		set(ctLambertAzimuthalEA, map[uint16]float64{
			keyCenterLong: p.Lon0, keyCenterLat: p.Lat0, keyFalseEasting: fe, keyFalseNorthing: fn,
		})
	case projection.PolarStereographicA, projection.PolarStereographicB:
		lat := p.Lat0
		if c.def.method == projection.PolarStereographicB {
			lat = p.SP1
		}
		set(ctPolarStereographic, map[uint16]float64{
			keyStraightVertLong: p.Lon0, keyNatOriginLat: lat, keyScaleAtNatOrigin: p.K0,
			keyFalseEasting: fe, keyFalseNorthing: fn,
		})
	}
}
