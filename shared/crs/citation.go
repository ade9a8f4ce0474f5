package crs

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/crs/internal/epsg"
	"github.com/cyverse-gis/eemt/shared/finding"
)

// stateWith is the remedy for a system which a file only hints at.
const stateWith = "state the system with: --dem-crs EPSG:CODE"

// text returns the well-known text which a citation holds, empty when none does.
func (k geoKeys) text() string {
	for _, key := range []uint16{keyProjectedCitation, keyCitation, keyGeodeticCitation} {
		s := k.Strings[key]
		if _, after, ok := strings.Cut(s, peString); ok {
			return strings.TrimRight(after, "|\x00 ")
		}
		for _, start := range []string{"COMPD_CS[", "PROJCS[", "GEOGCS["} {
			if i := strings.Index(s, start); i >= 0 {
				return strings.TrimRight(s[i:], "|\x00 ")
			}
		}
	}
	return ""
}

// hintsAtMap reports whether the keys speak of a map in metres or feet, though none of them states a projection.
func (k geoKeys) hintsAtMap() bool {
	_, hasSize := k.double(keyLinearUnitSize)
	if k.code(keyProjectedCRS) != 0 || k.code(keyProjection) != 0 || k.code(keyLinearUnits) != 0 || hasSize || k.Strings[keyProjectedCitation] != "" {
		return true
	}
	s := strings.ToLower(k.Strings[keyCitation])
	for _, word := range []string{"projection", "projected", "pcs name", "utm zone", "state plane", "stateplane", "units = ", "projcs", "transverse"} {
		if strings.Contains(s, word) && !strings.Contains(s, "geographic") {
			return true
		}
	}
	return false
}

// citedUnits are names of linear units in citations of GDAL before 2010 and of ERDAS IMAGINE. Both call the survey foot
// of the United States a foot.
var citedUnits = map[string]float64{
	"meters": 1, "meter": 1, "m": 1, "kilometers": 1000, "kilometer": 1000, "km": 1000,
	"us_survey_feet": 1200. / 3937, "us_survey_foot": 1200. / 3937, "feet": 1200. / 3937, "foot": 1200. / 3937, "ft": 1200. / 3937,
	"international_feet": 0.3048, "international_foot": 0.3048, "clarke_feet": 0.3047972651, "clarke_foot": 0.3047972651,
	"indian_feet": 0.3047995142, "indian_foot": 0.3047995142, "yards": 0.9144, "yard": 0.9144, "yd": 0.9144,
	"centimeters": 0.01, "centimeter": 0.01, "cm": 0.01, "millimeters": 0.001, "millimeter": 0.001, "mm": 0.001,
}

var (
	unitWord  = regexp.MustCompile(`(?:LUnits|(?:^|[^A-Za-z ])Units) = ([^|\n\r]*)`)
	utmZone   = regexp.MustCompile(`(?i)UTM[ _]Zone[ _](\d{1,2})([NS])`)
	planeZone = regexp.MustCompile(`State Plane Zone (-?\d{3,4})`)
	planeName = regexp.MustCompile(`NAD_?(1983|1927)(_HARN)?_StatePlane_\w*FIPS_(\d{4})(_Feet_Intl|_Feet)?`)
	datumWord = regexp.MustCompile(`Datum = ([^|\n\r(]*)`)
)

// citedUnit returns the linear unit which the citation of a user-defined map names, 0 when it names none.
func (k geoKeys) citedUnit() (metres float64, name string, err error) {
	var m []string
	for _, key := range []uint16{keyProjectedCitation, keyCitation} {
		s, _, _ := strings.Cut(k.Strings[key], peString)
		if m = unitWord.FindStringSubmatch(s); m != nil {
			break
		}
	}
	if m == nil {
		return 0, "", nil
	}
	name = strings.TrimSpace(m[1])
	metres, ok := citedUnits[strings.ToLower(name)]
	if !ok {
		if size, has := k.double(keyLinearUnitSize); has && size >= 1e-3 && size <= 1e5 {
			return size, name, nil
		}
		return 0, name, fmt.Errorf("linear unit %q of the citation is not known; %s", clip(name), stateWith)
	}
	return metres, name, nil
}

// cited reads a map which only the words of a citation describe: a zone of UTM or of a state plane.
func (k geoKeys) cited() (*CRS, error) {
	s := k.Strings[keyProjectedCitation] + "\n" + k.Strings[keyCitation] + "\n" + k.Strings[keyGeodeticCitation]
	switch k.code(keyProjMethod) {
	case 0, userDefined, ctTransverseMercator, ctLambertConformal2SP, ctLambertConformal1SP, 3:
	default:
		return nil, fmt.Errorf("the words of the file (%s) do not go with its projection; %s", clip(strings.TrimSpace(lastLines(s))), stateWith)
	}
	unit, name, _, err := k.linearUnit()
	if err != nil {
		return nil, err
	}
	d := definition{unit: unit}
	switch {
	case planeName.MatchString(s):
		m := planeName.FindStringSubmatch(s)
		switch m[4] {
		case "_Feet_Intl":
			d.unit, name = 0.3048, "foot"
		case "_Feet":
			d.unit, name = 1200./3937, "US survey foot"
		}
		err = d.statePlane(atoi(m[3]), m[1] == "1927", m[2] != "")
	case planeZone.MatchString(s) && d.unit != 1 && math.Abs(d.unit-1200./3937) > 1e-9:
		err = fmt.Errorf("a state plane in units of %s; %s", name, stateWith)
	case planeZone.MatchString(s):
		is27 := strings.Contains(s, "NAD27") || strings.Contains(s, "NAD = 27")
		is83 := strings.Contains(s, "NAD83") || strings.Contains(s, "NAD = 83")
		err = d.statePlane(int(math.Abs(float64(atoi(planeZone.FindStringSubmatch(s)[1])))), is27, !is27 && !is83)
	case utmZone.MatchString(s):
		err = k.utm(&d, s)
	default:
		err = fmt.Errorf("the coordinate system is stated only in words (%s); %s", clip(strings.TrimSpace(lastLines(s))), stateWith)
	}
	if err != nil {
		return nil, err
	}
	return build(d, finding.Finding{
		Code: finding.DEMCRS, Severity: finding.Note,
		Message: fmt.Sprintf("the coordinate system is read from the words of the file as %s, coordinates in units of %s", d.name, name),
	})
}

// lastLines leaves out what ERDAS IMAGINE says of itself before it names the system.
func lastLines(s string) string {
	if i := strings.LastIndexByte(s, '$'); i >= 0 && strings.TrimSpace(s[i+1:]) != "" {
		return s[i+1:]
	}
	return s
}

// statePlane is a zone of the State Plane Coordinate System by its FIPS number, whose conversion the EPSG dataset
// numbers after it.
func (d *definition) statePlane(zone int, is27, harn bool) (err error) {
	code := 4269 // NAD83
	switch {
	case is27:
		code = 4267
	case harn:
		code = 4152
	}
	if d.base, err = geodetic(code); err != nil {
		return err
	}
	conversion := 10000 + zone
	if !is27 {
		conversion += 30
	}
	if c, ok := epsg.Lookup(epsg.Conversion, conversion); !ok || zone < 101 || zone > 5400 || !strings.HasPrefix(c[1], "SPCS") {
		return fmt.Errorf("state plane zone %d is not in %s; %s", zone, epsg.Dataset(), stateWith)
	}
	return d.convert(conversion)
}

// utm is a zone of UTM on the datum which the keys or the words name.
func (k geoKeys) utm(d *definition, s string) error {
	m := utmZone.FindStringSubmatch(s)
	zone, _ := strconv.Atoi(m[1])
	if zone < 1 || zone > 60 {
		return fmt.Errorf("UTM zone %d: must be 1 to 60; %s", zone, stateWith)
	}
	b, err := k.base()
	if err != nil {
		var name string
		if w := datumWord.FindStringSubmatch(s); w != nil {
			name = strings.TrimSpace(w[1])
		}
		code := geodeticByName()[plainName(name)]
		if code == 0 {
			return fmt.Errorf("the coordinate system is stated only in words (%s), without a datum which is known; %s", clip(m[0]), stateWith)
		}
		if b, err = geodetic(code); err != nil {
			return err
		}
	}
	d.base = b
	conversion := 16000 + zone
	if strings.EqualFold(m[2], "S") {
		conversion += 100
	}
	return d.convert(conversion)
}
