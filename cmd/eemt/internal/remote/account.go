package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/credentials"
)

// address is the server's, parsed.
func (r *remote) address() (*url.URL, error) {
	u, err := url.Parse(r.server)
	if err != nil || u.Host == "" {
		return nil, cli.WithCode(fmt.Errorf("server %q: must be an address such as http://localhost:5000", r.server), 2)
	}
	return u, nil
}

func loginCommand() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{
		Use:   "login",
		Short: "Log in to a server, with a browser on any device",
		Long: `login prints an address and a code: open the address in a browser, on this or another device, log in there, and compare or type the
code. The token is kept in a file that only you can read, is sent by all other commands, and is renewed before it expires.
Programs that cannot log in take an API key (eemt keys create) in EEMT_TOKEN.`,
		Example: `  eemt login --server https://eemt.example.org`,
		Args:    cli.NoArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := r.address()
			if err != nil {
				return err
			}
			cl, err := r.client()
			if err != nil {
				return err
			}
			var how struct {
				Mode string `json:"mode"`
				credentials.Provider
			}
			if err := cl.JSON(c.Context(), http.MethodGet, "/auth", nil, &how); err != nil {
				return r.explain(c.Context(), err)
			}
			if how.Mode != "oidc" || how.ClientID == "" {
				return fmt.Errorf("%s has no login for programs: its mode is %s", r.server, how.Mode)
			}
			token, err := how.Login(c.Context(), func(address, code string) {
				_, _ = fmt.Fprintf(c.ErrOrStderr(), "open %s\nand confirm the code %s\n", address, code)
			})
			if err != nil {
				return r.explain(c.Context(), err)
			}
			if err := credentials.Save(at, token); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "logged in to %s\n", r.server)
			return err
		},
	}
	r.serverFlag(c.Flags())
	cli.Describe(c, cli.RemoteExits("logged in", "the login was refused, or the server has none"), cli.ServerVariable)
	return c
}

func logoutCommand() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{
		Use:     "logout",
		Short:   "Forget the token of a server",
		Example: `  eemt logout --server https://eemt.example.org`,
		Args:    cli.NoArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := r.address()
			if err != nil {
				return err
			}
			if err := credentials.Forget(at); errors.Is(err, credentials.ErrNone) {
				return fmt.Errorf("not logged in to %s", r.server)
			} else if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "logged out of %s\n", r.server)
			return err
		},
	}
	r.serverFlag(c.Flags())
	cli.Describe(c, cli.LocalExits("the token is forgotten", "there was none")[:3], cli.ServerVariable)
	return c
}

// ask makes a call of the server and prints its answer: as JSON on request, else as show does.
func (r *remote) ask(c *cobra.Command, method, path string, body, into any, show func(w io.Writer) error) error {
	cl, err := r.client()
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := cl.JSON(c.Context(), method, path, body, &raw); err != nil {
		return r.explain(c.Context(), err)
	}
	if r.json && len(raw) > 0 {
		_, err := fmt.Fprintln(c.OutOrStdout(), string(raw))
		return err
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			return fmt.Errorf("answer of the server: %w", err)
		}
	}
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	return errors.Join(show(w), w.Flush())
}

// keyAnswer is an API key as the server shows it.
type keyAnswer struct {
	ID, Name, Role, Key string
	Created, Expires    time.Time
}

func keysCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "API keys for programs that cannot log in",
		Example: `  eemt keys create "weather station" --role user --days 30
  eemt keys list
  eemt keys revoke 01JABCDEFGHJKMNPQRSTVWXYZ0`,
		Args: cobra.ArbitraryArgs, RunE: cli.Group,
	}
	r := &remote{}
	var role string
	var days int
	create := &cobra.Command{
		Use:     "create NAME",
		Short:   "Make a key, and print it; it is shown once",
		Example: `  eemt keys create "weather station" --role user --days 30`,
		Args:    cli.Exactly("a name"),
		RunE: func(c *cobra.Command, args []string) error {
			var k keyAnswer
			return r.ask(c, http.MethodPost, "/auth/keys", map[string]any{"name": args[0], "role": role, "days": days}, &k, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, k.Key)
				return err
			})
		},
	}
	r.flags(create.Flags())
	create.Flags().StringVar(&role, "role", "viewer", "what the key may do: viewer reads, user submits and deletes too")
	create.Flags().IntVar(&days, "days", 90, "`days` until it expires, 1 to 366")
	list := &cobra.Command{
		Use: "list", Short: "List your keys, without their secrets", Example: "  eemt keys list", Args: cli.NoArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			var all struct{ Keys []keyAnswer }
			return r.ask(c, http.MethodGet, "/auth/keys", nil, &all, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, "key\tname\trole\texpires (UTC)")
				for _, k := range all.Keys {
					_, e := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.ID, cli.Plain(k.Name), k.Role, k.Expires.UTC().Format(time.DateTime))
					err = errors.Join(err, e)
				}
				return err
			})
		},
	}
	r.flags(list.Flags())
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "Revoke a key at once", Example: "  eemt keys revoke 01JABCDEFGHJKMNPQRSTVWXYZ0", Args: cli.Exactly("the id of a key"),
		RunE: func(c *cobra.Command, args []string) error {
			return r.ask(c, http.MethodDelete, "/auth/keys/"+url.PathEscape(args[0]), nil, nil, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s is revoked\n", args[0])
				return err
			})
		},
	}
	r.flags(revoke.Flags())
	for _, sub := range []*cobra.Command{create, list, revoke} {
		cli.Describe(sub, cli.RemoteExits("done", "the server refused"), cli.ServerVariable, cli.BearerVariable)
	}
	c.AddCommand(create, list, revoke)
	return c
}

func shareCommand() *cobra.Command {
	r := &remote{}
	var group, revoke string
	var days int
	var show bool
	c := &cobra.Command{
		Use:   "share ID",
		Short: "Let a group, or whoever has a link, read a job",
		Example: `  eemt share 01JABCDEFGHJKMNPQRSTVWXYZ0
  eemt share 01JABCDEFGHJKMNPQRSTVWXYZ0 --group hydrology --days 90
  eemt share 01JABCDEFGHJKMNPQRSTVWXYZ0 --list
  eemt share 01JABCDEFGHJKMNPQRSTVWXYZ0 --revoke 01JABCDEFGHJKMNPQRSTVWXYZ1`,
		Args: oneJob,
		RunE: func(c *cobra.Command, args []string) error {
			path := "/jobs/" + url.PathEscape(args[0]) + "/shares"
			switch {
			case revoke != "":
				return r.ask(c, http.MethodDelete, path+"/"+url.PathEscape(revoke), nil, nil, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "%s is revoked\n", revoke)
					return err
				})
			case show:
				var all struct{ Shares []shareAnswer }
				return r.ask(c, http.MethodGet, path, nil, &all, func(w io.Writer) error {
					_, err := fmt.Fprintln(w, "share\tgroup\texpires (UTC)")
					for _, s := range all.Shares {
						who := "whoever has the link"
						if s.Group != "" {
							who = cli.Plain(s.Group)
						}
						_, e := fmt.Fprintf(w, "%s\t%s\t%s\n", s.ID, who, s.Expires.UTC().Format(time.DateTime))
						err = errors.Join(err, e)
					}
					return err
				})
			}
			var s shareAnswer
			return r.ask(c, http.MethodPost, path, map[string]any{"group": group, "days": days}, &s, func(w io.Writer) error {
				text := s.Link
				if group != "" {
					text = fmt.Sprintf("shared with %s until %s UTC (%s)", group, s.Expires.UTC().Format(time.DateTime), s.ID)
				}
				_, err := fmt.Fprintln(w, text)
				return err
			})
		},
	}
	r.flags(c.Flags())
	c.Flags().StringVar(&group, "group", "", "`group` whose members may read; without it a link is made")
	c.Flags().IntVar(&days, "days", 30, "`days` until it expires, 1 to 366")
	c.Flags().BoolVar(&show, "list", false, "list with whom the job is shared")
	c.Flags().StringVar(&revoke, "revoke", "", "`id` of a share to revoke")
	c.MarkFlagsMutuallyExclusive("group", "list", "revoke")
	cli.Describe(c, cli.RemoteExits("done", "the server refused"), cli.ServerVariable, cli.BearerVariable)
	return c
}

// shareAnswer is a share as the server shows it.
type shareAnswer struct {
	ID, Group, Link string
	Expires         time.Time
}

func quotaCommand() *cobra.Command {
	r := &remote{}
	var owner string
	var jobs int
	var hours, gigabytes, stored, uploads float64
	var reset bool
	c := &cobra.Command{
		Use:   "quota",
		Short: "Show what your jobs may take, and take; operators change it",
		Example: `  eemt quota
  eemt quota --owner anna
  eemt quota --owner anna --jobs 50 --core-hours 500 --gigabytes 1000
  eemt quota --owner anna --stored-gigabytes 2000 --upload-gigabytes 200
  eemt quota --owner anna --reset`,
		Args: cli.NoArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			method, path := http.MethodGet, "/auth/quota"
			var body any
			changed := map[string]any{} // the others stay as they are
			for flag, member := range map[string]struct {
				name  string
				value any
			}{
				"jobs": {"jobs", jobs}, "core-hours": {"core_hours_per_day", hours}, "gigabytes": {"result_bytes_per_day", int64(gigabytes * 1e9)},
				"stored-gigabytes": {"stored_bytes", int64(stored * 1e9)}, "upload-gigabytes": {"upload_bytes_per_day", int64(uploads * 1e9)},
			} {
				if c.Flags().Changed(flag) {
					changed[member.name] = member.value
				}
			}
			switch {
			case owner == "" && (len(changed) > 0 || reset):
				return cli.WithCode(errors.New("--owner is missing: say whose quota is changed"), 2)
			case owner != "":
				path = "/auth/quotas/" + url.PathEscape(owner)
			}
			switch {
			case len(changed) > 0:
				method, body = http.MethodPut, changed
			case reset:
				method = http.MethodDelete
			}
			var q struct {
				Limits struct {
					Jobs  int     `json:"jobs"`
					Hours float64 `json:"core_hours_per_day"`
					Bytes int64   `json:"result_bytes_per_day"`

					Stored  int64 `json:"stored_bytes"`
					Uploads int64 `json:"upload_bytes_per_day"`
				}
				Used struct {
					Jobs  int     `json:"jobs"`
					Hours float64 `json:"core_hours_today"`
					Bytes int64   `json:"result_bytes_today"`

					Stored  int64 `json:"stored_bytes"`
					Uploads int64 `json:"upload_bytes_today"`
				}
			}
			return r.ask(c, method, path, body, &q, func(w io.Writer) error {
				most := func(v float64) string {
					if v == 0 {
						return "no limit"
					}
					return fmt.Sprintf("%.4g", v)
				}
				_, err := fmt.Fprintf(w, "\tused\tmost\njobs at a time\t%d\t%s\ncore hours a day\t%.3g\t%s\n", q.Used.Jobs, most(float64(q.Limits.Jobs)), q.Used.Hours, most(q.Limits.Hours))
				for _, line := range []struct {
					what        string
					used, limit int64
				}{
					{"results a day", q.Used.Bytes, q.Limits.Bytes}, {"results in store", q.Used.Stored, q.Limits.Stored}, {"uploads a day", q.Used.Uploads, q.Limits.Uploads},
				} {
					_, e := fmt.Fprintf(w, "gigabytes of %s\t%.3g\t%s\n", line.what, float64(line.used)/1e9, most(float64(line.limit)/1e9))
					err = errors.Join(err, e)
				}
				return err
			})
		},
	}
	r.flags(c.Flags())
	c.Flags().StringVar(&owner, "owner", "", "`name` of somebody, for operators")
	c.Flags().IntVar(&jobs, "jobs", 0, "jobs that may go on at a time; 0 is no limit")
	c.Flags().Float64Var(&hours, "core-hours", 0, "core `hours` of the jobs submitted in a day; 0 is no limit")
	c.Flags().Float64Var(&gigabytes, "gigabytes", 0, "results of the jobs submitted in a day, in `GB`; 0 is no limit")
	c.Flags().Float64Var(&stored, "stored-gigabytes", 0, "results of the jobs that have their data, in `GB`; 0 is no limit")
	c.Flags().Float64Var(&uploads, "upload-gigabytes", 0, "files sent in a day, in `GB`; 0 is no limit")
	c.Flags().BoolVar(&reset, "reset", false, "let the usual limits hold again")
	cli.Describe(c, cli.RemoteExits("done", "the server refused"), cli.ServerVariable, cli.BearerVariable)
	return c
}

func tokenCommand() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{
		Use:   "token",
		Short: "Print the token for a server, for programs that send it themselves",
		Long: `token prints the token that eemt login got, or that eemt serve --token made on this machine. The other commands find it by
themselves; other programs send it in the header Authorization.`,
		Example: `  eemt token
  curl -H "Authorization: Bearer $(eemt token)" http://localhost:5000/api/jobs`,
		Args: cli.NoArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			token, err := r.token(c.Context())
			if err == nil && token == "" {
				err = fmt.Errorf("there is no token for %s: log in with eemt login, or start the server with eemt serve --token", r.server)
			}
			if err == nil {
				_, err = fmt.Fprintln(c.OutOrStdout(), token)
			}
			return err
		},
	}
	r.serverFlag(c.Flags())
	cli.Describe(c, cli.LocalExits("the token is printed", "there is none")[:3], cli.ServerVariable, cli.BearerVariable)
	return c
}
