package local

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/credentials"
	"github.com/cyverse-gis/eemt/cmd/internal/intake"
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
	// login names the OpenID provider that people log in with; its issuer is empty without one.
	login intake.Access
}

// closed reports whether callers have to say who they are.
func (d doors) closed() bool { return d.token || d.login.Issuer != "" }

// open listens, if that is safe: on this machine alone, or with a token over TLS, or because it was typed out.
func (d doors) open() (net.Listener, error) {
	host, _, err := net.SplitHostPort(d.address)
	if err != nil {
		return nil, cli.WithCode(fmt.Errorf("--address %q: must be host:port, such as localhost:5000: %w", d.address, err), 2)
	}
	if (d.tlsCert == "") != (d.tlsKey == "") {
		return nil, cli.WithCode(errors.New("--tls-cert and --tls-key: both must be given, or neither"), 2)
	}
	switch {
	case d.token && d.login.Issuer != "":
		return nil, cli.WithCode(errors.New("--token and --oidc-issuer: one of them says who is let in"), 2)
	case d.login.Issuer == "" && (d.login.Audience != "" || d.login.ClientID != ""):
		return nil, cli.WithCode(errors.New("--oidc-audience and --oidc-client need --oidc-issuer"), 2)
	case d.login.Issuer != "":
		if err := intake.CheckIssuer("--oidc-issuer", d.login.Issuer, "--oidc-audience", d.login.Audience); err != nil {
			return nil, cli.WithCode(err, 2)
		}
	}
	if !d.loopback() && !d.insecure && (!d.closed() || d.tlsCert == "") {
		return nil, cli.WithCode(fmt.Errorf("--address %s: others can reach %s. Take localhost:5000 for this machine alone, also for a proxy on it (--host); "+
			"or --token or --oidc-issuer, with --tls-cert and --tls-key; or --insecure, which allows to leave these out: everybody who reaches the address may then "+
			"read, change and delete all jobs, or can listen to what is sent", d.address, cmpHost(host)), 2)
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
		return nil, errors.Join(cli.WithCode(fmt.Errorf("--tls-cert, --tls-key: %w", err), 2), listener.Close())
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

// settings let in whoever the OpenID provider knows, or whoever has the token of the server, or all.
func (d doors) settings(at net.Addr, log *slog.Logger) (access.Settings, *access.Token, error) {
	if d.login.Issuer != "" {
		who, err := d.login.Settings(time.Now, log)
		return who, nil, err
	}
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
