package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/survey"
)

// checkOptions are the flags of eemt check.
type checkOptions struct {
	workflow string
	params   job.Parameters
	json     bool
}

func checkCommand() *cobra.Command {
	o := checkOptions{params: job.DefaultParameters()}
	c := &cobra.Command{
		Use:   "check DEM",
		Short: "Examine a DEM before a job is made of it",
		Long: `check tells where a DEM lies, its units, holes and spikes, whether climate covers it,
and what a job takes. Of a large DEM an overview or a sample is read. It ends with code 1
when a job would refuse the DEM, and says how to mend it.`,
		Example: `  eemt check dem.tif
  eemt check dem.tif --workflow eemt --climate table:station.csv`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return exitError{fmt.Errorf("%s takes one DEM, got %d; see: %s --help", c.CommandPath(), len(args), c.CommandPath()), 2}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0], c.OutOrStdout()) },
	}
	f := c.Flags()
	f.StringVar(&o.workflow, "workflow", "sol", "`sol or eemt`, for the estimate")
	f.StringVar(&o.params.Climate, "climate", "", "`source` of the climate to examine too")
	f.StringVar(&o.params.ClimateElevation, "climate-elevation", "", "`elevation` that the climate holds for")
	f.IntVar(&o.params.StartYear, "start-year", o.params.StartYear, "first climate `year`")
	f.IntVar(&o.params.EndYear, "end-year", o.params.EndYear, "last climate `year`")
	f.Float64Var(&o.params.Step, "step", o.params.Step, "`minutes` between two looks at the sun, 1 to 60")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

func (o *checkOptions) run(ctx context.Context, path string, out io.Writer) error {
	w, p := job.Workflow(o.workflow), o.params
	if p.EndYear == job.DefaultParameters().EndYear {
		p.EndYear = max(p.EndYear, p.StartYear)
	}
	if w == job.EEMT && p.Climate == "" {
		p.Climate = "table:unknown"
	}
	if err := p.Validate(w); err != nil {
		return exitError{err, 2}
	}
	file, err := os.Open(path)
	if err != nil {
		return exitError{err, 2}
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return exitError{err, 2}
	}
	if p, err = besidePRJ(path, p); err != nil {
		return exitError{err, 2}
	}
	sources := compute.Sources{Local: true, Token: os.Getenv("EEMT_CLIMATE_TOKEN")}
	r, err := survey.Examine(ctx, file, info.Size(), survey.Options{
		DEM:     survey.DEM(p),
		Climate: o.params.Climate, ClimateElevation: p.ClimateElevation, Years: p.Years(), Open: sources.Open,
		Estimate: func(width, height int) survey.Work { return compute.Cost{}.Estimate(w, p, width, height) },
	})
	if err != nil {
		return err
	}
	if o.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else if r.Usable {
		err = printCheck(out, r)
	}
	if err == nil && !r.Usable {
		err = errors.New(r.Detail)
	}
	return err
}

func printCheck(out io.Writer, r *survey.Report) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { _, _ = fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	line("size", "%d x %d cells of %.4g x %.4g m", r.Width, r.Height, r.CellSize[0], r.CellSize[1])
	line("file", "%s, %s, %s, %d overviews", r.SampleType, r.Compression, r.Layout, r.Overviews)
	system := r.CRS
	if r.EPSG != 0 {
		system = fmt.Sprintf("%s (EPSG:%d)", r.CRS, r.EPSG)
	}
	line("system", "%s", system)
	line("units", "map %s, elevation %s", r.HorizontalUnit, r.VerticalUnit)
	if b := r.BBox; b != nil {
		line("extent", "longitude %.5f to %.5f, latitude %.5f to %.5f", b[0], b[2], b[1], b[3])
	}
	line("elevation", "%.1f to %.1f m, mean %.1f m, of %s", r.Elevation.Minimum, r.Elevation.Maximum, r.Elevation.Mean, r.Elevation.Read)
	holes := ""
	if r.NoData.Voids != nil {
		holes = fmt.Sprintf(", %d holes", *r.NoData.Voids)
	}
	line("nodata", "%.3g %%%s", 100*r.NoData.Share, holes)
	line("spikes", "%d", r.Spikes.Count)
	if r.Climate != nil {
		line("climate", "covers %.0f %%", 100*r.Climate.Covered)
	}
	if w := r.Work; w != nil {
		line("a job", "about %s on %d cores, %.2g GiB of memory, %.2g GiB of results, %d tiles",
			(time.Duration(w.Seconds) * time.Second).String(), w.Cores, float64(w.Memory)/(1<<30), float64(w.Results)/(1<<30), w.Tiles)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, w := range r.Warnings {
		if _, err := fmt.Fprintf(out, "note: %s\n", strings.TrimSuffix(w, "\n")); err != nil {
			return err
		}
	}
	return nil
}
