// Package judge doubts climate whose values do not fit the DEM: those of another place, hemisphere, elevation or unit.
package judge

import (
	"fmt"
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/finding"
)

// Site is where a DEM lies and how high.
type Site struct {
	// Lon and Lat are the corners and some points of its edge, in order, degrees; NaN where the projection ends.
	Lon, Lat []float64
	// CentreLon and CentreLat are its middle.
	CentreLon, CentreLat float64
	// Elevations of its cells.
	Elevations Elevations
}

// Source is what the climate source states.
type Source struct {
	// Station is nil for rasters, whose values are taken where the DEM lies.
	Station *climate.Station
	// Derived says that the source has no vapour pressure, and that of saturation at tmin stands for it.
	Derived bool
	// OfDEM says that the reference elevation is the DEM's own.
	OfDEM bool
	// Dated says that the values are of single years, not of a mean year.
	Dated bool
	// Daily says that precipitation is given by day.
	Daily bool
}

// SourceOf returns what a source and its specification state.
func SourceOf(spec climate.Spec, s climate.Source) Source {
	out := Source{Daily: spec.Kind == climate.KindPixel, OfDEM: spec.Kind == climate.KindRaster && spec.Elevation == climate.ElevationDEM}
	if t, ok := s.(*climate.Table); ok {
		out.Station, out.Derived, out.Dated = &t.Station, t.VapourDerived(), len(t.Years()) > 0
	} else {
		out.Derived, out.Dated = spec.VapourDerived(), spec.Dated()
	}
	return out
}

// Year is the mean climate of one year over the DEM, at its reference elevation.
type Year struct {
	Year          int
	Elevation     float64     // m
	TMin, TMax    [12]float64 // degC
	Precipitation [12]float64 // mm
	Vapour        [12]float64 // Pa
}

// YearOf returns the mean over the cells that have climate; false if none has.
func YearOf(year int, m *climate.Monthly) (Year, bool) {
	y := Year{Year: year}
	n := 0
	for i, z := range m.ZRef {
		if math.IsNaN(z) {
			continue
		}
		n++
		y.Elevation += z
		for k := range 12 {
			y.TMin[k] += m.TMin[k][i]
			y.TMax[k] += m.TMax[k][i]
			y.Precipitation[k] += m.Prcp[k][i]
			y.Vapour[k] += m.VP[k][i]
		}
	}
	if n == 0 {
		return y, false
	}
	y.Elevation /= float64(n)
	for k := range 12 {
		y.TMin[k] /= float64(n)
		y.TMax[k] /= float64(n)
		y.Precipitation[k] /= float64(n)
		y.Vapour[k] /= float64(n)
	}
	return y, true
}

// Climate returns what is doubtful about a source from its years over the DEM: one finding for each code, that of the worst
// year.
func Climate(g Site, s Source, years []Year) finding.List {
	worst := map[finding.Code]finding.Finding{}
	var order []finding.Code
	add := func(year int, found ...finding.Finding) {
		for _, f := range found {
			old, known := worst[f.Code]
			if !known {
				order = append(order, f.Code)
			}
			if !known || grave(f) > grave(old) {
				if year != 0 && len(years) > 1 && f.Severity != finding.Note {
					f.Message = fmt.Sprintf("%s, in %d", f.Message, year)
				}
				worst[f.Code] = f
			}
		}
	}
	add(0, location(g, s)...)
	for i, y := range years {
		add(y.Year, hemisphere(g, y.mean())...)
		if i == 0 {
			add(0, extrapolation(g, s, y)...)
		}
		if found := temperature(g, y); found != nil {
			add(y.Year, found...)
			continue // the rest is judged by temperature
		}
		add(y.Year, vapour(s, y)...)
		add(y.Year, precipitation(g, s, y)...)
	}
	if len(years) > 0 && !slices.ContainsFunc(years, func(y Year) bool { return anyTrad(g, y) }) {
		add(0, noTrad(years))
	}
	var list finding.List
	for _, c := range order {
		list.Add(worst[c])
	}
	return list
}

func grave(f finding.Finding) int {
	return slices.Index([]finding.Severity{finding.Note, finding.Doubt, finding.Refusal}, f.Severity)
}

func doubt(code finding.Code, value, looks, next, format string, args ...any) finding.Finding {
	return finding.Finding{Code: code, Severity: finding.Doubt, Value: value, LooksLike: looks, Next: next, Message: fmt.Sprintf(format, args...)}
}

func refusal(code finding.Code, value, looks, next, format string, args ...any) finding.Finding {
	f := doubt(code, value, looks, next, format, args...)
	f.Severity = finding.Refusal
	return f
}

func note(code finding.Code, format string, args ...any) finding.Finding {
	return finding.Finding{Code: code, Severity: finding.Note, Message: fmt.Sprintf(format, args...)}
}

func (y Year) mean() [12]float64 {
	var out [12]float64
	for k := range out {
		out[k] = (y.TMin[k] + y.TMax[k]) / 2
	}
	return out
}

func mean(v [12]float64) float64 { return sum(v) / 12 }

func sum(v [12]float64) float64 {
	var s float64
	for _, x := range v {
		s += x
	}
	return s
}

func median(v [12]float64) float64 {
	s := slices.Clone(v[:])
	slices.Sort(s)
	return (s[5] + s[6]) / 2
}

// saturation in Pa over water at t degC.
func saturation(t float64) float64 { return 1000 * energy.SaturationPressure(t) }

// cycle returns half the range of the annual harmonic of a series, and the month of its crest, 0 for the middle of January.
func cycle(v [12]float64) (amplitude, crest float64) {
	var a, b float64
	for k, x := range v {
		s, c := math.Sincos(2 * math.Pi * float64(k) / 12)
		a += x * c / 6
		b += x * s / 6
	}
	crest = math.Atan2(b, a) / (2 * math.Pi) * 12
	if crest < 0 {
		crest += 12
	}
	return math.Hypot(a, b), crest
}
