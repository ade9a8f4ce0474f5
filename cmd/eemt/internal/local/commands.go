// Package local has the commands that need no server: those that compute on this machine, and eemt serve.
package local

import "github.com/spf13/cobra"

// Commands are those that need no server.
func Commands() []*cobra.Command {
	return []*cobra.Command{runCommand(), checkCommand(), serveCommand(), cleanupCommand(), exportCommand(), importCommand()}
}
