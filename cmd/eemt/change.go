package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/job"
)

func cancelCommand() *cobra.Command {
	return changeCommand("cancel ID...", "Cancel jobs of a server that go on", func(ctx context.Context, api *client.Client, id string) (string, error) {
		return "cancelled", api.Cancel(ctx, id)
	})
}

func deleteCommand() *cobra.Command {
	return changeCommand("delete ID...", "Delete ended jobs of a server with their data", func(ctx context.Context, api *client.Client, id string) (string, error) {
		return "deleted", api.Delete(ctx, id)
	})
}

func keepCommand() *cobra.Command {
	var days int
	c := changeCommand("keep ID...", "Pin jobs of a server, so that retention leaves them alone", func(ctx context.Context, api *client.Client, id string) (string, error) {
		if days > 0 {
			return fmt.Sprintf("kept for %d days", days), api.Keep(ctx, id, days)
		}
		return "pinned", api.Keep(ctx, id, 0)
	})
	c.Long = `keep pins jobs: retention never removes them, nor does a cleanup by hand. With --days they go so many days after
their end, or after now if that is later. eemt unkeep gives them back to the usual time.`
	c.Example += "\n  eemt keep 01JTESTKDH6BKDYFCDM6QM1YQ4 --days 90"
	c.Flags().IntVar(&days, "days", 0, fmt.Sprintf("keep for so many `days` instead of for ever, 1 to %d", job.MaxKeepDays))
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if c.Flags().Changed("days") && (days < 1 || days > job.MaxKeepDays) {
			return exitError{fmt.Errorf("days %d: must be 1 to %d", days, job.MaxKeepDays), 2}
		}
		return nil
	}
	return c
}

func unkeepCommand() *cobra.Command {
	return changeCommand("unkeep ID...", "Let the usual retention apply to jobs of a server, from now on", func(ctx context.Context, api *client.Client, id string) (string, error) {
		return "unpinned", api.Unkeep(ctx, id)
	})
}

// changeCommand does something to one job after the other, and prints what was done.
func changeCommand(use, short string, do func(ctx context.Context, api *client.Client, id string) (done string, err error)) *cobra.Command {
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
