package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/param"
)

func jobsCommand() *cobra.Command {
	var r remote
	var want client.Query
	c := &cobra.Command{
		Use: "jobs [ID...]", Short: "List jobs", Args: func(_ *cobra.Command, args []string) error { return areIDs(args) },
		Example: `  eemt jobs
  eemt jobs --status failed --limit 10
  eemt jobs --search jemez --workflow eemt
  eemt jobs 01JTESTKDH6BKDYFCDM6QM1YQ4 --json`,
	}
	r.flags(c.Flags())
	c.Flags().StringVar(&want.Status, "status", "", "only jobs of this `status`: pending, running, completed, failed (includes cancelled), cancelled")
	c.Flags().StringVar(&want.Workflow, "workflow", "", "only jobs of this `workflow`: sol, eemt")
	c.Flags().StringVar(&want.Text, "search", "", "only jobs with all of these `words` in the id, DEM, workflow or climate")
	c.Flags().IntVar(&want.Limit, "limit", 20, "list at most this `number` of jobs, 1 to 1000")
	cli.CompleteFlag(c, "status", cli.OneOf(cli.JobStates()))
	cli.CompleteFlag(c, "workflow", cli.OneOf(cli.Workflows))
	cli.CompleteFlag(c, "limit", cobra.NoFileCompletions)
	cli.CompleteFlag(c, "search", cobra.NoFileCompletions)
	c.ValidArgsFunction = r.completeJobs(0)
	cli.Describe(c, cli.RemoteExits("done", "the server does not know the job"), cli.ServerVariable)
	c.RunE = func(c *cobra.Command, args []string) error {
		if s := want.Status; s != "" && !slices.Contains(cli.JobStates(), s) {
			return cli.WithCode(fmt.Errorf("status %q: must be %s", s, cli.Either(cli.JobStates())), 2)
		}
		if w := want.Workflow; w != "" && w != string(param.Sol) && w != string(param.EEMT) {
			return cli.WithCode(fmt.Errorf("workflow %q: must be sol or eemt", w), 2)
		}
		if want.Limit < 1 || want.Limit > 1000 {
			return cli.WithCode(fmt.Errorf("limit %d: must be 1 to 1000", want.Limit), 2)
		}
		api, err := r.client()
		if err != nil {
			return err
		}
		var list []client.Job
		if len(args) == 0 {
			var more bool
			if list, more, err = api.Jobs(c.Context(), want); err != nil {
				return r.explain(c.Context(), err)
			}
			if more && len(list) < want.Limit {
				_, _ = fmt.Fprintln(c.ErrOrStderr(), "older jobs were not searched; name one by its id")
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
	_, _ = fmt.Fprintln(t, "job\tworkflow\tstatus\tdone\tcreated (UTC)\tkept until\tDEM\treason")
	for _, j := range list {
		reason := j.Error
		if j.Expired != nil {
			reason = "data removed " + j.Expired.UTC().Format("2006-01-02")
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%.0f %%\t%s\t%s\t%s\t%s\n", j.ID, j.Workflow, j.Status, j.Progress, j.Created.UTC().Format("2006-01-02 15:04"), kept(j), cli.Plain(j.DEM), cli.Plain(reason))
	}
	return t.Flush()
}

// kept says until when a job is kept.
func kept(j client.Job) string {
	switch {
	case j.Pinned:
		return "pinned"
	case j.Expires != nil:
		return j.Expires.UTC().Format("2006-01-02 15:04")
	}
	return "-"
}
