package crs

import (
	"errors"
	"fmt"

	"github.com/cyverse-gis/eemt/shared/crs/internal/epsg"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// ErrVerticalUnit is what errors of VerticalMetres are that a stated unit settles. ErrDepth is what those are of systems
// that count depths.
var (
	ErrVerticalUnit = errors.New("the vertical unit is not known")
	ErrDepth        = errors.New("depths in place of heights")
)

// verticalError is an error of one sentence that is one of the kinds above.
type verticalError struct {
	text string
	kind error
}

func (e *verticalError) Error() string { return e.text }
func (e *verticalError) Unwrap() error { return e.kind }

// VerticalMetres returns the length in metres of the unit of elevations, and
// whether the keys state it: by VerticalUnitsGeoKey, by a vertical EPSG code or
// by a compound or three-dimensional one. The default is 1. Depths, and units
// which are not lengths, are refused.
func VerticalMetres(keys raster.GeoKeys) (factor float64, stated bool, err error) {
	k := geoKeys(keys)
	unit, depth, err := k.vertical()
	if err != nil {
		return 0, false, err
	}
	if depth != "" {
		return 0, false, &verticalError{fmt.Sprintf("vertical coordinate system %s counts depths, not heights", depth), ErrDepth}
	}
	switch code := k.code(keyVerticalUnits); code {
	case 0:
	case userDefined:
		return 0, false, &verticalError{"the vertical unit is user defined", ErrVerticalUnit}
	default:
		if factor, _, err = linearUnit(code); err != nil {
			return 0, false, &verticalError{fmt.Sprintf("VerticalUnitsGeoKey %d: is not a length", code), ErrVerticalUnit}
		}
		return factor, true, nil
	}
	if unit == 0 {
		return 1, false, nil
	}
	return unit, true, nil
}

// Compound reports whether the keys state a vertical coordinate system beside the
// horizontal one.
func Compound(keys raster.GeoKeys) bool {
	k := geoKeys(keys)
	if code := k.code(keyVerticalCRS); code != 0 {
		if _, ok := epsg.Lookup(epsg.Vertical, code); ok || code == userDefined {
			return true
		}
	}
	for _, key := range []uint16{keyProjectedCRS, keyGeodeticCRS} {
		if code, ok := k.epsg(key); ok {
			if _, ok := epsg.Lookup(epsg.Compound, code); ok {
				return true
			}
		}
	}
	return k.code(keyVerticalUnits) != 0
}

// vertical returns the unit of the vertical system which a code states, 0 when
// none does, and the name of the system if it counts depths.
func (k geoKeys) vertical() (metres float64, depth string, err error) {
	code, ok := k.epsg(keyVerticalCRS)
	if !ok {
		code, ok = k.epsg(keyProjectedCRS)
		if !ok {
			code, ok = k.epsg(keyGeodeticCRS)
		}
		if !ok {
			return 0, "", nil
		}
		c, compound := epsg.Lookup(epsg.Compound, code)
		if !compound {
			return ellipsoidal(code), "", nil
		}
		code = atoi(c[3])
	}
	v, found := epsg.Lookup(epsg.Vertical, code)
	switch {
	case !found && ellipsoidal(code) != 0:
		return 1, "", nil
	case !found && (code >= 5001 && code <= 5033 || code >= 5101 && code <= 5106):
		// GeoTIFF 1.0 numbered heights above ellipsoids so, and above sea level.
		return 0, "", nil
	case !found:
		return 0, "", fmt.Errorf("VerticalGeoKey %d: no such vertical coordinate system in %s", code, epsg.Dataset())
	case v[3] == "1":
		return 0, v[1], nil
	}
	metres, _, err = linearUnit(atoi(v[2]))
	return metres, "", err
}

// ellipsoidal returns the metre of a three-dimensional geographic system, else 0.
func ellipsoidal(code int) float64 {
	if g, ok := epsg.Lookup(epsg.Geodetic, code); ok && g[4] == "3" {
		return 1
	}
	return 0
}
