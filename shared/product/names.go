package product

import (
	"fmt"
	"path"
	"strings"

	"github.com/cyverse-gis/eemt/shared/param"
)

// Default is the map that is shown where none is named.
var Default = annualName("global", "total_sun", "sum")

// Annual names the map of a quantity of a climate year by a variant.
func Annual(stem string, v Variant, year int) string {
	q := Quantity{Folder: "eemt", Stem: stem}
	return q.energyName(v, fmt.Sprint(year))
}

// Find returns the quantity that the name of a map, under results/, is of; false for none.
func Find(name string) (Quantity, bool) {
	folder, base := "", strings.TrimSuffix(path.Base(name), ".tif")
	if i := strings.IndexByte(name, '/'); i >= 0 {
		folder = name[:i]
	}
	var found Quantity
	for _, q := range Table {
		if q.Folder == folder && len(q.Stem) > len(found.Stem) && (base == q.Stem || q.Over != Once && strings.HasPrefix(base, q.Stem+"_")) {
			found = q
		}
	}
	return found, found.Stem != ""
}

// Keyed are the rows of a key, in their order.
func Keyed(key string) []Quantity {
	var rows []Quantity
	for _, q := range Table {
		if q.Key == key {
			rows = append(rows, q)
		}
	}
	return rows
}

// Output is a map that OGC API - Processes gives by a name which is the same for all jobs of a workflow.
type Output struct {
	Name, Title, Description string
}

// Outputs lists what a workflow gives whatever the parameters.
func Outputs(w param.Workflow) []Output {
	var list []Output
	for _, q := range Table {
		if q.Output == "" || q.Layer != "" || q.Workflow != "" && q.Workflow != w {
			continue
		}
		switch q.Over {
		case Once:
			list = append(list, Output{q.Output, q.Title, q.What + ", " + q.Unit})
		case SolarYear:
			list = append(list, Output{q.Output, q.Title, q.What + ", " + statistics[0].what + "the year, " + q.Unit + PerYear})
		case ClimateYears:
			for _, v := range Variants {
				list = append(list, Output{q.outputOf(v), fmt.Sprintf(q.Title, v), q.What + ", " + q.Unit + PerYear})
			}
		}
	}
	return list
}

// outputOf names the output of a variant; empty if there is none.
func (q Quantity) outputOf(v Variant) string {
	if q.Output == "" {
		return ""
	}
	return q.Output + "_" + strings.ToLower(string(v))
}

// OutputFile names the map of a job that an output is; empty if it is none.
func OutputFile(output string, w param.Workflow, p param.Parameters) string {
	p.Maps, p.Daily = param.AnnualMaps, false // outputs are maps of years, or of no time
	for _, m := range Maps(w, p) {
		if m.Output == output {
			return m.Name
		}
	}
	return ""
}

// RampOf is the ramp of a map, by its name; empty if no row of the table is of it.
func RampOf(name string) string {
	q, _ := Find(name)
	return q.Ramp
}
