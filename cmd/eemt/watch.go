package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/internal/client"
)

// watchPause is the time between two looks at a job; watchPatience how long a server may be away meanwhile.
const watchPause, watchPatience = time.Second, 10 * time.Minute

func watchCommand() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use: "watch ID", Short: "Show how far a job of a server is, until it has ended", Args: oneJob,
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
		bar.expect(j.Expected, time.Now())
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
