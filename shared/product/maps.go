package product

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Period is the time that one map is of.
type Period string

// The periods; a map of the ground has none.
const (
	Year  Period = "year"
	Month Period = "month"
	Day   Period = "day"
)

// Units of a sum, after that of the quantity.
const (
	PerDay   = " d-1"
	PerMonth = " month-1"
	PerYear  = " yr-1"
)

// Map is one map of a job.
type Map struct {
	Name        string // under results/
	Description string
	Unit        string
	// Key names the arithmetic of the map (Quantity).
	Key string
	// FirstYear and LastYear are the climate years that a map of EEMT is of: one, or those that it is the mean of. 0 for others.
	FirstYear, LastYear int
	// BytesPerCell of the compressed map, or of each of its bands.
	BytesPerCell float64
	// Bands of a map of several; none stands for one that is described as the map is.
	Bands []Band
	// OfProduction says that the values depend on the production of EEMT-TOPO.
	OfProduction bool
	// Summary marks the few maps that tell the most.
	Summary bool
	// Output names the map in OGC API - Processes; empty if it is none of the outputs there.
	Output string
	Display
}

// Display is what a page knows of a map.
type Display struct {
	// Title of the series.
	Title string `json:"title"`
	Group Group  `json:"group"`
	// Order of the series on the page: lower ones come first, equal ones as they are written.
	Order int `json:"order"`
	// Series is the map that stands for all steps of a time: of the year for its months, of all days for each of them.
	// Any other map is a series of its own.
	Series string `json:"series"`
	// Counterpart is the series to compare with; empty for none.
	Counterpart string  `json:"counterpart,omitempty"`
	Period      Period  `json:"period,omitempty"`
	Variant     Variant `json:"variant,omitempty"`
	// Step is the month, 1 to 12, or the day, 1 to 365, of a map of the series; 0 for the series itself.
	Step int `json:"step,omitempty"`
	// Ramp is one of preview.Ramps.
	Ramp string `json:"ramp"`
	// Range of the colours; nil leaves it to the values of the map.
	Range *Range `json:"range,omitempty"`
}

// Band is a band of a map of several.
type Band struct {
	Description, Unit string
	Metadata          map[string]string
}

// HorizonStep is the angle between the bands of the map of the horizon, degrees.
const HorizonStep = 10

func azimuths() []Band {
	bands := make([]Band, 360/HorizonStep)
	for i := range bands {
		bands[i] = Band{fmt.Sprintf("azimuth %03d", i*HorizonStep), "degree", map[string]string{"AZIMUTH_DEGREES": fmt.Sprint(i * HorizonStep)}}
	}
	return bands
}

// Together reports whether two maps are made in one go, of the same inputs.
func (m Map) Together(n Map) bool {
	return m.Key == n.Key && m.Period == n.Period && m.Step == n.Step && m.Variant == n.Variant && m.FirstYear == n.FirstYear && m.LastYear == n.LastYear
}

// Maps lists the maps of a job in the order in which they are written. Means over years come last: they are made of maps of years.
func Maps(w param.Workflow, p param.Parameters) []Map {
	rows := slices.DeleteFunc(slices.Clone(Table), func(q Quantity) bool {
		return q.Workflow != "" && q.Workflow != w || q.Layer != "" && !p.Has(q.Layer)
	})
	var list []Map
	for _, q := range rows {
		switch q.Over {
		case Once:
			list = append(list, q.once())
		case SolarYear:
			list = append(list, q.solarYear(p)...)
		}
	}
	for _, q := range rows {
		if q.Over == SolarYear && p.Daily {
			list = append(list, q.days(p)...)
		}
	}
	rows = slices.DeleteFunc(rows, func(q Quantity) bool { return q.Over != ClimateYears })
	years := p.Years()
	for _, year := range years {
		list = append(list, climateYear(rows, p, year)...)
	}
	if len(years) > 1 {
		for _, v := range Variants {
			for _, q := range rows {
				list = append(list, q.mean(v, p))
			}
		}
	}
	return list
}

// sky is the sky that the values are of, after a comma; empty where that makes no difference.
func (q Quantity) sky(p param.Parameters) string {
	factors := p.KB != nil || p.KD != nil || p.KBRaster != nil || p.KDRaster != nil
	index := p.KC != nil || p.KCRaster != nil || p.KCClimate
	switch {
	case q.Sky == AnySky:
		return ""
	case factors, index && q.Sky == SkyOfGlobal:
		return ", real sky"
	}
	return ", clear sky"
}

// groupStep is the difference of Order between two groups: more than the ranks in one differ.
const groupStep = 10

// of is a map of the quantity that is a series of its own.
func (q Quantity) of(name, description, unit string) Map {
	return Map{
		Name: name, Description: description, Unit: unit, Key: q.Key, BytesPerCell: q.Bytes,
		Display: Display{
			Title: strings.ToUpper(description[:1]) + description[1:], Group: q.Group, Order: groupStep*(slices.Index(groups, q.Group)+1) + q.Rank,
			Series: name, Ramp: q.Ramp, Range: q.Range,
		},
	}
}

// step makes the map m of month or day n of the series that s is.
func (m Map) step(s Map, n int) Map {
	m.Display = s.Display
	m.Step = n
	return m
}

func (q Quantity) once() Map {
	m := q.of(q.Stem+".tif", q.What, q.Unit)
	if q.Folder != "" {
		m.Name = q.Folder + "/" + m.Name
		m.Series = m.Name
	}
	m.Bands, m.Summary, m.Output = q.Bands, q.Summary, q.Output
	return m
}

// statistics of a time, of which radiation has maps.
var statistics = []struct {
	name, what string
	perDay     bool
}{{"sum", "sum of ", false}, {"average", "daily mean of ", true}}

// solarYear are the maps of the months, then those of the year.
func (q Quantity) solarYear(p param.Parameters) []Map {
	var list []Map
	year := make([]Map, len(statistics))
	for i, s := range statistics {
		unit := q.Unit + PerYear
		if s.perDay {
			unit = q.Unit + PerDay
		}
		year[i] = q.of(annualName(q.Folder, q.Stem, s.name), q.What+q.sky(p)+", "+s.what+"the year", unit)
		year[i].Period = Year
		if q.Counterpart != "" {
			year[i].Counterpart = annualName(q.Folder, q.Counterpart, s.name)
		}
	}
	year[0].Summary, year[0].Output = q.Summary, q.Output
	year[1].Order++
	if p.Maps != param.AnnualMaps {
		for k, month := range calendar.Months {
			for i, s := range statistics {
				unit := q.Unit + PerMonth
				if s.perDay {
					unit = q.Unit + PerDay
				}
				m := q.of(fmt.Sprintf("%s/monthly/%s_%s_%s.tif", q.Folder, q.Stem, month, s.name), q.What+q.sky(p)+", "+s.what+month, unit).step(year[i], k+1)
				m.Period, m.BytesPerCell = Month, cmp.Or(q.MonthBytes, q.Bytes)
				list = append(list, m)
			}
		}
	}
	return append(list, year...)
}

func annualName(folder, stem, statistic string) string {
	return fmt.Sprintf("%s/annual/%s_%s.tif", folder, stem, statistic)
}

// days are a map of each day where the old suite had one, then all days in one file.
func (q Quantity) days(p param.Parameters) []Map {
	what, unit := q.What+q.sky(p), q.Unit+PerDay
	all := q.of(fmt.Sprintf("%s/daily/%s.tif", q.Folder, q.Stem), what+", a band for each day", unit)
	all.Period, all.BytesPerCell = Day, cmp.Or(q.DayBytes, q.Bytes)
	if q.Counterpart != "" {
		all.Counterpart = fmt.Sprintf("%s/daily/%s.tif", q.Folder, q.Counterpart)
	}
	for month, n := range calendar.Days {
		for d := range n {
			all.Bands = append(all.Bands, Band{fmt.Sprintf("day %d, %d %s", len(all.Bands)+1, d+1, calendar.Months[month]), unit, nil})
		}
	}
	var list []Map
	for day := 1; day <= len(all.Bands) && q.EachDay; day++ {
		m := q.of(fmt.Sprintf("%s/daily/%s_day_%d.tif", q.Folder, q.Stem, day), fmt.Sprintf("%s, day %d", what, day), unit).step(all, day)
		m.BytesPerCell = all.BytesPerCell
		list = append(list, m)
	}
	return append(list, all)
}

// productionBytes is what the production of each cell adds to the bytes of its maps.
const productionBytes = 0.8

// climateYear are the maps of a climate year by each variant: of its months, then of the year.
func climateYear(rows []Quantity, p param.Parameters, year int) []Map {
	var list []Map
	when := fmt.Sprint(year)
	for _, v := range Variants {
		whole := make([]Map, len(rows))
		for i, q := range rows {
			whole[i] = q.energy(v, when, when, PerYear)
			whole[i].Period, whole[i].FirstYear, whole[i].LastYear = Year, year, year
			if p.StartYear == p.EndYear {
				whole[i].Summary, whole[i].Output = q.Summary, q.outputOf(v)
			}
		}
		if p.Maps != param.AnnualMaps {
			for k, month := range calendar.Months {
				for i, q := range rows {
					q.Bytes = cmp.Or(q.MonthBytes, q.Bytes)
					m := q.energy(v, month+"_"+when, month+" "+when, PerMonth).step(whole[i], k+1)
					m.Period, m.FirstYear, m.LastYear = Month, year, year
					list = append(list, m)
				}
			}
		}
		list = append(list, whole...)
	}
	return list
}

// mean is the map of the mean of the climate years: a mean of annual results, not the result of a mean climate (docs/science.md).
func (q Quantity) mean(v Variant, p param.Parameters) Map {
	m := q.energy(v, fmt.Sprintf("mean_%d_%d", p.StartYear, p.EndYear), fmt.Sprintf("mean of the annual maps %d to %d", p.StartYear, p.EndYear), PerYear)
	m.Period, m.FirstYear, m.LastYear = Year, p.StartYear, p.EndYear
	m.Summary, m.Output = q.Summary, q.outputOf(v)
	return m
}

func (q Quantity) energy(v Variant, when, label, per string) Map {
	unit := q.Unit
	if unit != "1" {
		unit += per
	}
	m := q.of(q.energyName(v, when), fmt.Sprintf("%s, EEMT-%s, %s", q.What, v, label), unit)
	m.Variant = v
	other := Trad
	if v == Trad {
		other = Topo
	}
	m.Counterpart = q.energyName(other, when)
	if v == Topo {
		m.BytesPerCell += productionBytes
		m.OfProduction = q.OfProduction
	}
	if q.Rank < 0 && v == Topo {
		m.Order-- // EEMT-TOPO is what a page shows first
	}
	return m
}

func (q Quantity) energyName(v Variant, when string) string {
	return fmt.Sprintf("%s/%s_%s_%s.tif", q.Folder, q.Stem, v, when)
}
