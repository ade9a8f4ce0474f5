package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/job"
)

func submitCommand() *cobra.Command {
	c := &cobra.Command{Use: "submit", Short: "Send a job to a server", RunE: group, Args: cobra.ArbitraryArgs}
	c.AddCommand(
		submitWorkflow(job.Sol, "sol DEM", "Solar radiation over terrain, computed by a server",
			`  eemt submit sol dem.tif
  eemt submit sol dem.tif --step 30 --server https://eemt.example.org
  eemt submit sol dem.tif --wait --output maps`),
		submitWorkflow(job.EEMT, "eemt DEM", "EEMT-TRAD and EEMT-TOPO, computed by a server",
			`  eemt submit eemt dem.tif --climate table:station.csv
  id=$(eemt submit eemt dem.tif --climate table:station.csv --quiet)`),
	)
	return c
}

func submitWorkflow(w job.Workflow, use, short, example string) *cobra.Command {
	var r remote
	var then follow
	c := &cobra.Command{
		Use: use, Short: short, Example: example, Args: exactly("one DEM"),
		Long: short + `. The DEM and a climate table are sent along; the id of
the job is printed. Exit codes: 1 the job failed, 2 a flag or the DEM is wrong, 3 the server is away.`,
	}
	given := parameterFlags(c.Flags(), w)
	r.flags(c.Flags())
	then.flags(c.Flags(), &r)
	c.RunE = func(c *cobra.Command, args []string) error {
		fields, files, err := parcel(w, args[0], given())
		if err != nil {
			return exitError{err, 2}
		}
		return r.submit(c, fields, files, then)
	}
	return c
}

// localFlags of eemt run mean nothing to a server.
var localFlags = []string{"num-threads", "memory", "output", "quiet", "json", "verbose", "help"}

// parameterFlags adds the flags of eemt run that are parameters of a job, and returns those that were given as fields of
// a submission.
func parameterFlags(f *pflag.FlagSet, w job.Workflow) (given func() []client.Field) {
	var own []*pflag.Flag
	workflowCommand(w, string(w), "", "").Flags().VisitAll(func(flag *pflag.Flag) {
		if !slices.Contains(localFlags, flag.Name) {
			f.AddFlag(flag)
			own = append(own, flag)
		}
	})
	return func() []client.Field {
		var fields []client.Field
		for _, flag := range own {
			if flag.Changed {
				fields = append(fields, client.Field{Name: strings.ReplaceAll(flag.Name, "-", "_"), Value: flag.Value.String()})
			}
		}
		return fields
	}
}

// parcel sorts what is sent into fields and files.
func parcel(w job.Workflow, dem string, given []client.Field) ([]client.Field, []client.File, error) {
	info, err := os.Stat(dem)
	if err != nil {
		return nil, nil, fmt.Errorf("DEM: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("DEM %s is not a file", dem)
	}
	given = oneYear(given)
	if err := validate(w, given); err != nil {
		return nil, nil, err
	}
	fields := []client.Field{{Name: "workflow_type", Value: string(w)}}
	var files []client.File
	for _, f := range given {
		kind, file, _ := strings.Cut(f.Value, ":")
		if f.Name == "climate" && (kind == climate.KindTable || kind == climate.KindPixel) {
			if _, err := os.Stat(file); err != nil {
				return nil, nil, fmt.Errorf("climate table: %w", err)
			}
			name := "climate_file"
			if kind == climate.KindPixel {
				name = "pixel_file"
			}
			files = append(files, client.File{Name: name, Path: file})
			continue
		}
		raster, err := rasterToSend(f)
		if err != nil {
			return nil, nil, err
		}
		if raster.Path != "" {
			files = append(files, raster)
			continue
		}
		fields = append(fields, f)
	}
	p := job.DefaultParameters()
	if i := slices.IndexFunc(fields, func(f client.Field) bool { return f.Name == "dem_crs" }); i < 0 {
		if p, err = besidePRJ(dem, p); err != nil {
			return nil, nil, fmt.Errorf("DEM: %w", err)
		}
		if p.DEMCRS != "" {
			fields = append(fields, client.Field{Name: "dem_crs", Value: p.DEMCRS})
		}
	}
	return fields, append(files, client.File{Name: "dem_file", Path: dem}), nil
}

// validate refuses values that no server takes, before the DEM is on its way. What depends on
// the server, such as which files it has, is left to it.
func validate(w job.Workflow, given []client.Field) error {
	p := job.DefaultParameters()
	for _, f := range given {
		if field, ok := job.FieldOf(f.Name); ok {
			if err := field.SetText(&p, f.Value); err != nil {
				return err
			}
		}
	}
	return p.Validate(w)
}

// rasterToSend is the file that a parameter names on this machine; without a path
// if it names none. A server may have files of its own.
func rasterToSend(f client.Field) (client.File, error) {
	p := job.DefaultParameters()
	field, ok := job.RasterField(f.Name)
	if !ok || p.SetInput(field.Input(), f.Value) != nil { // the server says what is wrong
		return client.File{}, nil
	}
	for _, in := range p.Inputs() {
		if in.Name != field.Input() {
			continue
		}
		for _, file := range in.Files() {
			if _, err := os.Stat(file); err != nil || !local(file) {
				continue
			}
			if len(in.Files()) > 1 {
				return client.File{}, fmt.Errorf("%s: %d files; a server takes one: put the months into the bands of one with: gdal_merge.py -separate -o months.tif JAN.tif ... DEC.tif", in.Name, len(in.Files()))
			}
			return client.File{Name: field.RasterFile(), Path: file}, nil
		}
	}
	return client.File{}, nil
}

// oneYear lets a first year alone, if after the default last one, mean that one year.
func oneYear(fields []client.Field) []client.Field {
	start := ""
	for _, f := range fields {
		switch f.Name {
		case "start_year":
			start = f.Value
		case "end_year":
			return fields
		}
	}
	if start > fmt.Sprint(job.DefaultParameters().EndYear) {
		fields = append(fields, client.Field{Name: "end_year", Value: start})
	}
	return fields
}

// follow says what becomes of a job after it was sent.
type follow struct {
	wait   bool
	output string
}

func (o *follow) flags(f *pflag.FlagSet, r *remote) {
	f.BoolVar(&o.wait, "wait", false, "watch the job until it has ended")
	f.StringVarP(&o.output, "output", "o", "", "with --wait: `directory` for the results (default: they stay on the server)")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "print the job's id and nothing else")
}

// submit sends a job and goes on with it as then says.
func (r *remote) submit(c *cobra.Command, fields []client.Field, files []client.File, then follow) error {
	if then.output != "" && !then.wait {
		return exitError{errors.New("output needs --wait; or fetch the results later with: eemt results ID"), 2}
	}
	api, err := r.client()
	if err != nil {
		return err
	}
	bar := newProgress(c.ErrOrStderr(), r.quiet || r.json)
	id, err := api.Submit(c.Context(), fields, files, func(done, total int64) {
		if total > 1<<20 { // less is sent before a bar can be read
			bar.show(float64(done)/float64(total), "sending")
		}
	})
	bar.finish(err == nil)
	if err != nil {
		var refusal client.Refusal
		var unread *fs.PathError
		if errors.As(err, &refusal) || errors.As(err, &unread) && !errors.Is(err, client.ErrAway) {
			return exitError{err, 2}
		}
		return r.explain(c.Context(), err)
	}
	if !then.wait {
		if r.json {
			return json.NewEncoder(c.OutOrStdout()).Encode(map[string]string{"job_id": id, "status": "submitted"})
		}
		_, err := fmt.Fprintln(c.OutOrStdout(), id)
		if err == nil && !r.quiet {
			_, _ = fmt.Fprintf(c.ErrOrStderr(), "watch it with: eemt watch %s\n", id)
		}
		return err
	}
	if !r.json {
		_, _ = fmt.Fprintln(c.OutOrStdout(), id)
	}
	j, err := r.watch(c, api, id)
	if err != nil || then.output == "" {
		return err
	}
	return r.download(c, api, j, nil, then.output)
}
