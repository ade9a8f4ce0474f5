package climate

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/climate/units"
)

// maxPixel bounds the size of a single-pixel file in bytes: some 150 years of days.
const maxPixel = 8 << 20

// maxPrcpDay is Daymet's limit for one day, mm.
const maxPrcpDay = 544

// maxMissing is the share of a month's days that may be missing.
const maxMissing = 0.1

// readPixel is ReadPixel of values in other units.
func readPixel(r io.Reader, u units.Set) (*Table, error) {
	p := pixelParser{
		units:   u,
		station: Station{Source: "Daymet single pixel", Elevation: math.NaN(), Lat: math.NaN(), Lon: math.NaN()},
		days:    map[int]*[366]*pixelDay{},
		sun:     map[int]*[366]float64{},
	}
	if err := eachLine(r, maxPixel, "not a file of Daymet's single-pixel service", p.line); err != nil {
		return nil, err
	}
	return p.table()
}

// pixelDay is a day of the file, at first in the file's units.
type pixelDay struct {
	line   int
	values [len(variables)]float64 // NaN: missing
}

type pixelParser struct {
	units   units.Set
	station Station
	columns []string                // names without units; nil before the header
	days    map[int]*[366]*pixelDay // by year and yday-1; nil: no line
	sun     map[int]*[366]float64   // MJ m-2 of each day by year, 0 in the polar night; NaN where it is not known, nil without the columns
}

func (p *pixelParser) line(n int, text string) error {
	switch {
	case text == "":
		return nil
	case p.columns != nil:
		return p.day(n, strings.Split(text, ","))
	case strings.HasPrefix(text, "year,"):
		return p.header(strings.Split(text, ","))
	}
	return p.preamble(text)
}

// preamble takes "Latitude: 36.01  Longitude: -84.26" and "Elevation: 279 meters".
func (p *pixelParser) preamble(text string) error {
	words := strings.Fields(text)
	for i, word := range words[:len(words)-1] {
		var err error
		switch strings.ToLower(word) {
		case "latitude:":
			p.station.Lat, err = inRange(words[i+1], -90, 90, "degrees")
		case "longitude:":
			p.station.Lon, err = inRange(words[i+1], -360, 360, "degrees")
		case "elevation:":
			p.station.Elevation, err = inRange(words[i+1], minElevation, maxElevation, "m")
		}
		if err != nil {
			return fmt.Errorf(", %s %w", strings.ToLower(word), err)
		}
	}
	return nil
}

func (p *pixelParser) header(fields []string) error {
	for i, f := range fields {
		var stated string
		fields[i], stated, _ = strings.Cut(strings.TrimSpace(f), " ")
		stated = strings.Trim(stated, "() ")
		v := slices.IndexFunc(variables[:], func(v variable) bool { return v.name == fields[i] })
		if v < 0 || v == prcp && units.Stated(stated) == units.PerDay {
			continue
		}
		if err := contradicted(v, stated, p.units); err != nil {
			return at(", column ", err)
		}
	}
	for _, f := range []string{"year", "yday", "prcp", "tmin", "tmax", "vp"} {
		if !slices.Contains(fields, f) {
			return fmt.Errorf(": column %s is missing: ask the service for prcp, tmin, tmax and vp", f)
		}
	}
	p.columns = fields
	return nil
}

func (p *pixelParser) day(n int, fields []string) error {
	if len(fields) != len(p.columns) {
		return fmt.Errorf(": %d values: must be %d", len(fields), len(p.columns))
	}
	var year, yday float64
	srad, dayl := math.NaN(), math.NaN()
	var values [len(variables)]float64
	for i, column := range p.columns {
		field := strings.TrimSpace(fields[i])
		v := slices.IndexFunc(variables[:], func(v variable) bool { return v.name == column })
		var err error
		switch {
		case column == "year":
			year, err = inRange(field, 1, 9999, "years")
		case column == "yday":
			yday, err = inRange(field, 1, 365, "days")
		case column == "srad" && !missing(field):
			srad, err = inRange(field, 0, 1500, "W m-2")
		case column == "dayl" && !missing(field):
			dayl, err = inRange(field, 0, 86400, "s")
		case v < 0:
		default:
			values[v], err = finiteOrMissing(field)
		}
		if err != nil {
			return fmt.Errorf(", column %s: %w", column, err)
		}
	}
	if year != math.Trunc(year) || yday != math.Trunc(yday) {
		return fmt.Errorf(": year %s, yday %s: must be whole numbers", number(year), number(yday))
	}
	return p.add(int(year), int(yday), &pixelDay{n, values}, srad*dayl/1e6)
}

// add adds a day, counted from 1, with its radiation in MJ m-2, NaN where it is not known.
func (p *pixelParser) add(year, yday int, day *pixelDay, radiation float64) error {
	days := p.days[year]
	if days == nil {
		days = new([366]*pixelDay)
		p.days[year] = days
	}
	if days[yday-1] != nil {
		return fmt.Errorf(": day %d of %d appears twice", yday, year)
	}
	days[yday-1] = day
	if math.IsNaN(radiation) {
		return nil
	}
	if p.sun[year] == nil {
		p.sun[year] = new([366]float64)
		fill(p.sun[year][:], math.NaN())
	}
	p.sun[year][yday-1] = radiation
	return nil
}

// finiteOrMissing reads a finite number, NaN where the value is missing.
func finiteOrMissing(field string) (float64, error) {
	if missing(field) {
		return math.NaN(), nil
	}
	v, err := inRange(field, -math.MaxFloat64, math.MaxFloat64, "")
	if err != nil {
		return 0, fmt.Errorf("%.40q: must be a number", field)
	}
	return v, nil
}

func missing(field string) bool { return field == "" || strings.HasPrefix(field, "-9999") }

func (p *pixelParser) table() (*Table, error) {
	if p.columns == nil {
		return nil, errors.New("no line that begins with \"year,yday\": not a file of Daymet's single-pixel service")
	}
	t := &Table{Station: p.station, values: map[int]*[len(variables)][Months]float64{}, incomplete: map[int]string{}, radiation: map[int][Months]float64{}}
	if err := p.convert(); err != nil {
		return nil, err
	}
	t.derived = p.units.Vapour == units.SaturatedTMin
	for year, days := range p.days {
		months, reason := monthsOfDays(year, days)
		if reason != "" {
			t.incomplete[year] = reason
			continue
		}
		if sun := p.sun[year]; sun != nil {
			t.radiation[year] = meanRadiation(year, sun)
		}
		t.values[year] = months
		t.years = append(t.years, year)
	}
	slices.Sort(t.years)
	if len(t.years) == 0 {
		return nil, errors.New("no year with days in all 12 months")
	}
	t.Period = strconv.Itoa(t.years[0]) + "-" + strconv.Itoa(t.years[len(t.years)-1])
	return t, nil
}

// convert turns all days into degC, mm per day and Pa, and refuses what the earth does not have.
func (p *pixelParser) convert() error {
	var first error
	line := math.MaxInt
	for _, days := range p.days {
		for _, day := range days {
			if day == nil {
				continue
			}
			raw := day.values
			day.values = convert(p.units, raw, 1)
			if day.line < line {
				if err := p.check(day, raw); err != nil {
					first, line = at(fmt.Sprintf("line %d", day.line), err), day.line
				}
			}
		}
	}
	return first
}

func (p *pixelParser) check(day *pixelDay, raw [len(variables)]float64) error {
	for v, x := range day.values {
		limit := variables[v]
		if v == prcp {
			limit.max, limit.unit = maxPrcpDay, "mm per day"
		}
		if math.IsNaN(x) || x >= limit.min && x <= limit.max {
			continue
		}
		looks := units.Unit("")
		if v == tmin || v == tmax {
			looks = p.temperatureUnit()
		}
		return refuse(v, looks, number(raw[v]), ", column %s: %q: must be a number from %s to %s (%s)", limit.name, number(raw[v]), number(limit.min), number(limit.max), limit.unit)
	}
	if day.values[tmax] < day.values[tmin] {
		return refuse(tmax, "", number(raw[tmax]), ", column tmax: %s: must not be below tmin, %s degC", number(day.values[tmax]), number(day.values[tmin]))
	}
	return nil
}

// temperatureUnit guesses the unit of a file with a value that cannot be degC.
func (p *pixelParser) temperatureUnit() units.Unit {
	if p.units.Temperature != "" {
		return ""
	}
	var lows, highs []float64
	for _, days := range p.days {
		for _, day := range days {
			if day != nil {
				lows, highs = append(lows, day.values[tmin]), append(highs, day.values[tmax])
			}
		}
	}
	return temperatureUnit(lows, highs)
}

// monthsOfDays returns the months of a year, or why it has not all of them.
func monthsOfDays(year int, days *[366]*pixelDay) (out *[len(variables)][Months]float64, reason string) {
	out = new([len(variables)][Months]float64)
	first := 0
	for month := range Months {
		length := monthLength(year, month)
		present := 0
		var sum [len(variables)]float64
		for _, day := range days[first : first+length] {
			if day == nil || anyNaN(day.values[:]) {
				continue
			}
			present++
			for v, x := range day.values {
				sum[v] += x
			}
		}
		if float64(length-present) > maxMissing*float64(length) {
			return nil, fmt.Sprintf("month %d has %d of %d days: at most a tenth may be missing", month+1, present, length)
		}
		for v := range sum {
			out[v][month] = sum[v] / float64(present)
		}
		out[prcp][month] *= float64(length)
		first += length
	}
	return out, ""
}

// meanRadiation returns the monthly means of the days whose radiation is known, NaN
// where that of more than a tenth of a month is not.
func meanRadiation(year int, days *[366]float64) (out [Months]float64) {
	first := 0
	for month := range out {
		length := monthLength(year, month)
		sum, present := 0.0, 0
		for _, v := range days[first : first+length] {
			if !math.IsNaN(v) {
				sum += v
				present++
			}
		}
		out[month] = math.NaN()
		if float64(length-present) <= maxMissing*float64(length) {
			out[month] = sum / float64(present)
		}
		first += length
	}
	return out
}

func anyNaN(values []float64) bool { return slices.ContainsFunc(values, math.IsNaN) }

// monthLength returns the days of a month, 0 for January.
func monthLength(year, month int) int {
	if month == 1 && leap(year) {
		return 29
	}
	return calendar.Days[month]
}
