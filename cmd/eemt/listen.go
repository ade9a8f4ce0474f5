package main

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/internal/credentials"
	"github.com/cyverse-gis/eemt/functions/submission/access"
)

// doors say who may reach eemt serve.
type doors struct {
	address string
	// hosts are names that the server answers for besides those of the machine itself.
	hosts           []string
	token           bool
	tlsCert, tlsKey string
	insecure        bool
}

// open listens, if that is safe: on this machine alone, or with a token over TLS, or because it was typed out.
func (d doors) open() (net.Listener, error) {
	host, _, err := net.SplitHostPort(d.address)
	if err != nil {
		return nil, exitError{fmt.Errorf("--address %q: must be host:port, such as localhost:5000: %w", d.address, err), 2}
	}
	if (d.tlsCert == "") != (d.tlsKey == "") {
		return nil, exitError{errors.New("--tls-cert and --tls-key: both must be given, or neither"), 2}
	}
	if !d.loopback() && !d.insecure && (!d.token || d.tlsCert == "") {
		return nil, exitError{fmt.Errorf("--address %s: others can reach %s. Take localhost:5000 for this machine alone; or --token with --tls-cert and --tls-key; "+
			"or --insecure, which lets everybody who reaches the address read, change and delete all jobs", d.address, cmpHost(host)), 2}
	}
	listener, err := net.Listen("tcp", d.address)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with --address", err)
	}
	if d.tlsCert == "" {
		return listener, nil
	}
	pair, err := tls.LoadX509KeyPair(d.tlsCert, d.tlsKey)
	if err != nil {
		return nil, errors.Join(exitError{fmt.Errorf("--tls-cert, --tls-key: %w", err), 2}, listener.Close())
	}
	return tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), nil
}

func cmpHost(host string) string {
	if host == "" {
		return "every address of this machine"
	}
	return host
}

// loopback reports whether only this machine reaches the address.
func (d doors) loopback() bool {
	host, _, _ := net.SplitHostPort(d.address)
	ip := net.ParseIP(host)
	return slices.Contains(access.Loopback, host) || ip != nil && ip.IsLoopback()
}

// settings let in whoever has the token of the server, if there is one.
func (d doors) settings(at net.Addr) (access.Settings, *access.Token, error) {
	if !d.token {
		return access.Settings{}, nil, nil
	}
	_, port, _ := net.SplitHostPort(at.String())
	t := access.Token{Secret: rand.Text(), Cookie: "eemt-" + port}
	if err := credentials.Save(d.url(at, nil), credentials.Token{Access: t.Secret}); err != nil {
		return access.Settings{}, nil, err
	}
	return access.Settings{Authenticator: t, Login: access.Login{Mode: "token"}}, &t, nil
}

// guard puts before a handler what only a server on a machine of one's own needs.
func (d doors) guard(t *access.Token, h http.Handler) http.Handler {
	if t != nil {
		h = t.Entrance(h)
	}
	if d.loopback() {
		names := slices.Clone(access.Loopback)
		for _, host := range d.hosts {
			names = append(names, strings.ToLower(host))
		}
		h = access.Hosts(names, h)
	}
	return h
}

// url is the address of the server, with the token where there is one.
func (d doors) url(at net.Addr, t *access.Token) *url.URL {
	u := &url.URL{Scheme: "http", Host: at.String()}
	if d.tlsCert != "" {
		u.Scheme = "https"
	}
	if t != nil {
		u.Path, u.RawQuery = "/", url.Values{"token": {t.Secret}}.Encode()
	}
	return u
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
		Args: noArguments,
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
	describe(c, localExits("the token is printed", "there is none")[:3], serverVariable, bearerVariable)
	return c
}
