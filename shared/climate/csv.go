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
	"time"

	"github.com/cyverse-gis/eemt/shared/climate/units"
)

// readTable is ReadTable of values in other units.
func readTable(r io.Reader, s units.Set) (*Table, error) {
	p := tableParser{
		table: &Table{
			Station: Station{Elevation: math.NaN(), Lat: math.NaN(), Lon: math.NaN()},
			values:  map[int]*[len(variables)][Months]float64{},
		},
		units:  s,
		stated: map[string]int{},
		lines:  map[[2]int]int{},
	}
	if err := eachLine(r, maxTable, "not a table of months", p.line); err != nil {
		return nil, err
	}
	return p.finish()
}

// eachLine calls line for each line of a text, and names the line in its error. It refuses a text of more than most bytes
// for the reason why.
func eachLine(r io.Reader, most int, why string, line func(n int, text string) error) error {
	text, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err != nil {
		return err
	}
	if len(text) > most {
		return fmt.Errorf("more than %d bytes: %s", most, why)
	}
	if err := checkEncoding(text); err != nil {
		return err
	}
	scan := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	scan.Buffer(nil, most+1)
	for n := 1; scan.Scan(); n++ {
		if err := line(n, strings.TrimSpace(scan.Text())); err != nil {
			return at(fmt.Sprintf("line %d", n), err)
		}
	}
	return scan.Err()
}

var errUTF16 = errors.New("the text is UTF-16: save it as UTF-8 (spreadsheets call it \"CSV UTF-8\")")

// checkEncoding refuses text of two bytes a letter, which spreadsheets call Unicode text.
func checkEncoding(text []byte) error {
	start := text[:min(len(text), 256)]
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) || bytes.Count(start, []byte{0}) > len(start)/4 {
		return errUTF16
	}
	return nil
}

// tableParser holds what is known between the lines of a table. Its errors
// begin with ": " or ", column", to follow the line's number.
type tableParser struct {
	table     *Table
	units     units.Set
	separator string
	columns   []string
	rows      []tableRow
	stated    map[string]int // line of each "# key: value"
	lines     map[[2]int]int // line of each year and month
}

// tableRow is a month as it stands in the table.
type tableRow struct {
	line, year, month int
	text              [len(variables)]string
	values            [len(variables)]float64 // in the table's units
}

func (p *tableParser) line(n int, text string) error {
	// A spreadsheet pads lines to the width of the widest, and quotes what it likes.
	bare := strings.Trim(text, ",;\t \"")
	switch {
	case bare == "":
		return nil
	case bare[0] == '#':
		return p.comment(n, bare[1:])
	}
	if p.columns == nil {
		p.separator = separatorOf(text)
		return p.header(p.fields(text))
	}
	return p.row(n, p.fields(text))
}

// separatorOf finds what stands between the columns' names.
func separatorOf(header string) string {
	for _, s := range []string{",", ";", "\t"} {
		if strings.Count(header, s) >= 3 {
			return s
		}
	}
	return ","
}

func (p *tableParser) fields(text string) []string {
	fields := strings.Split(text, p.separator)
	for i, f := range fields {
		fields[i] = strings.TrimSpace(strings.Trim(strings.TrimSpace(f), `"`))
	}
	return fields
}

// decimal replaces the decimal comma of a number by a point, in a table whose columns are not separated by commas.
func (p *tableParser) decimal(text string) string {
	if p.separator == "," {
		return text
	}
	return decimalPoint(text)
}

// decimalPoint takes the only comma of a number for its point.
func decimalPoint(text string) string {
	if strings.Count(text, ",") == 1 && !strings.Contains(text, ".") {
		return strings.Replace(text, ",", ".", 1)
	}
	return text
}

func (p *tableParser) comment(n int, text string) error {
	at := strings.IndexAny(text, ":=")
	if at < 0 {
		return nil
	}
	key, value := stationKey(text[:at]), strings.TrimSpace(text[at+1:])
	number := decimalPoint(value)
	st := &p.table.Station
	var err error
	switch key {
	case "name":
		st.Name = value
	case "source":
		st.Source = value
	case "period":
		st.Period = value
	case "elevation_m":
		st.Elevation, err = inRange(strings.TrimSpace(strings.TrimSuffix(number, "m")), minElevation, maxElevation, "m")
	case "latitude":
		st.Lat, err = inRange(signed(number, "N", "S"), -90, 90, "degrees")
	case "longitude":
		st.Lon, err = inRange(signed(number, "E", "W"), -360, 360, "degrees")
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf(", %s: %w", key, err)
	}
	if first, twice := p.stated[key]; twice {
		return fmt.Errorf(", %s: stated twice, first in line %d", key, first)
	}
	p.stated[key] = n
	return nil
}

// stationKeys has other usual names for the keys of a comment.
var stationKeys = map[string]string{
	"lat": "latitude", "station_latitude": "latitude",
	"lon": "longitude", "long": "longitude", "lng": "longitude", "station_longitude": "longitude",
	"elevation": "elevation_m", "elev": "elevation_m", "elev_m": "elevation_m", "altitude": "elevation_m", "altitude_m": "elevation_m", "alt": "elevation_m", "station_elevation": "elevation_m",
}

// stationKey returns the name that ReadTable documents for a key of a comment.
func stationKey(text string) string {
	key := strings.ToLower(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" _-()[]\t", r) }), "_"))
	for _, unit := range []string{"_deg", "_degrees", "_degree", "_decimal", "_dd"} {
		if place := strings.TrimSuffix(key, unit); stationKeys[place] != "" || place == "latitude" || place == "longitude" {
			key = place
		}
	}
	if known := stationKeys[key]; known != "" {
		return known
	}
	return key
}

// signed turns "36.85 S" into -36.85; it leaves anything else for the reader of numbers.
func signed(text, positive, negative string) string {
	for letter, sign := range map[string]string{positive: "", negative: "-"} {
		if rest, ok := strings.CutSuffix(strings.ToUpper(text), letter); ok {
			rest = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "°"))
			if rest == "" || strings.ContainsAny(rest[:1], "+-") {
				return text
			}
			return sign + rest
		}
	}
	return strings.TrimSpace(strings.TrimSuffix(text, "°"))
}

func (p *tableParser) header(fields []string) error {
	names := make([]string, len(fields))
	for i, f := range fields {
		name, unit, _ := strings.Cut(f, "(")
		name = strings.ToLower(strings.TrimSpace(name))
		v := slices.IndexFunc(variables[:], func(v variable) bool { return v.is(name) })
		switch {
		case v >= 0:
			name = variables[v].name
			if err := contradicted(v, strings.TrimSuffix(unit, ")"), p.units); err != nil {
				return at(", column ", err)
			}
		case name != "month" && name != "year":
			return fmt.Errorf(": column %.40q: must be one of month, tmin, tmax, prcp, vp and year, separated by commas, semicolons or tabs", f)
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf(": column %s appears twice", name)
		}
		names[i] = name
	}
	for _, f := range []string{"month", "tmin", "tmax", "prcp"} {
		if !slices.Contains(names, f) {
			return fmt.Errorf(": column %s is missing: the line must name month, tmin, tmax, prcp and, if known, vp", f)
		}
	}
	if !slices.Contains(names, variables[vp].name) {
		if u := p.units.Vapour; u != "" && u != units.SaturatedTMin {
			return fmt.Errorf(": column vp is missing, whose unit climate_units gives as %s", u)
		}
		p.units.Vapour = units.SaturatedTMin
	}
	p.table.derived = p.units.Vapour == units.SaturatedTMin
	p.columns = names
	return nil
}

func (p *tableParser) row(n int, fields []string) error {
	if len(fields) != len(p.columns) {
		hint := "numbers take a decimal point"
		if p.separator != "," {
			hint = "the columns are separated by " + strconv.Quote(p.separator)
		}
		return fmt.Errorf(": %d values: must be %d (%s); %s", len(fields), len(p.columns), strings.Join(p.columns, ","), hint)
	}
	row := tableRow{line: n}
	for i, column := range p.columns {
		var err error
		switch column {
		case "year":
			row.year, err = whole(fields[i], 1, 9999)
		case "month":
			row.month, err = monthOf(fields[i])
		default:
			v := slices.IndexFunc(variables[:], func(v variable) bool { return v.name == column })
			row.text[v] = p.decimal(fields[i])
			row.values[v], err = inRange(row.text[v], -math.MaxFloat64, math.MaxFloat64, "")
			if err != nil {
				err = fmt.Errorf("%.40q: must be a number from %s to %s (%s)", fields[i], number(variables[v].min), number(variables[v].max), variables[v].unit)
			}
		}
		if err != nil {
			return fmt.Errorf(", column %s: %w", column, err)
		}
	}
	if first, twice := p.lines[[2]int{row.year, row.month}]; twice {
		return fmt.Errorf(", column month: %d: appears twice%s, first in line %d", row.month, ofYear(row.year), first)
	}
	p.lines[[2]int{row.year, row.month}] = n
	p.rows = append(p.rows, row)
	return nil
}

// monthOf reads the number or the English name of a month, in full or its first three letters.
func monthOf(text string) (int, error) {
	if word := strings.ToLower(strings.TrimSuffix(text, ".")); len(word) >= 3 {
		for m := time.January; m <= time.December; m++ {
			if name := strings.ToLower(m.String()); word == name || word == name[:3] || word == "sept" && m == time.September {
				return int(m), nil
			}
		}
	}
	n, err := whole(text, 1, Months)
	if err != nil {
		err = fmt.Errorf("%w, or an English name such as Jan", err)
	}
	return n, err
}

// add takes a month into the table, in degC, mm and Pa.
func (p *tableParser) add(row tableRow) error {
	days := meanDays(row.month - 1)
	if row.year != 0 {
		days = float64(monthLength(row.year, row.month-1))
	}
	values := convert(p.units, row.values, days)
	for v, x := range values {
		if x >= variables[v].min && x <= variables[v].max {
			continue
		}
		looks, converted := units.Unit(""), ""
		if (v == tmin || v == tmax) && p.units.Temperature == "" {
			looks = temperatureUnit(p.series(tmin), p.series(tmax))
		}
		if x != row.values[v] {
			converted = fmt.Sprintf(" is %s %s,", number(x), variables[v].unit)
		}
		return refuse(v, looks, row.text[v], ", column %s: %.40q:%s must be a number from %s to %s (%s)",
			variables[v].name, row.text[v], converted, number(variables[v].min), number(variables[v].max), variables[v].unit)
	}
	if values[tmax] < values[tmin] {
		return refuse(tmax, "", row.text[tmax], ", column tmax: %s: must not be below tmin, %s degC", number(values[tmax]), number(values[tmin]))
	}
	y := p.table.values[row.year]
	if y == nil {
		y = new([len(variables)][Months]float64)
		p.table.values[row.year] = y
		if row.year != 0 {
			p.table.years = append(p.table.years, row.year)
		}
	}
	for v := range values {
		y[v][row.month-1] = values[v]
	}
	return nil
}

// series lists a variable as it stands in the table.
func (p *tableParser) series(v int) []float64 {
	list := make([]float64, len(p.rows))
	for i, row := range p.rows {
		list[i] = row.values[v]
	}
	return list
}

func (p *tableParser) finish() (*Table, error) {
	if p.columns == nil {
		return nil, errors.New("no line that names the columns: must be month,tmin,tmax,prcp,vp")
	}
	for _, row := range p.rows {
		// When the unit is not known there is no vapour pressure to derive either.
		if !slices.Contains(p.columns, variables[vp].name) {
			row.text[vp] = "derived from tmin"
		}
		if err := p.add(row); err != nil {
			return nil, at(fmt.Sprintf("line %d", row.line), err)
		}
	}
	if len(p.table.values) == 0 {
		return nil, errors.New("no months: must hold one line for each of 12 months")
	}
	slices.Sort(p.table.years)
	years := p.table.years
	if len(years) == 0 {
		years = []int{0}
	}
	for _, year := range years {
		for month := 1; month <= Months; month++ {
			if p.lines[[2]int{year, month}] == 0 {
				return nil, fmt.Errorf("month %d is missing%s: all 12 are needed", month, ofYear(year))
			}
		}
	}
	return p.table, nil
}

// ReadTable reads a table: lines of values between commas, semicolons or tabs, the first
// of which names the columns, in any order and in letters of any case,
//
//	month  1 to 12, or the English name
//	tmin   mean daily minimum temperature, -60 to 42 degC
//	tmax   mean daily maximum temperature, -60 to 60 degC, not below tmin
//	prcp   precipitation of the month, 0 to 16864 mm
//	vp     optional, mean vapour pressure, 0 to 8230 Pa; without it that of saturation at tmin
//	year   optional, 1 to 9999
//
// then one line per month: 12 for a climatology, 12 per year with years. Between
// semicolons or tabs numbers may have a decimal comma. Lines
// that begin with # are comments; "# elevation_m: 49", "# latitude: -36.9",
// "# longitude: 174.8", "# name: ...", "# source: ..." and "# period: ..."
// describe the station; lat, lon, elevation and other usual names of these keys are taken too. Errors name line, column, value and allowed range. No
// more than 1 MiB is read.
func ReadTable(r io.Reader) (*Table, error) { return readTable(r, units.Set{}) }
