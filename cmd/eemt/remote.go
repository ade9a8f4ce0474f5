package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/job"
)

const (
	// exitAway is the exit code when the server cannot be reached or cannot work.
	exitAway = 3
	// watchPause is the time between two looks at a job; watchPatience how long a server may be away meanwhile.
	watchPause, watchPatience = time.Second, 10 * time.Minute
)

// remote is what all commands have that speak to a server.
type remote struct {
	server string
	json   bool
	quiet  bool
}

func (r *remote) flags(f *pflag.FlagSet) {
	r.server = cmp.Or(os.Getenv("EEMT_SERVER"), "http://localhost:5000")
	f.StringVar(&r.server, "server", r.server, "`address` of the server")
	f.Lookup("server").DefValue = "$EEMT_SERVER, or http://localhost:5000"
	f.BoolVar(&r.json, "json", false, "print the server's answer as JSON")
}

func (r *remote) client() (*client.Client, error) {
	c, err := client.New(r.server, "eemt/"+programVersion())
	if err != nil {
		return nil, exitError{err, 2}
	}
	return c, nil
}

// explain gives an error of a call its exit code and a hint to the next step.
func (r *remote) explain(ctx context.Context, err error) error {
	var refusal client.Refusal
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return exitError{errors.New("stopped"), 130}
	case errors.Is(err, client.ErrAway):
		return exitError{fmt.Errorf("%s: %w; is the server there? Name another with --server or EEMT_SERVER", r.server, err), exitAway}
	case errors.As(err, &refusal) && refusal.Status == http.StatusNotFound:
		return fmt.Errorf("%w; list the jobs with: eemt jobs", err)
	}
	return err
}

// exactly returns a check for n arguments, named as in the usage line.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return exitError{fmt.Errorf("%s takes %s, got %d arguments; see: %s --help", c.CommandPath(), strings.Join(names, " and "), len(args), c.CommandPath()), 2}
		}
		return nil
	}
}

func atLeastOne(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return exitError{fmt.Errorf("%s takes one job or more; see: %s --help", c.CommandPath(), c.CommandPath()), 2}
	}
	return nil
}

// localFlags of eemt run mean nothing to a server.
var localFlags = []string{"num-threads", "output", "quiet", "json", "verbose", "help"}

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

// rasterFiles are the fields that send a raster in the place of a value.
var rasterFiles = map[string]string{"linke_value": "linke_file", "albedo_value": "albedo_file", "kb": "kb_file", "kd": "kd_file", "kc": "kc_file"}

// parcel sorts what is sent into fields and files.
func parcel(w job.Workflow, dem string, given []client.Field) ([]client.Field, []client.File, error) {
	info, err := os.Stat(dem)
	if err != nil {
		return nil, nil, fmt.Errorf("DEM: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("DEM %s is not a file", dem)
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
	return oneYear(fields), append(files, client.File{Name: "dem_file", Path: dem}), nil
}

// rasterToSend is the file that a parameter names on this machine; without a path
// if it names none. A server may have files of its own.
func rasterToSend(f client.Field) (client.File, error) {
	p := job.DefaultParameters()
	name := strings.ReplaceAll(f.Name, "_", "-")
	for _, in := range p.Inputs() {
		if in.Name != name || p.SetInput(name, f.Value) != nil { // the server says what is wrong
			continue
		}
		for _, file := range in.Files() {
			if _, err := os.Stat(file); err != nil || !local(file) {
				continue
			}
			if len(in.Files()) > 1 {
				return client.File{}, fmt.Errorf("%s: %d files; a server takes one: put the months into the bands of one with: gdal_merge.py -separate -o months.tif JAN.tif ... DEC.tif", name, len(in.Files()))
			}
			return client.File{Name: rasterFiles[f.Name], Path: file}, nil
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
		if errors.As(err, &refusal) {
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

func watchCommand() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use: "watch ID", Short: "Show how far a job of a server is, until it has ended", Args: exactly("one job"),
		Long: `watch shows the progress of a job until it has ended. A server that is away meanwhile is waited for, up to
10 minutes. Ctrl-C stops watching, not the job. Exit codes: 1 the job failed, 3 the server is away.`,
		Example: `  eemt watch 01JTESTKDH6BKDYFCDM6QM1YQ4`,
	}
	r.flags(c.Flags())
	c.Flags().BoolVarP(&r.quiet, "quiet", "q", false, "print nothing but errors")
	c.RunE = func(c *cobra.Command, args []string) error {
		api, err := r.client()
		if err != nil {
			return err
		}
		_, err = r.watch(c, api, args[0])
		return err
	}
	return c
}

// watch shows a job until it has ended. Its error is that of a failed job, too.
func (r *remote) watch(c *cobra.Command, api *client.Client, id string) (client.Job, error) {
	bar := newProgress(c.ErrOrStderr(), r.quiet || r.json)
	j, err := api.Watch(c.Context(), id, watchPause, watchPatience, func(j client.Job) {
		bar.show(float64(j.Progress)/100, j.Status)
	})
	bar.finish(err == nil && j.Status == "completed")
	if c.Context().Err() != nil {
		return j, exitError{fmt.Errorf("stopped watching; the job goes on: eemt watch %s", id), 130}
	}
	if err != nil {
		return j, r.explain(c.Context(), err)
	}
	if r.json {
		if _, err := fmt.Fprintln(c.OutOrStdout(), string(j.Raw)); err != nil {
			return j, err
		}
	}
	if j.Status != "completed" {
		return j, errors.New(cmp.Or(j.Error, "the job failed"))
	}
	if !r.json && !r.quiet {
		_, _ = fmt.Fprintf(c.ErrOrStderr(), "completed; fetch the results with: eemt results %s\n", id)
	}
	return j, nil
}

func jobsCommand() *cobra.Command {
	var r remote
	var status string
	var limit int
	c := &cobra.Command{
		Use: "jobs [ID...]", Short: "List the jobs of a server, or show some",
		Example: `  eemt jobs
  eemt jobs --status failed --limit 10
  eemt jobs 01JTESTKDH6BKDYFCDM6QM1YQ4 --json`,
	}
	r.flags(c.Flags())
	c.Flags().StringVar(&status, "status", "", "only jobs of this `status`: pending, running, completed, failed")
	c.Flags().IntVar(&limit, "limit", 20, "at most this many `jobs`, 1 to 1000")
	c.RunE = func(c *cobra.Command, args []string) error {
		if states := []string{"", "pending", "running", "completed", "failed"}; !slices.Contains(states, status) {
			return exitError{fmt.Errorf("status %q: must be %s", status, strings.Join(states[1:], ", ")), 2}
		}
		if limit < 1 || limit > 1000 {
			return exitError{fmt.Errorf("limit %d: must be 1 to 1000", limit), 2}
		}
		api, err := r.client()
		if err != nil {
			return err
		}
		var list []client.Job
		if len(args) == 0 {
			if list, err = api.Jobs(c.Context(), status, limit); err != nil {
				return r.explain(c.Context(), err)
			}
		}
		for _, id := range args {
			j, err := api.Job(c.Context(), id)
			if err != nil {
				return r.explain(c.Context(), fmt.Errorf("job %s: %w", id, err))
			}
			list = append(list, j)
		}
		return r.list(c.OutOrStdout(), list)
	}
	return c
}

// list prints a table of jobs, or what the server said of them.
func (r *remote) list(w io.Writer, list []client.Job) error {
	if r.json {
		raw := make([]json.RawMessage, 0, len(list))
		for _, j := range list {
			raw = append(raw, j.Raw)
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(raw)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "job\tworkflow\tstatus\tdone\tcreated (UTC)\tDEM\treason")
	for _, j := range list {
		reason := j.Error
		if j.Expired != nil {
			reason = "data removed " + j.Expired.UTC().Format("2006-01-02")
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%d %%\t%s\t%s\t%s\n", j.ID, j.Workflow, j.Status, j.Progress, j.Created.UTC().Format("2006-01-02 15:04"), plain(j.DEM), plain(reason))
	}
	return t.Flush()
}

// plain makes a text from elsewhere fit for a line of a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

func resultsCommand() *cobra.Command {
	var r remote
	var output string
	var list bool
	c := &cobra.Command{
		Use: "results ID [PATTERN...]", Short: "Fetch the results of a job of a server",
		Long: `results fetches the files of a completed job, all of them or those whose names match a pattern. A download that
breaks off is taken up where it was; a file appears under its name when it is whole.`,
		Example: `  eemt results 01JTESTKDH6BKDYFCDM6QM1YQ4
  eemt results 01JTESTKDH6BKDYFCDM6QM1YQ4 --list
  eemt results 01JTESTKDH6BKDYFCDM6QM1YQ4 'global/annual/*.tif' report.json --output maps`,
		Args: atLeastOne,
	}
	r.flags(c.Flags())
	f := c.Flags()
	f.StringVarP(&output, "output", "o", "", "`directory` for the files (default: <DEM name>_<workflow>)")
	f.BoolVar(&list, "list", false, "only list the files with their sizes")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "print nothing but errors")
	c.RunE = func(c *cobra.Command, args []string) error {
		for _, p := range args[1:] {
			if _, err := path.Match(p, ""); err != nil {
				return exitError{fmt.Errorf("pattern %q: %w", p, err), 2}
			}
		}
		api, err := r.client()
		if err != nil {
			return err
		}
		j, err := api.Job(c.Context(), args[0])
		if err != nil {
			return r.explain(c.Context(), err)
		}
		if list {
			return r.listFiles(c, api, j, args[1:])
		}
		return r.download(c, api, j, args[1:], output)
	}
	return c
}

// files lists the results of a completed job that match any of the patterns, or all.
func (r *remote) files(c *cobra.Command, api *client.Client, j client.Job, patterns []string) ([]client.Result, error) {
	switch {
	case j.Expired != nil:
		return nil, fmt.Errorf("the results were removed on %s; compute them again with: eemt submit", j.Expired.UTC().Format("2006-01-02"))
	case j.Status == "failed":
		return nil, fmt.Errorf("the job failed: %s", j.Error)
	case j.Status != "completed":
		return nil, fmt.Errorf("the job is %s; wait for it with: eemt watch %s", j.Status, j.ID)
	}
	list, err := api.Results(c.Context(), j.ID)
	if err != nil {
		return nil, r.explain(c.Context(), err)
	}
	if len(patterns) > 0 {
		list = slices.DeleteFunc(list, func(f client.Result) bool {
			return !slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, f.Name); return ok || p == f.Name })
		})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no file of job %s matches; list them with: eemt results %s --list", j.ID, j.ID)
	}
	return list, nil
}

func (r *remote) listFiles(c *cobra.Command, api *client.Client, j client.Job, patterns []string) error {
	list, err := r.files(c, api, j, patterns)
	if err != nil {
		return err
	}
	if r.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(list)
	}
	for _, f := range list {
		if _, err := fmt.Fprintf(c.OutOrStdout(), "%12d  %s\n", f.Size, plain(f.Name)); err != nil {
			return err
		}
	}
	return nil
}

// downloads is how many files are fetched at a time.
const downloads = 4

// download fetches results into a directory.
func (r *remote) download(c *cobra.Command, api *client.Client, j client.Job, patterns []string, output string) error {
	list, err := r.files(c, api, j, patterns)
	if err != nil {
		return err
	}
	if output == "" {
		base := filepath.Base(filepath.FromSlash(j.DEM))
		output = strings.TrimSuffix(base, filepath.Ext(base)) + "_" + j.Workflow
		if !filepath.IsLocal(output) {
			output = j.ID
		}
	}
	var total, done int64
	for _, f := range list {
		total += f.Size
	}
	bar := newProgress(c.ErrOrStderr(), r.quiet || r.json)
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	var mu sync.Mutex
	var failed error
	next := make(chan client.Result)
	var wait sync.WaitGroup
	for range downloads {
		wait.Go(func() {
			for f := range next {
				err := api.Download(ctx, j.ID, f, output, func(n int) {
					mu.Lock()
					done += int64(n)
					share := float64(done) / float64(max(total, 1))
					mu.Unlock()
					bar.show(share, "fetching")
				})
				mu.Lock()
				if err != nil && failed == nil {
					failed = err
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	for _, f := range list {
		select {
		case next <- f:
		case <-ctx.Done():
		}
	}
	close(next)
	wait.Wait()
	bar.finish(failed == nil)
	if failed != nil {
		return r.explain(c.Context(), failed)
	}
	if r.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"job_id": j.ID, "output": output, "files": list})
	}
	if !r.quiet {
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d files in %s\n", len(list), output)
	}
	return err
}

func cancelCommand() *cobra.Command {
	return changeCommand("cancel ID...", "Cancel jobs of a server that go on", "cancelled", (*client.Client).Cancel)
}

func deleteCommand() *cobra.Command {
	return changeCommand("delete ID...", "Delete ended jobs of a server with their data", "deleted", (*client.Client).Delete)
}

func changeCommand(use, short, done string, do func(*client.Client, context.Context, string) error) *cobra.Command {
	var r remote
	verb, _, _ := strings.Cut(use, " ")
	c := &cobra.Command{Use: use, Short: short, Args: atLeastOne, Example: "  eemt " + verb + " 01JTESTKDH6BKDYFCDM6QM1YQ4"}
	r.flags(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		api, err := r.client()
		if err != nil {
			return err
		}
		for _, id := range args {
			if err := do(api, c.Context(), id); err != nil {
				return r.explain(c.Context(), fmt.Errorf("job %s: %w", id, err))
			}
			if r.json {
				err = json.NewEncoder(c.OutOrStdout()).Encode(map[string]string{"job_id": id, "status": done})
			} else {
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s %s\n", id, done)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

func rerunCommand() *cobra.Command {
	var r remote
	var then follow
	c := &cobra.Command{
		Use: "rerun ID", Short: "Send a job of a server again, with some parameters changed", Args: exactly("one job"),
		Long: `rerun makes a new job of the DEM that a server has from an earlier one, with the same parameters but those given.
It works for as long as the server keeps the data of the earlier job.`,
		Example: `  eemt rerun 01JTESTKDH6BKDYFCDM6QM1YQ4 --step 5
  eemt rerun 01JTESTKDH6BKDYFCDM6QM1YQ4 --shadows off --wait`,
	}
	given := parameterFlags(c.Flags(), job.EEMT)
	r.flags(c.Flags())
	then.flags(c.Flags(), &r)
	c.RunE = func(c *cobra.Command, args []string) error {
		api, err := r.client()
		if err != nil {
			return err
		}
		j, err := api.Job(c.Context(), args[0])
		if err != nil {
			return r.explain(c.Context(), err)
		}
		if j.Uploaded == "" {
			return fmt.Errorf("the server has the DEM of job %s no more; send it again with: eemt submit %s DEM", j.ID, j.Workflow)
		}
		fields, err := again(j, given())
		if err != nil {
			return exitError{err, 2}
		}
		return r.submit(c, fields, nil, then)
	}
	return c
}

// again turns the parameters of a job into the fields of the next, the given ones over them.
func again(j client.Job, given []client.Field) ([]client.Field, error) {
	values := map[string]string{}
	for name, raw := range j.Parameters {
		text := string(raw)
		var list []json.RawMessage
		switch {
		case json.Unmarshal(raw, &list) == nil:
			parts := make([]string, len(list))
			for i := range list {
				parts[i] = strings.Trim(string(list[i]), `"`)
			}
			text = strings.Join(parts, ",")
		case strings.HasPrefix(text, `"`):
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, fmt.Errorf("parameter %s of job %s: %w", name, j.ID, err)
			}
		}
		values[name] = text
	}
	// Rasters, and an index from the climate, are recorded beside the values whose place they take.
	for field, file := range rasterFiles {
		if raster := strings.TrimSuffix(file, "_file") + "_raster"; values[raster] != "" {
			values[field] = values[raster]
			delete(values, raster)
		}
	}
	if values["kc_climate"] == "true" {
		values["kc"] = "climate"
	}
	delete(values, "kc_climate")
	for _, f := range given {
		if kind, _, _ := strings.Cut(f.Value, ":"); f.Name == "climate" && (kind == climate.KindTable || kind == climate.KindPixel) {
			return nil, fmt.Errorf("climate %q: another table is sent with: eemt submit %s DEM --climate %s", f.Value, j.Workflow, f.Value)
		}
		values[f.Name] = f.Value
	}
	fields := []client.Field{{Name: "workflow_type", Value: j.Workflow}, {Name: "uploaded_filename", Value: j.Uploaded}}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fields = append(fields, client.Field{Name: name, Value: values[name]})
	}
	return fields, nil
}
