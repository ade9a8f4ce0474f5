package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/job"
)

// exitAway is the exit code when the server cannot be reached or cannot work.
const exitAway = 3

// remote is what all commands have that speak to a server.
type remote struct {
	server string
	json   bool
	quiet  bool
}

func (r *remote) flags(f *pflag.FlagSet) {
	r.server = cmp.Or(os.Getenv("EEMT_SERVER"), "http://localhost:5000")
	f.StringVar(&r.server, "server", r.server, "`address` of the server")
	f.Lookup("server").DefValue = "$EEMT_SERVER, or http://localhost:5000"
	f.BoolVar(&r.json, "json", false, "print the server's answer as JSON")
}

func (r *remote) client() (*client.Client, error) {
	c, err := client.New(r.server, "eemt/"+programVersion())
	if err != nil {
		return nil, exitError{err, 2}
	}
	return c, nil
}

// explain gives an error of a call its exit code and a hint to the next step.
func (r *remote) explain(ctx context.Context, err error) error {
	var refusal client.Refusal
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return exitError{errors.New("stopped"), 130}
	case errors.Is(err, client.ErrAway):
		return exitError{fmt.Errorf("%s: %w; is the server there? Name another with --server or EEMT_SERVER", r.server, err), exitAway}
	case errors.As(err, &refusal) && refusal.Status == http.StatusNotFound:
		return fmt.Errorf("%w; list the jobs with: eemt jobs", err)
	}
	return err
}

// exactly returns a check for n arguments, named as in the usage line.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return exitError{fmt.Errorf("%s takes %s, got %d arguments; see: %s --help", c.CommandPath(), strings.Join(names, " and "), len(args), c.CommandPath()), 2}
		}
		return nil
	}
}

// oneJob checks for the id of one job.
func oneJob(c *cobra.Command, args []string) error {
	if err := exactly("one job")(c, args); err != nil {
		return err
	}
	return areIDs(args)
}

func atLeastOne(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return exitError{fmt.Errorf("%s takes one job or more; see: %s --help", c.CommandPath(), c.CommandPath()), 2}
	}
	return areIDs(args)
}

// areIDs refuses what cannot be the id of a job: in the path of a request "" would lead to the list, ".." to a page.
func areIDs(args []string) error {
	for _, id := range args {
		if !job.ValidID(id) {
			return exitError{fmt.Errorf("job %q: must be an id of 26 letters and digits, as eemt jobs prints it", id), 2}
		}
	}
	return nil
}

// plain makes a text from elsewhere fit for a line of a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
