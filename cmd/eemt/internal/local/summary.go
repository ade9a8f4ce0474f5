package local

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/functions/compute/assembly"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"github.com/cyverse-gis/eemt/shared/finding"
)

// show prints the table of the maps that tell the most, or the report.
func (o *runOptions) show(w io.Writer, r *assembly.Report) error {
	if o.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Output string `json:"output"`
			*assembly.Report
		}{o.output, r})
	}
	if o.quiet {
		return nil
	}
	return printSummary(w, r, o.output)
}

// printSummary says where the maps are and what their numbers mean.
func printSummary(w io.Writer, r *assembly.Report, dir string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "map\tmean\tmin\tmax\tunit\tmeaning")
	for _, l := range r.Layers {
		if l.Summary {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Name, number(l.Mean), number(l.Minimum), number(l.Maximum), l.Unit, l.Description)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "\n%s: %d x %d cells of %.3g m, %s\n", cli.Plain(r.DEM.Name), r.DEM.Width, r.DEM.Height, r.DEM.CellSize, r.DEM.CRS)
	_ = cli.PrintFindings(w, r.Findings.Open(finding.Doubt))
	_, err := fmt.Fprintf(w, "%d maps in %s, pictures in %s/previews, full report: %s/%s\n", len(r.Layers), dir, dir, dir, workfile.ReportName)
	return err
}

// number prints four significant digits without an exponent.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'g', 4, 64)
	if strings.Contains(s, "e") {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return s
}
