// Command eemt maps effective energy and mass transfer on one machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cyverse-gis/eemt/shared/wording"
)

// version is set by the linker; otherwise the module's own version stands.
var version = ""

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "0.1.0-dev"
}

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
	fmt.Fprintln(os.Stderr, root.DisplayName()+":", wording.Error(err))
	var exit exitError
	if errors.As(err, &exit) {
		return exit.code
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
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return exitError{fmt.Errorf("%w; see: %s --help", err, c.CommandPath()), 2}
	})
	root.AddCommand(runCommand(), checkCommand(), serveCommand(), cleanupCommand(), exportCommand(), importCommand(),
		submitCommand(), jobsCommand(), watchCommand(), resultsCommand(), cancelCommand(), deleteCommand(), rerunCommand(), keepCommand(), unkeepCommand())
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

// group runs a command that only has others below it.
func group(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	hint := "see: " + c.CommandPath() + " --help"
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return exitError{fmt.Errorf("unknown command %q for %q; %s", args[0], c.CommandPath(), hint), 2}
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return exitError{fmt.Errorf("%s takes no arguments, got %q; see: %s --help", c.CommandPath(), args[0], c.CommandPath()), 2}
	}
	return nil
}
