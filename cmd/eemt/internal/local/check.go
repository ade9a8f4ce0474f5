package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/eemt/internal/inputfile"
	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/shared/sources"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/wording"
)

// checkOptions are the flags of eemt check.
type checkOptions struct {
	workflow string
	params   param.Parameters
	threads  int
	memory   int
	json     bool
}

func checkCommand() *cobra.Command {
	var o checkOptions
	var parameters cli.ParameterFlags
	c := &cobra.Command{
		Use:   "check DEM",
		Short: "Check a DEM and a climate before computing",
		Long: `check prints where a DEM lies, its units, holes and spikes, whether the climate covers it, and the time, memory and
disk that eemt run needs with the same flags. Of a large DEM it reads an overview or a sample. It takes the parameters of
eemt run and checks them too. If a job would refuse the DEM, it says why and how to fix it.`,
		Example: `  eemt check dem.tif
  eemt check dem.tif --workflow eemt --climate table:station.csv`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.WithCode(fmt.Errorf("%s takes one DEM, got %d; see: %s --help", c.CommandPath(), len(args), c.CommandPath()), 2)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.params, err = parameters.Parameters(); err != nil {
				return cli.WithCode(err, 2)
			}
			return o.run(c.Context(), args[0], c.OutOrStdout())
		},
	}
	parameters = cli.AddParameters(c, "")
	f := c.Flags()
	machineFlags(f, &o.threads, &o.memory)
	f.StringVar(&o.workflow, "workflow", "", "`sol|eemt`; what the estimate is for")
	f.Lookup("workflow").DefValue = "eemt with a climate, else sol"
	cli.CompleteFlag(c, "workflow", cli.OneOf(cli.Workflows))
	f.BoolVar(&o.json, "json", false, "print JSON")
	cli.InGroup(f, param.GroupOutput.Title(), "json")
	cli.Describe(c, cli.LocalExits("the DEM is usable", "a job would refuse the DEM or the climate"), cli.TokenVariable, cli.MemoryVariable)
	return c
}

func (o *checkOptions) run(ctx context.Context, path string, out io.Writer) error {
	model, err := costOf(o.memory, o.threads)
	if err != nil {
		return err
	}
	w, p := param.Workflow(o.workflow), o.params
	if w == "" {
		if w = param.Sol; p.Climate != "" {
			w = param.EEMT
		}
	}
	if err := p.ValidateGiven(w); err != nil {
		return cli.WithCode(err, 2)
	}
	if err := inputfile.CheckRasters(&p); err != nil {
		return cli.WithCode(err, 2)
	}
	file, done, err := inputfile.OpenDEM(path)
	if err != nil {
		return cli.WithCode(err, 2)
	}
	defer done()
	info, err := file.Stat()
	if err != nil {
		return cli.WithCode(err, 2)
	}
	if p, err = inputfile.BesidePRJ(path, p); err != nil {
		return cli.WithCode(err, 2)
	}
	sources := sources.Files{Local: true, OpenBucket: buckets.Open, Token: os.Getenv("EEMT_CLIMATE_TOKEN")}
	r, err := inspect.File(ctx, file, info.Size(), inspect.Options{
		Parameters: p, Name: path, Open: sources.Open,
		Estimate: func(width, height int) inspect.Work { return model.Estimate(w, p, width, height) },
	})
	if err != nil {
		return err
	}
	beside := inputfile.BesideDEM(path)
	beside.Accept(p.Accept)
	r.Findings.Add(beside...)
	r.Reword(wording.Text)
	if r.Usable {
		here := runOptions{output: "."}
		if err := here.room(model)(w, p, r.Width, r.Height, info.Size()); err != nil {
			r.Findings.Add(finding.Finding{Code: finding.MachineRoom, Severity: finding.Doubt, Message: err.Error()})
		}
	}
	if err := o.print(out, r); err != nil {
		return err
	}
	if !r.Usable {
		return errors.New(r.Detail)
	}
	return nil
}

// print prints the report, or of a DEM that a job would refuse what was found beside the first refusal.
func (o *checkOptions) print(out io.Writer, r *inspect.Report) error {
	switch {
	case o.json:
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case r.Usable:
		return printCheck(out, r)
	}
	return cli.PrintFindings(out, withoutDetail(r.Findings))
}

// withoutDetail leaves out the first refusal, which is the error.
func withoutDetail(list finding.List) finding.List {
	i := slices.IndexFunc(list, func(f finding.Finding) bool { return f.Severity == finding.Refusal && !f.Accepted })
	if i < 0 {
		return list
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}

func printCheck(out io.Writer, r *inspect.Report) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { _, _ = fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	line("size", "%d x %d cells of %.4g x %.4g m", r.Width, r.Height, r.CellSize[0], r.CellSize[1])
	line("file", "%s, %s, %s, %s", r.SampleType, r.Compression, r.Layout, amount.Count(r.Overviews, "overview"))
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
		holes = ", " + amount.Count(*r.NoData.Voids, "hole")
	}
	line("nodata", "%.3g %%%s", 100*r.NoData.Share, holes)
	line("spikes", "%d", r.Spikes.Count)
	if r.Climate != nil {
		line("climate", "covers %.0f %%", 100*r.Climate.Covered)
	}
	if w := r.Work; w != nil {
		line("a job", "about %s on %s, %s of memory, %s of results, %s", amount.Duration(time.Duration(w.Seconds*float64(time.Second))),
			amount.Count(w.Cores, "core"), amount.Bytes(w.Memory), amount.Bytes(w.Results), amount.Count(w.Tiles, "tile"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return cli.PrintFindings(out, r.Findings)
}
