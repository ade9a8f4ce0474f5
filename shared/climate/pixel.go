package climate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxPixel bounds the size of a single-pixel file in bytes: some 150 years of days.
const maxPixel = 8 << 20

// maxPrcpDay is Daymet's limit for one day, mm.
const maxPrcpDay = 544

// maxMissing is the share of a month's days that may be missing.
const maxMissing = 0.1

// ReadPixel reads the text of Daymet's single-pixel service: a preamble with
// the place and its elevation, then a line per day with year, yday, prcp, tmin,
// tmax and vp among the columns. Months are means of the days, prcp their sum.
// A year has 365 days; leap years keep 29 February and lack 31 December. A day
// without all four values is missing (empty or -9999). prcp is scaled by days of
// the month / days present; a year with a month that lacks more than a tenth of
// its days cannot be asked for. Where the columns srad (W m-2 over the daylight) and
// dayl (s) are there too, the table knows the radiation. No more than 8 MiB are read.
func ReadPixel(r io.Reader) (*Table, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPixel+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxPixel {
		return nil, fmt.Errorf("more than %d bytes: not a file of Daymet's single-pixel service", maxPixel)
	}
	p := pixelParser{
		station: Station{Source: "Daymet single pixel", Elevation: math.NaN(), Lat: math.NaN(), Lon: math.NaN()},
		days:    map[int]*[366]*[len(variables)]float64{},
		sun:     map[int]*[366]float64{},
	}
	s := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	s.Buffer(nil, maxPixel+1)
	for n := 1; s.Scan(); n++ {
		if err := p.line(strings.TrimSpace(s.Text())); err != nil {
			return nil, fmt.Errorf("line %d%w", n, err)
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return p.table()
}

type pixelParser struct {
	station Station
	columns []string                               // names without units; nil before the header
	days    map[int]*[366]*[len(variables)]float64 // by year and yday-1; nil: no line, NaN: a missing value
	sun     map[int]*[366]float64                  // MJ m-2 of each day by year, 0 in the polar night; NaN where it is not known, nil without the columns
}

func (p *pixelParser) line(text string) error {
	switch {
	case text == "":
		return nil
	case p.columns != nil:
		return p.day(strings.Split(text, ","))
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
		fields[i], _, _ = strings.Cut(strings.TrimSpace(f), " ")
	}
	for _, f := range []string{"year", "yday", "prcp", "tmin", "tmax", "vp"} {
		if !slices.Contains(fields, f) {
			return fmt.Errorf(": column %s is missing: ask the service for prcp, tmin, tmax and vp", f)
		}
	}
	p.columns = fields
	return nil
}

func (p *pixelParser) day(fields []string) error {
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
		case missing(field):
			values[v] = math.NaN()
		case v == prcp:
			values[v], err = inRange(field, 0, maxPrcpDay, "mm per day")
		default:
			values[v], err = inRange(field, variables[v].min, variables[v].max, variables[v].unit)
		}
		if err != nil {
			return fmt.Errorf(", column %s: %w", column, err)
		}
	}
	if year != math.Trunc(year) || yday != math.Trunc(yday) {
		return fmt.Errorf(": year %s, yday %s: must be whole numbers", number(year), number(yday))
	}
	if values[tmax] < values[tmin] {
		return fmt.Errorf(", column tmax: %s: must not be below tmin, %s degC", number(values[tmax]), number(values[tmin]))
	}
	days := p.days[int(year)]
	if days == nil {
		days = new([366]*[len(variables)]float64)
		p.days[int(year)] = days
	}
	if days[int(yday)-1] != nil {
		return fmt.Errorf(": day %d of %d appears twice", int(yday), int(year))
	}
	days[int(yday)-1] = &values
	if energy := srad * dayl / 1e6; !math.IsNaN(energy) {
		if p.sun[int(year)] == nil {
			p.sun[int(year)] = new([366]float64)
			fill(p.sun[int(year)][:], math.NaN())
		}
		p.sun[int(year)][int(yday)-1] = energy
	}
	return nil
}

func missing(field string) bool { return field == "" || strings.HasPrefix(field, "-9999") }

func (p *pixelParser) table() (*Table, error) {
	if p.columns == nil {
		return nil, errors.New("no line that begins with \"year,yday\": not a file of Daymet's single-pixel service")
	}
	t := &Table{Station: p.station, values: map[int]*[len(variables)][Months]float64{}, incomplete: map[int]string{}, radiation: map[int][Months]float64{}}
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

// monthsOfDays returns the months of a year, or why it has not all of them.
func monthsOfDays(year int, days *[366]*[len(variables)]float64) (out *[len(variables)][Months]float64, reason string) {
	out = new([len(variables)][Months]float64)
	first := 0
	for month := range Months {
		length := monthLength(year, month)
		present := 0
		var sum [len(variables)]float64
		for _, day := range days[first : first+length] {
			if day == nil || anyNaN(day[:]) {
				continue
			}
			present++
			for v, x := range day {
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
	return [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month]
}
