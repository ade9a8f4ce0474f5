package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/job"
)

func cancelCommand() *cobra.Command {
	return changeCommand("cancel ID...", "Cancel running jobs", []string{string(job.Pending), string(job.Running)}, func(ctx context.Context, api *client.Client, id string) (string, error) {
		return "cancelled", api.Cancel(ctx, id)
	})
}

func deleteCommand() *cobra.Command {
	return changeCommand("delete ID...", "Delete jobs that have ended, with their data", []string{string(job.Completed), string(job.Failed), string(job.Cancelled)}, func(ctx context.Context, api *client.Client, id string) (string, error) {
		return "deleted", api.Delete(ctx, id)
	})
}

func keepCommand() *cobra.Command {
	var days int
	c := changeCommand("keep ID...", "Pin jobs, so that no cleanup removes them", nil, func(ctx context.Context, api *client.Client, id string) (string, error) {
		if days > 0 {
			return fmt.Sprintf("kept for %d days", days), api.Pin(ctx, id, days)
		}
		return "pinned", api.Pin(ctx, id, 0)
	})
	c.Long = `keep pins jobs: neither the daily cleanup nor eemt cleanup removes them. With --days they are kept for that many days
after their end, or from now if they ended before. eemt unkeep sets the usual retention time again.`
	c.Example += "\n  eemt keep 01JTESTKDH6BKDYFCDM6QM1YQ4 --days 90"
	c.Flags().IntVar(&days, "days", 0, fmt.Sprintf("keep for this many `days`, 1 to %d", job.MaxPinDays))
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if c.Flags().Changed("days") && (days < 1 || days > job.MaxPinDays) {
			return cli.WithCode(fmt.Errorf("days %d: must be 1 to %d", days, job.MaxPinDays), 2)
		}
		return nil
	}
	return c
}

func unkeepCommand() *cobra.Command {
	return changeCommand("unkeep ID...", "Unpin jobs", nil, func(ctx context.Context, api *client.Client, id string) (string, error) {
		return "unpinned", api.Unpin(ctx, id)
	})
}

// changeCommand does something to one job after the other, and prints what was done.
// Completion offers those in some states, or all.
func changeCommand(use, short string, states []string, do func(ctx context.Context, api *client.Client, id string) (done string, err error)) *cobra.Command {
	var r remote
	verb, _, _ := strings.Cut(use, " ")
	c := &cobra.Command{Use: use, Short: short, Args: atLeastOne, Example: "  eemt " + verb + " 01JTESTKDH6BKDYFCDM6QM1YQ4"}
	r.flags(c.Flags())
	c.ValidArgsFunction = r.completeJobs(0, states...)
	cli.Describe(c, cli.RemoteExits("done for all jobs", "the server refused it for a job; later jobs are not changed"), cli.ServerVariable)
	c.RunE = func(c *cobra.Command, args []string) error {
		api, err := r.client()
		if err != nil {
			return err
		}
		for _, id := range args {
			done, err := do(c.Context(), api, id)
			if err != nil {
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
