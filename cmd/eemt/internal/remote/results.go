package remote

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/eemt/internal/progress"
	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/cmd/internal/outdir"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

func resultsCommand() *cobra.Command {
	var r remote
	var output string
	var list, overwrite bool
	c := &cobra.Command{
		Use: "results ID [PATTERN...]", Short: "Download the results of a job",
		Long: `results downloads the files of a completed job, all of them or those whose names match a pattern. An interrupted
download continues where it stopped. A file appears under its name when it is complete. Maps of different
jobs are not mixed in one directory.`,
		Example: `  eemt results 01JTESTKDH6BKDYFCDM6QM1YQ4
  eemt results 01JTESTKDH6BKDYFCDM6QM1YQ4 --list
  eemt results 01JTESTKDH6BKDYFCDM6QM1YQ4 'global/annual/*.tif' report.json --output maps`,
		Args: func(c *cobra.Command, args []string) error { return atLeastOne(c, args[:min(len(args), 1)]) },
	}
	r.flags(c.Flags())
	f := c.Flags()
	f.StringVarP(&output, "output", "o", "", "`directory` for the files (default <DEM name>_<workflow>)")
	f.BoolVar(&list, "list", false, "list the files with their sizes, download none")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "print nothing but errors")
	f.BoolVar(&overwrite, "overwrite", false, overwriteUsage)
	cli.InGroup(f, param.GroupOutput.Title(), "output", "overwrite", "quiet")
	c.ValidArgsFunction = r.completeJobs(1, string(job.Completed))
	cli.Describe(c, cli.RemoteExits("the files are there", "the job has no results, or a file could not be written"), cli.ServerVariable)
	c.RunE = func(c *cobra.Command, args []string) error {
		for _, p := range args[1:] {
			if _, err := path.Match(p, ""); err != nil {
				return cli.WithCode(fmt.Errorf("pattern %q: %w", p, err), 2)
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
		return r.download(c, api, j, args[1:], output, overwrite)
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
		return nil, fmt.Errorf("the job is %s; show its progress with: eemt watch %s", j.Status, j.ID)
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
		if _, err := fmt.Fprintf(c.OutOrStdout(), "%12d  %s\n", f.Size, cli.Plain(f.Name)); err != nil {
			return err
		}
	}
	return nil
}

const overwriteUsage = "replace the maps of another job in the directory: all that were written for it are removed when the new ones are there"

// downloads is how many files are fetched at a time.
const downloads = 4

// markOf says whose the results of a job are, by its report.
func (r *remote) markOf(c *cobra.Command, api *client.Client, j client.Job) (outdir.Mark, error) {
	m := outdir.Mark{Job: j.ID, Origin: outdir.Origin{Workflow: param.Workflow(j.Workflow), DEM: j.DEM, SHA256: j.ID}}
	list, err := api.Results(c.Context(), j.ID)
	if err != nil {
		return m, err
	}
	i := slices.IndexFunc(list, func(f client.Result) bool { return f.Name == outdir.ReportName })
	if i < 0 {
		return m, nil
	}
	dir, err := os.MkdirTemp("", "eemt-report-")
	if err != nil {
		return m, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := api.Download(c.Context(), j.ID, list[i], dir, func(int) {}); err != nil {
		return m, err
	}
	data, err := os.ReadFile(filepath.Join(dir, outdir.ReportName))
	if err != nil {
		return m, err
	}
	if said, _ := outdir.OfReport(data); said != nil && said.Job == j.ID {
		m = *said
	}
	return m, nil
}

// into takes a directory for results, unless it holds maps of another job that these would mix with.
func (r *remote) into(c *cobra.Command, api *client.Client, j client.Job, list []client.Result, output string, overwrite bool) (*outdir.Dir, outdir.Mark, error) {
	m, err := r.markOf(c, api, j)
	if err != nil {
		return nil, m, err
	}
	for _, f := range list {
		m.Files = append(m.Files, outdir.File{Name: f.Name, Size: f.Size})
	}
	dir, err := outdir.Claim(output, outdir.StateDir)
	if err != nil {
		return nil, m, err
	}
	if dir.FormerJob() != j.ID {
		names := make([]string, len(list))
		for i, f := range list {
			names[i] = f.Name
		}
		var notes []string
		notes, err = dir.Allow(func() (outdir.Origin, error) { return m.Origin, nil }, m.Version, names, overwrite)
		for _, n := range notes {
			if !r.quiet {
				_, _ = fmt.Fprintln(c.ErrOrStderr(), "note:", n)
			}
		}
	}
	if err == nil {
		err = dir.Begin(&m)
	}
	if err != nil {
		_ = dir.Release()
		return nil, m, err
	}
	return dir, m, nil
}

// placed marks a directory as holding the files that came.
func (r *remote) placed(c *cobra.Command, dir *outdir.Dir, m outdir.Mark) error {
	for i, f := range m.Files {
		if info, err := os.Stat(dir.Path(filepath.FromSlash(f.Name))); err == nil {
			m.Files[i].Modified = info.ModTime()
		}
	}
	notes, err := dir.Place(m, func(string) error { return nil })
	for _, n := range notes {
		if !r.quiet {
			_, _ = fmt.Fprintln(c.ErrOrStderr(), "note:", n)
		}
	}
	return err
}

// download fetches results into a directory.
func (r *remote) download(c *cobra.Command, api *client.Client, j client.Job, patterns []string, output string, overwrite bool) error {
	list, err := r.files(c, api, j, patterns)
	if err != nil {
		return err
	}
	if output == "" {
		output = outputOf(j)
	}
	dir, mark, err := r.into(c, api, j, list, output, overwrite)
	if err != nil {
		return r.explain(c.Context(), err)
	}
	defer func() { _ = dir.Release() }()
	if err := r.fetch(c, api, j.ID, list, output); err != nil {
		return r.explain(c.Context(), err)
	}
	if err := r.placed(c, dir, mark); err != nil {
		return err
	}
	if r.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"job_id": j.ID, "output": output, "files": list})
	}
	if !r.quiet {
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d files in %s\n", len(list), output)
	}
	return err
}

// outputOf is the usual directory for the results of a job.
func outputOf(j client.Job) string {
	base := filepath.Base(filepath.FromSlash(j.DEM))
	output := strings.TrimSuffix(base, filepath.Ext(base)) + "_" + j.Workflow
	if !filepath.IsLocal(output) {
		return j.ID
	}
	return output
}

// fetch downloads files, some at a time, with a bar for all of them. The first error ends it.
func (r *remote) fetch(c *cobra.Command, api *client.Client, id string, list []client.Result, output string) error {
	var total int64
	for _, f := range list {
		total += f.Size
	}
	bar := progress.New(c.ErrOrStderr(), r.quiet || r.json)
	var done atomic.Int64
	group, ctx := errgroup.WithContext(c.Context())
	group.SetLimit(downloads)
	for _, f := range list {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return api.Download(ctx, id, f, output, func(n int) {
				bar.Show(float64(done.Add(int64(n)))/float64(max(total, 1)), "downloading")
			})
		})
	}
	err := group.Wait()
	bar.Finish(err == nil)
	return err
}
