package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// NoArguments refuses arguments.
func NoArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return WithCode(fmt.Errorf("%s takes no arguments, got %q; see: %s --help", c.CommandPath(), args[0], c.CommandPath()), 2)
	}
	return nil
}

// Exactly returns a check for n arguments, named as in the usage line.
func Exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return WithCode(fmt.Errorf("%s takes %s, got %d arguments; see: %s --help", c.CommandPath(), strings.Join(names, " and "), len(args), c.CommandPath()), 2)
		}
		return nil
	}
}

// Either lists the values that a flag takes.
func Either(values []string) string {
	last := len(values) - 1
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

// JobStates are the states of jobs that commands choose by.
func JobStates() []string {
	var list []string
	for _, s := range []job.State{job.Pending, job.Running, job.Completed, job.Failed, job.Cancelled} {
		list = append(list, string(s))
	}
	return list
}

// Workflows are the names of the two.
var Workflows = []string{string(param.Sol), string(param.EEMT)}
