package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/eemt/internal/inputfile"
	"github.com/cyverse-gis/eemt/cmd/eemt/internal/progress"
	"github.com/cyverse-gis/eemt/cmd/internal/outdir"
	"github.com/cyverse-gis/eemt/functions/compute/assembly"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/param"
)

// runOptions are the flags of eemt run.
type runOptions struct {
	params  param.Parameters
	threads int
	memory  int
	output  string
	quiet   bool
	json    bool
	verbose bool
	// overwrite lets maps of another run be replaced.
	overwrite bool
	// anyRoom begins a run whatever is free on disks.
	anyRoom bool
}

func runCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "run", Short: "Compute maps on this machine", RunE: cli.Group, Args: cobra.ArbitraryArgs,
		Example: `  eemt run sol dem.tif
  eemt run eemt dem.tif --climate table:station.csv`,
	}
	c.AddCommand(
		workflowCommand(param.Sol, "sol DEM", "Map solar radiation over terrain: monthly and annual sums, hours of sun",
			`  eemt run sol dem.tif
  eemt run sol dem.tif --linke-value 2.1,2.2,2.5,2.9,3.2,3.4,3.5,3.3,2.9,2.6,2.3,2.2 --output maps
  eemt run sol dem.tif --linke-value linke_{month}.tif --layers beam,diffuse,skyview
  eemt run sol dem.tif --daily --step 30
  eemt run sol large.tif --maps annual`),
		workflowCommand(param.EEMT, "eemt DEM", "Map EEMT-TRAD and EEMT-TOPO, with the radiation that they need",
			`  eemt run eemt dem.tif --climate table:station.csv
  eemt run eemt dem.tif --climate 'raster:climate/{var}_{year}.tif' --climate-elevation climate/elevation.tif --start-year 2018 --end-year 2020
  eemt run eemt dem.tif --climate daymet:https://example.org/daymet --start-year 2020 --end-year 2020`),
	)
	return c
}

func workflowCommand(w param.Workflow, use, short, example string) *cobra.Command {
	var o runOptions
	var parameters cli.ParameterFlags
	c := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: cli.Exactly("one DEM"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.params, err = parameters.Parameters(); err != nil {
				return cli.WithCode(err, 2)
			}
			return o.run(c.Context(), w, args[0], c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVarP(&o.output, "output", "o", "", "`directory` for the maps (default <DEM name>_"+string(w)+")")
	f.BoolVar(&o.overwrite, "overwrite", false, "replace the maps of another run in the directory: all that it wrote is removed when the new maps are made")
	f.BoolVar(&o.anyRoom, "no-space-check", false, "begin even if the disk or the memory is too small for what the run is estimated to take")
	parameters = cli.AddParameters(c, w)
	machineFlags(f, &o.threads, &o.memory)
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	f.BoolVar(&o.json, "json", false, "print the report as JSON instead of the table")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log every step")
	cli.Describe(c, []string{"0\tthe maps are written", "1\tan input was refused, or the run failed", "2\ta flag is wrong, a file is missing, or the directory is in use or holds other maps", cli.StoppedByCtrlC}, cli.TokenVariable, cli.MemoryVariable, cli.TempVariable)
	cli.InGroup(f, param.GroupOutput.Title(), "overwrite", "quiet", "json", "verbose")
	cli.InGroup(f, cli.MachineGroup, "no-space-check")
	return c
}

func (o *runOptions) run(ctx context.Context, w param.Workflow, dem string, stdout, stderr io.Writer) error {
	if err := o.complete(w, dem); err != nil {
		return cli.WithCode(err, 2)
	}
	cost, err := costOf(o.memory, o.threads)
	if err != nil {
		return err
	}
	if err := o.checkBeside(dem, stderr); err != nil {
		return err
	}
	dir, err := o.claim(w, dem, stderr)
	if err != nil {
		return cli.WithCode(err, 2)
	}
	defer func() { _ = dir.Release() }()
	if err := o.checkRoom(cost, w, dem); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if o.verbose {
		log = newLogger(stderr, true)
	}
	bar := progress.New(stderr, o.quiet || o.json || o.verbose)
	lost := make(chan string, 1)
	p, err := newPlatform(platformOptions{
		cost: cost, lost: func(reason string) {
			select {
			case lost <- reason:
			default: // one is enough
			}
		},
		dir: filepath.Join(o.output, outdir.StateDir), threads: o.threads, local: true, log: log, progress: bar.Update, findings: bar.Findings,
		room: o.room(cost),
	})
	if err != nil {
		return err
	}
	report, err := o.compute(ctx, p, w, dem, dir, bar, lost, stderr)
	if closing := p.close(); err == nil {
		err = closing
	}
	if ctx.Err() != nil && err != nil {
		return cli.WithCode(errors.New("stopped; finished tiles are kept: run the same command again to continue"), cli.Stopped)
	}
	if err != nil {
		return o.fullDisk(err, cost, w, dem)
	}
	return o.show(stdout, report)
}

// checkBeside tells of files beside the DEM that are not read, and refuses them if the user wants it so.
func (o *runOptions) checkBeside(dem string, stderr io.Writer) error {
	beside := inputfile.BesideDEM(dem)
	beside.Accept(o.params.Accept)
	if !o.quiet {
		_ = cli.PrintFindings(stderr, beside)
	}
	return beside.Err(o.params.Strict)
}

// compute runs the job on the platform and exports its results to the directory.
func (o *runOptions) compute(ctx context.Context, p *platform, w param.Workflow, dem string, dir *outdir.Dir, bar *progress.Bar, lost <-chan string, stderr io.Writer) (*assembly.Report, error) {
	ended := p.ends()
	p.broker.Start()
	err := p.forgetSpoiled(ctx, dir)
	var id string
	if err == nil {
		id, err = p.submitLocal(ctx, w, o.params, dem)
	}
	if err == nil {
		err = p.wait(ctx, id, ended, lost)
	}
	bar.Finish(err == nil)
	if err != nil {
		return nil, err
	}
	report, err := p.export(context.WithoutCancel(ctx), id, dir, o.note(stderr))
	if err != nil {
		return nil, err
	}
	_ = p.broker.Wait(ctx) // work files are being removed; after Ctrl-C the same command removes them
	return report, nil
}

// complete checks the flags and fills what they leave open.
func (o *runOptions) complete(w param.Workflow, dem string) error {
	if err := o.params.Validate(w); err != nil {
		return err
	}
	if w == param.EEMT {
		spec, err := climate.ParseSpec(o.params.Climate, o.params.ClimateElevation, o.params.ClimateUnits)
		if err != nil {
			return err
		}
		if _, err := inputfile.CheckClimate(spec.Kind, spec.Path); err != nil {
			return err
		}
	}
	if err := inputfile.CheckRasters(&o.params); err != nil {
		return err
	}
	if err := inputfile.CheckDEM(dem); err != nil {
		return err
	}
	var err error
	if o.params, err = inputfile.BesidePRJ(dem, o.params); err != nil {
		return fmt.Errorf("DEM: %w", err)
	}
	if o.output == "" {
		base := filepath.Base(dem)
		o.output = strings.TrimSuffix(base, filepath.Ext(base)) + "_" + string(w)
	}
	return nil
}
