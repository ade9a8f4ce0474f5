package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/cmd/internal/credentials"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
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
	r.serverFlag(f)
	f.BoolVar(&r.json, "json", false, "print the server's answer as JSON")
	cli.InGroup(f, param.GroupOutput.Title(), "json")
}

// serverFlag adds the flag that names the server.
func (r *remote) serverFlag(f *pflag.FlagSet) {
	r.server = cmp.Or(os.Getenv("EEMT_SERVER"), "http://localhost:5000")
	f.StringVar(&r.server, "server", r.server, "`address` of the server")
	f.Lookup("server").DefValue = "EEMT_SERVER, or http://localhost:5000"
	cli.InGroup(f, cli.ServerGroup, "server")
}

// token is what the server may ask for: EEMT_TOKEN, or that of a login; empty without one.
func (r *remote) token(ctx context.Context) (string, error) {
	if t := os.Getenv("EEMT_TOKEN"); t != "" {
		return t, nil
	}
	u, err := url.Parse(r.server)
	if err != nil {
		return "", nil // the client says what is wrong with it
	}
	return credentials.Fresh(ctx, u, time.Now())
}

func (r *remote) client() (*client.Client, error) {
	c, err := client.New(r.server, "eemt/"+cli.Version, r.token)
	if err != nil {
		return nil, cli.WithCode(err, 2)
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
		return cli.WithCode(errors.New("stopped"), cli.Stopped)
	case errors.Is(err, client.ErrAway):
		return cli.WithCode(r.away(err), exitAway)
	case errors.As(err, &refusal) && refusal.Status == http.StatusUnauthorized:
		return fmt.Errorf("%w; log in with: eemt login, or set EEMT_TOKEN", err)
	case errors.As(err, &refusal) && refusal.Status == http.StatusNotFound:
		return fmt.Errorf("%w; list the jobs with: eemt jobs", err)
	}
	return err
}

// away says what keeps the server from answering, and the next step.
func (r *remote) away(err error) error {
	var unknown *net.DNSError
	var dial *net.OpError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%s: no host of this name; name another server with --server or EEMT_SERVER", r.server)
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("cannot connect to %s; start a server there with: eemt serve, or name another with --server or EEMT_SERVER", r.server)
	}
	return fmt.Errorf("%s: %w; try again later", r.server, err)
}

// oneJob checks for the id of one job.
func oneJob(c *cobra.Command, args []string) error {
	if err := cli.Exactly("one job id")(c, args); err != nil {
		return err
	}
	return areIDs(args)
}

func atLeastOne(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cli.WithCode(fmt.Errorf("%s takes one or more job ids; see: %s --help", c.CommandPath(), c.CommandPath()), 2)
	}
	return areIDs(args)
}

// areIDs refuses what cannot be the id of a job: in the path of a request "" would lead to the list, ".." to a page.
func areIDs(args []string) error {
	for _, id := range args {
		if !job.ValidID(id) {
			return cli.WithCode(fmt.Errorf("job %q: must be an id of 26 letters and digits, as eemt jobs prints it", id), 2)
		}
	}
	return nil
}
