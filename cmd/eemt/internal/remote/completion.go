package remote

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/client"
)

// completionTime is how long completion waits for a server.
const completionTime = 2 * time.Second

// completeJobs completes the ids of a server's jobs, at most so many where most is not 0, those of some states or of all.
func (r *remote) completeJobs(most int, states ...string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveDefault
		}
		api, err := r.client()
		if err != nil {
			return nil, directive
		}
		ctx, cancel := context.WithTimeout(c.Context(), completionTime)
		defer cancel()
		jobs, _, err := api.Jobs(ctx, client.Query{Limit: 100})
		if err != nil {
			return nil, directive
		}
		var list []string
		for _, j := range jobs {
			if (len(states) == 0 || slices.Contains(states, j.Status)) && !slices.Contains(args, j.ID) {
				list = append(list, j.ID+"\t"+cli.Plain(j.Workflow+" "+j.Status+" "+j.DEM))
			}
		}
		return list, directive
	}
}
