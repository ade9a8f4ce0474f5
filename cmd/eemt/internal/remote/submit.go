package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/eemt/internal/inputfile"
	"github.com/cyverse-gis/eemt/cmd/eemt/internal/progress"
	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/param"
)

func submitCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "submit", Short: "Submit a job to a server", RunE: cli.Group, Args: cobra.ArbitraryArgs,
		Example: `  eemt submit sol dem.tif
  eemt submit eemt dem.tif --climate table:station.csv --wait`,
	}
	c.AddCommand(
		submitWorkflow(param.Sol, "sol DEM", "Submit a job that maps solar radiation over terrain",
			`  eemt submit sol dem.tif
  eemt submit sol dem.tif --step 30 --server https://eemt.example.org
  eemt submit sol dem.tif --wait --output maps`),
		submitWorkflow(param.EEMT, "eemt DEM", "Submit a job that maps EEMT-TRAD and EEMT-TOPO",
			`  eemt submit eemt dem.tif --climate table:station.csv
  id=$(eemt submit eemt dem.tif --climate table:station.csv --quiet)`),
	)
	return c
}

func submitWorkflow(w param.Workflow, use, short, example string) *cobra.Command {
	var r remote
	var then follow
	c := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cli.Exactly("one DEM"),
		Long: short + `. The DEM, a climate table and rasters that are files of this machine are sent along. The id of the job
is printed.`,
	}
	parameters := cli.AddParameters(c, w)
	r.flags(c.Flags())
	then.flags(c.Flags(), &r)
	c.Flags().BoolVar(&then.fresh, "fresh", false, "make another job where one of yours with the same inputs goes on or is completed")
	cli.InGroup(c.Flags(), param.GroupOutput.Title(), "fresh")
	cli.Describe(c, cli.RemoteExits("the job is submitted; with --wait: completed", "the job failed, or the server refused it"), cli.ServerVariable)
	c.RunE = func(c *cobra.Command, args []string) error {
		fields, files, err := submissionForm(w, args[0], parameters)
		if err != nil {
			return cli.WithCode(err, 2)
		}
		return r.submit(c, fields, files, then)
	}
	return c
}

// submissionForm returns the fields and the files of a submission.
func submissionForm(w param.Workflow, dem string, given cli.ParameterFlags) ([]client.Field, []client.File, error) {
	if err := inputfile.CheckDEM(dem); err != nil {
		return nil, nil, err
	}
	// Values that no server takes are refused before the DEM is on its way. What depends on the server, such as which
	// files it has, is left to it.
	params, err := given.Parameters()
	if err == nil {
		err = params.Validate(w)
	}
	if err != nil {
		return nil, nil, err
	}
	fields := []client.Field{{Name: "workflow_type", Value: string(w)}}
	var files []client.File
	for _, f := range withYears(given.Fields(), params) {
		file, err := fileToSend(f)
		switch {
		case err != nil:
			return nil, nil, err
		case file.Path != "":
			files = append(files, file)
		default:
			fields = append(fields, f)
		}
	}
	if !slices.ContainsFunc(fields, func(f client.Field) bool { return f.Name == "dem_crs" }) {
		system, err := systemBeside(dem)
		if err != nil {
			return nil, nil, fmt.Errorf("DEM: %w", err)
		}
		if system != "" {
			fields = append(fields, client.Field{Name: "dem_crs", Value: system})
		}
	}
	return fields, append(files, client.File{Name: "dem_file", Path: dem}), nil
}

// withYears adds to the fields of a submission the year that one year alone means.
func withYears(fields []client.Field, p param.Parameters) []client.Field {
	usual := param.DefaultParameters()
	given := func(name string) bool {
		return slices.ContainsFunc(fields, func(f client.Field) bool { return f.Name == name })
	}
	if p.StartYear != usual.StartYear && !given("start_year") {
		fields = append(fields, client.Field{Name: "start_year", Value: strconv.Itoa(p.StartYear)})
	}
	if p.EndYear != usual.EndYear && !given("end_year") {
		fields = append(fields, client.Field{Name: "end_year", Value: strconv.Itoa(p.EndYear)})
	}
	return fields
}

// fileToSend is the climate table or the raster of this machine that a parameter names; without a path if it names none.
func fileToSend(f client.Field) (client.File, error) {
	if f.Name != "climate" {
		return rasterToSend(f)
	}
	kind, name, _ := strings.Cut(f.Value, ":")
	isFile, err := inputfile.CheckClimate(kind, name)
	switch {
	case err != nil || !isFile:
		return client.File{}, err
	case kind == climate.KindPixel:
		return client.File{Name: "pixel_file", Path: name}, nil
	}
	return client.File{Name: "climate_file", Path: name}, nil
}

// systemBeside is the coordinate system that the .prj file beside a DEM states, if the DEM lacks one.
func systemBeside(dem string) (string, error) {
	p, err := inputfile.BesidePRJ(dem, param.DefaultParameters())
	if err == nil && p.DEMCRS == "" && inputfile.IsASCIIGrid(dem) {
		p.DEMCRS = inputfile.ReadPRJ(dem) // a grid states no system itself
	}
	return p.DEMCRS, err
}

// rasterToSend is the file that a parameter names on this machine; without a path
// if it names none. A server may have files of its own.
func rasterToSend(f client.Field) (client.File, error) {
	p := param.DefaultParameters()
	field, ok := param.RasterField(f.Name)
	if !ok || p.SetInput(field.Input(), f.Value) != nil { // the server says what is wrong
		return client.File{}, nil
	}
	for _, in := range p.Inputs() {
		if in.Name != field.Input() {
			continue
		}
		for _, file := range in.Files() {
			if _, err := os.Stat(file); err != nil || !inputfile.IsLocal(file) {
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

// follow says what becomes of a job after it was sent.
type follow struct {
	wait   bool
	output string
	// overwrite lets maps of another job be replaced.
	overwrite bool
	// fresh asks for another job where one does the same already.
	fresh bool
}

func (o *follow) flags(f *pflag.FlagSet, r *remote) {
	f.BoolVar(&o.wait, "wait", false, "show progress until the job ends")
	f.StringVarP(&o.output, "output", "o", "", "with --wait: `directory` to download the results to")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "print only the id of the job")
	f.BoolVar(&o.overwrite, "overwrite", false, "with --output: "+overwriteUsage)
	cli.InGroup(f, param.GroupOutput.Title(), "wait", "output", "overwrite", "quiet")
}

// submit sends a job and does with it what then says.
func (r *remote) submit(c *cobra.Command, fields []client.Field, files []client.File, then follow) error {
	if then.output != "" && !then.wait {
		return cli.WithCode(errors.New("output needs --wait; or download the results later with: eemt results ID"), 2)
	}
	api, err := r.client()
	if err != nil {
		return err
	}
	bar := progress.New(c.ErrOrStderr(), r.quiet || r.json)
	if then.fresh {
		fields = append(fields, client.Field{Name: "fresh", Value: "true"})
	}
	job, err := api.Submit(c.Context(), fields, files, func(done, total int64) {
		if total > 1<<20 { // less is sent before a bar can be read
			bar.Show(float64(done)/float64(total), "sending")
		}
	})
	bar.Finish(err == nil)
	if err != nil {
		return r.notSent(c, err)
	}
	if job.Existing && !r.quiet && !r.json {
		_, _ = fmt.Fprintf(c.ErrOrStderr(), "job %s does the same already; another is made with --fresh\n", job.ID)
	}
	if !then.wait {
		return r.sent(c, job)
	}
	if !r.json {
		_, _ = fmt.Fprintln(c.OutOrStdout(), job.ID)
	}
	j, err := r.watch(c, api, job.ID)
	if err != nil || then.output == "" {
		return err
	}
	return r.download(c, api, j, nil, then.output, then.overwrite)
}

// notSent explains why a job was not taken: by what the user gave, or by the server.
func (r *remote) notSent(c *cobra.Command, err error) error {
	var refusal client.Refusal
	var unread *fs.PathError
	if errors.As(err, &refusal) || errors.As(err, &unread) && !errors.Is(err, client.ErrAway) {
		return cli.WithCode(err, 2)
	}
	return r.explain(c.Context(), err)
}

// sent prints the id of a job that goes on by itself.
func (r *remote) sent(c *cobra.Command, job client.Submitted) error {
	if r.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(struct {
			client.Submitted
			Status string `json:"status"`
		}{job, "submitted"})
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), job.ID)
	if err == nil && !r.quiet {
		_, _ = fmt.Fprintf(c.ErrOrStderr(), "show its progress with: eemt watch %s\n", job.ID)
	}
	return err
}
