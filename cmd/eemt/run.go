package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/job"
)

// runOptions are the flags of eemt run.
type runOptions struct {
	params  job.Parameters
	inputs  inputFlags
	threads int
	memory  int
	output  string
	quiet   bool
	json    bool
	verbose bool
}

func runCommand() *cobra.Command {
	c := &cobra.Command{Use: "run", Short: "Compute maps on this machine", RunE: group, Args: cobra.ArbitraryArgs}
	c.AddCommand(
		workflowCommand(job.Sol, "sol DEM", "Solar radiation over terrain: monthly and annual sums, hours of sun",
			`  eemt run sol dem.tif
  eemt run sol dem.tif --linke-value 2.1,2.2,2.5,2.9,3.2,3.4,3.5,3.3,2.9,2.6,2.3,2.2 --output maps
  eemt run sol dem.tif --linke-value linke_{month}.tif --layers beam,diffuse,skyview
  eemt run sol dem.tif --daily --step 30
  eemt run sol large.tif --maps annual`),
		workflowCommand(job.EEMT, "eemt DEM", "EEMT-TRAD and EEMT-TOPO, with the radiation they need",
			`  eemt run eemt dem.tif --climate table:station.csv
  eemt run eemt dem.tif --climate 'raster:climate/{var}_{year}.tif' --climate-elevation climate/elevation.tif --start-year 2018 --end-year 2020
  eemt run eemt dem.tif --climate daymet:https://example.org/daymet --start-year 2020 --end-year 2020`),
	)
	return c
}

func workflowCommand(w job.Workflow, use, short, example string) *cobra.Command {
	o := runOptions{params: job.DefaultParameters()}
	c := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return exitError{fmt.Errorf("%s takes one DEM, got %d arguments; see: %s --help", c.CommandPath(), len(args), c.CommandPath()), 2}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("end-year") && o.params.StartYear > o.params.EndYear {
				o.params.EndYear = o.params.StartYear
			}
			if err := o.inputs.apply(c.Flags(), &o.params); err != nil {
				return exitError{err, 2}
			}
			return o.run(c.Context(), w, args[0], c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.Float64Var(&o.params.Step, "step", o.params.Step, "time step of the sun in `minutes`, 1 to 60")
	o.inputs.add(f, w)
	f.IntVar(&o.params.StartYear, "start-year", o.params.StartYear, "first climate `year`")
	f.IntVar(&o.params.EndYear, "end-year", o.params.EndYear, "last climate `year`, not before the first")
	f.IntVar(&o.threads, "num-threads", runtime.NumCPU(), "cores to use, 1 to 512")
	f.Lookup("num-threads").DefValue = "all"
	f.IntVar(&o.memory, "memory", usualMemory(), "memory to use, in `MiB`, 256 or more")
	f.Lookup("memory").DefValue = "1024, or GOMEMLIMIT"
	f.StringVarP(&o.output, "output", "o", "", "`directory` for the maps (default: <DEM name>_"+string(w)+")")
	f.StringVar((*string)(&o.params.Maps), "maps", string(o.params.Maps), "all, or annual: those of the terrain and of whole years, a small part of the disk")
	f.BoolVar(&o.params.Daily, "daily", false, "write a map of every day too")
	f.StringVar(&o.params.North, "north", o.params.North, "true: directions are from true north; grid: from grid north, as r.sun does")
	f.StringVar(&o.params.Shadows, "shadows", o.params.Shadows, "on: terrain casts shadows; off: slopes only shade themselves")
	f.StringVar(&o.params.Method, "method", o.params.Method, "fast, or reference: the plain integrator, slow")
	f.IntVar(&o.params.TileSize, "tile-size", 0, "side of a tile in `cells`, 32 to 4096 (default: some ten seconds of work); never changes a number")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	f.BoolVar(&o.json, "json", false, "print the run report as JSON instead of the table")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log every step")
	if w == job.EEMT {
		f.StringVar(&o.params.Climate, "climate", "", "climate `source`: table:FILE.csv, pixel:FILE.csv, raster:TEMPLATE or daymet:BASE")
		f.StringVar(&o.params.ClimateElevation, "climate-elevation", "", "`reference` elevation of the climate: a raster, or metres for a table (default: dem, or the table's own)")
	}
	return c
}

func (o *runOptions) run(ctx context.Context, w job.Workflow, dem string, stdout, stderr io.Writer) error {
	if err := o.complete(w, dem); err != nil {
		return exitError{err, 2}
	}
	log := slog.New(slog.DiscardHandler)
	if o.verbose {
		log = newLogger(stderr, true)
	}
	bar := newProgress(stderr, o.quiet || o.json || o.verbose)
	cost, err := costOf(o.memory, o.threads)
	if err != nil {
		return exitError{err, 2}
	}
	lost := make(chan string, 1)
	p, err := newPlatform(platformOptions{
		cost: cost, lost: func(reason string) {
			select {
			case lost <- reason:
			default: // one is enough
			}
		},
		dir: filepath.Join(o.output, stateDir), threads: o.threads, local: true, log: log, progress: bar.update,
	})
	if err != nil {
		return err
	}
	ended := make(chan struct{}, 1)
	p.broker.Subscribe("cli", []string{eventing.JobCompleted, eventing.JobFailed}, 1, func(context.Context, event.Event) error {
		select {
		case ended <- struct{}{}:
		default: // one is waiting already
		}
		return nil
	})
	p.broker.Start()
	id, err := p.submitLocal(ctx, w, o.params, dem)
	if err == nil {
		err = p.wait(ctx, id, ended, lost)
	}
	bar.finish(err == nil)
	var report *compute.Report
	if err == nil {
		report, err = p.export(context.WithoutCancel(ctx), id, o.output)
	}
	if closing := p.close(); err == nil {
		err = closing
	}
	if ctx.Err() != nil && err != nil {
		return exitError{errors.New("stopped; what is finished is kept: run the same command again to go on"), 130}
	}
	if err != nil {
		return err
	}
	return o.show(stdout, report)
}

// complete checks the flags and fills what they leave open.
func (o *runOptions) complete(w job.Workflow, dem string) error {
	if err := o.params.Validate(w); err != nil {
		return err
	}
	if w == job.EEMT {
		spec, err := climate.ParseSpec(o.params.Climate, o.params.ClimateElevation)
		if err != nil {
			return err
		}
		if spec.Kind == climate.KindTable || spec.Kind == climate.KindPixel {
			if _, err := os.Stat(spec.Path); err != nil {
				return fmt.Errorf("climate table: %w", err)
			}
		}
	}
	if err := checkInputFiles(&o.params); err != nil {
		return err
	}
	if o.threads < 1 || o.threads > 512 {
		return fmt.Errorf("num-threads %d: must be 1 to 512", o.threads)
	}
	info, err := os.Stat(dem)
	if err != nil {
		return fmt.Errorf("DEM: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("DEM %s is not a file", dem)
	}
	if o.params, err = besidePRJ(dem, o.params); err != nil {
		return fmt.Errorf("DEM: %w", err)
	}
	if o.output == "" {
		base := filepath.Base(dem)
		o.output = strings.TrimSuffix(base, filepath.Ext(base)) + "_" + string(w)
	}
	return nil
}
