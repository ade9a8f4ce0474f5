package remote

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/eemt/internal/progress"
	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// watchPause is the time between two requests for a job; watchPatience how long a server may give no answer.
const watchPause, watchPatience = time.Second, 10 * time.Minute

func watchCommand() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use: "watch ID", Short: "Show the progress of a job until it ends", Args: oneJob,
		Long: `watch shows the progress of a job until it ends, with the time left. If the server does not answer, watch tries again for
10 minutes. Ctrl-C stops watch; the job keeps running.`,
		Example: `  eemt watch 01JTESTKDH6BKDYFCDM6QM1YQ4`,
	}
	r.flags(c.Flags())
	c.Flags().BoolVarP(&r.quiet, "quiet", "q", false, "print nothing but errors")
	cli.InGroup(c.Flags(), param.GroupOutput.Title(), "quiet")
	c.ValidArgsFunction = r.completeJobs(1, string(job.Pending), string(job.Running))
	cli.Describe(c, cli.RemoteExits("the job completed", "the job failed, or the server does not know it"), cli.ServerVariable)
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
	bar := progress.New(c.ErrOrStderr(), r.quiet || r.json)
	j, err := api.Watch(c.Context(), id, watchPause, watchPatience, func(j client.Job) {
		bar.Watch(j)
	})
	bar.Finish(err == nil && j.Status == "completed")
	if c.Context().Err() != nil {
		return j, cli.WithCode(fmt.Errorf("stopped watching; the job keeps running: eemt watch %s", id), cli.Stopped)
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
		_, _ = fmt.Fprintf(c.ErrOrStderr(), "completed; download the results with: eemt results %s\n", id)
	}
	return j, nil
}
