// Command eemt maps effective energy and mass transfer on one machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/wording"
)

// exitStopped is the exit code after Ctrl-C.
const exitStopped = 130

// workflows are the names of the two.
var workflows = []string{string(param.Sol), string(param.EEMT)}

// exitError carries an exit code other than 1.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

func main() { os.Exit(run()) }

func run() int {
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
	var exit exitError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case ctx.Err() != nil:
		return exitStopped
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
		Version:       programVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.RunE, root.Args = group, cobra.ArbitraryArgs
	// The old suite's flags were spelled with underscores; its cleaner had --base-dir.
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		name = strings.ReplaceAll(name, "_", "-")
		if name == "base-dir" {
			name = "data"
		}
		return pflag.NormalizedName(name)
	})
	root.SetFlagErrorFunc(wrongFlag)
	root.SetHelpFunc(help)
	groupCommands(root, map[string][]*cobra.Command{
		"On this machine": {runCommand(), checkCommand(), serveCommand(), cleanupCommand(), exportCommand(), importCommand()},
		"On a server": {
			loginCommand(), logoutCommand(), tokenCommand(), keysCommand(), shareCommand(), quotaCommand(),
			submitCommand(), jobsCommand(), watchCommand(), resultsCommand(), rerunCommand(), cancelCommand(), deleteCommand(), keepCommand(), unkeepCommand(),
		},
		"Other": {versionCommand()},
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

func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return exitError{fmt.Errorf("%s takes no arguments, got %q; see: %s --help", c.CommandPath(), args[0], c.CommandPath()), 2}
	}
	return nil
}
