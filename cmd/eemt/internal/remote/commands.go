// Package remote has the commands that speak to a server.
package remote

import "github.com/spf13/cobra"

// Commands are those that speak to a server.
func Commands() []*cobra.Command {
	return []*cobra.Command{
		loginCommand(), logoutCommand(), tokenCommand(), keysCommand(), shareCommand(), quotaCommand(),
		submitCommand(), jobsCommand(), watchCommand(), resultsCommand(), rerunCommand(), cancelCommand(), deleteCommand(), keepCommand(), unkeepCommand(),
	}
}
