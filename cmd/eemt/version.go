package main

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/build"
)

// version is set by the linker.
var version = ""

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "version", Short: "Show the version, its commit and the platform", Args: cli.NoArguments,
		Example: "  eemt version\n  eemt version --json",
		RunE: func(c *cobra.Command, _ []string) error {
			i := build.Of(version)
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(i)
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "version  %s\ncommit   %s\ngo       %s\nplatform %s/%s\n", i.Version, cmp.Or(i.Commit, "unknown"), i.Go, i.OS, i.Arch)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
