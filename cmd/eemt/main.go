// Command eemt maps effective energy and mass transfer on one machine.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/eemt/internal/local"
	"github.com/cyverse-gis/eemt/cmd/eemt/internal/remote"
	"github.com/cyverse-gis/eemt/cmd/internal/build"
	"github.com/cyverse-gis/eemt/shared/wording"
)

func main() { os.Exit(run()) }

func run() int {
	cli.Version = build.Of(version).Version
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := rootCommand(filepath.Base(os.Args[0]))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	// Several errors are a line each.
	for _, line := range slices.Compact(strings.Split(wording.Error(err), "\n")) {
		fmt.Fprintln(os.Stderr, root.DisplayName()+":", line)
	}
	if code, ok := cli.Code(err); ok {
		return code
	}
	if ctx.Err() != nil {
		return cli.Stopped
	}
	return 1
}

// rootCommand returns all commands. Called by the name kn-eemt, the program is the plugin "kn eemt" of Knative's kn.
func rootCommand(name string) *cobra.Command {
	root := &cobra.Command{
		Use:   "eemt",
		Short: "Map effective energy and mass transfer (EEMT) from a digital elevation model",
		Long: `eemt computes solar radiation over terrain, and from it with climate the effective
energy and mass transfer (EEMT) of the critical zone, in MJ per square metre and year.`,
		Example: `  eemt check dem.tif
  eemt run sol dem.tif
  eemt run eemt dem.tif --climate table:station.csv
  eemt serve
  eemt submit sol dem.tif --wait`,
		Version:       cli.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.RunE, root.Args = cli.Group, cobra.ArbitraryArgs
	// The old suite's flags were spelled with underscores; its cleaner had --base-dir.
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		name = strings.ReplaceAll(name, "_", "-")
		if name == "base-dir" {
			name = "data"
		}
		return pflag.NormalizedName(name)
	})
	root.SetFlagErrorFunc(cli.WrongFlag)
	root.SetHelpFunc(cli.Help)
	cli.GroupCommands(root, map[string][]*cobra.Command{
		"On this machine": local.Commands(), "On a server": remote.Commands(), "Other": {versionCommand()},
	}, "On this machine", "On a server", "Other")
	if strings.TrimSuffix(name, ".exe") == "kn-eemt" {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kn eemt"}
		asPlugin(root)
	}
	return root
}

// asPlugin spells the examples of a command and of those below it as they are typed.
func asPlugin(c *cobra.Command) {
	c.Example = strings.ReplaceAll(strings.ReplaceAll(c.Example, "  eemt ", "  kn eemt "), "$(eemt ", "$(kn eemt ")
	for _, sub := range c.Commands() {
		asPlugin(sub)
	}
}
