package main

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/climate"
)

// daymet is the source that is a server.
const daymet = "daymet"

// climateSources completes the kind of a source, and the file of a table.
func climateSources(_ *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
	kind, path, ok := strings.Cut(text, ":")
	if !ok {
		return []string{climate.KindTable + ":", climate.KindPixel + ":", climate.KindRaster + ":", daymet + ":"},
			cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	if kind == daymet {
		return nil, directive
	}
	dir, _ := filepath.Split(path)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil, directive
	}
	var list []string
	for _, e := range entries {
		switch name := kind + ":" + dir + e.Name(); {
		case !strings.HasPrefix(name, text):
		case e.IsDir():
			list = append(list, name+"/")
		default:
			list = append(list, name)
		}
	}
	return list, directive
}

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
				list = append(list, j.ID+"\t"+plain(j.Workflow+" "+j.Status+" "+j.DEM))
			}
		}
		return list, directive
	}
}
