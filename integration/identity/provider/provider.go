// Package provider is an OpenID provider for tests, whose people log in with a password, and the part of a person who confirms
// that a device may log in.
package provider

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// ClientID is that of a client without a secret; its tokens are made for it.
const ClientID = "eemt"

const password = "verysecure"

// people are the provider's users.
var people = map[string]*storage.User{
	"anna":  {ID: "anna", Username: "anna", Password: password},
	"boris": {ID: "boris", Username: "boris", Password: password},
}

// users is the provider's store of them.
type users struct{}

func (users) GetUserByID(id string) *storage.User         { return people[id] }
func (users) GetUserByUsername(name string) *storage.User { return people[name] }
func (users) ExampleClientID() string                     { return "none" }

// client gets tokens in the form of JWT, by a code or with a device, and has no secret.
type client struct{ op.Client }

func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode}
}

type store struct{ *storage.Storage }

func (s store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	return client{c}, err
}

// Provider is one that runs.
type Provider struct {
	*httptest.Server
	// Issuer is its address.
	Issuer string
	// CA is the certificate of its address (PEM); nil without TLS.
	CA []byte
	// browser is what people open its pages with.
	browser http.Client
}

// Start runs a provider at an address of this machine, without TLS at a loopback address only.
func Start(host string) (*Provider, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, err
	}
	storage.RegisterClients(storage.NativeClient(ClientID, "http://localhost/"))
	p := &Provider{Server: httptest.NewUnstartedServer(nil)}
	_ = p.Listener.Close()
	p.Listener = l
	scheme := "http://"
	if !net.ParseIP(host).IsLoopback() {
		scheme = "https://"
		if err := p.certify(host); err != nil {
			return nil, err
		}
	}
	p.Issuer = scheme + l.Addr().String() + "/"
	p.Config.Handler = exampleop.SetupServer(p.Issuer, store{storage.NewStorage(users{})}, slog.New(slog.DiscardHandler), false)
	if p.CA == nil {
		p.Start()
	} else {
		p.StartTLS()
	}
	return p, nil
}

// certify makes a certificate that signs itself.
func (p *Provider) certify(host string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(host)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	p.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CA)
	p.browser.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return nil
}

var (
	codeShown    = regexp.MustCompile(`confirm the code (\S+)`)
	addressShown = regexp.MustCompile(`open (\S+)`)
)

// Login runs eemt login, and does in a person's place what it says.
func (p *Provider) Login(c *exec.Cmd, name string) error {
	text, err := c.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	var said, address, code string
	for lines := bufio.NewScanner(text); code == "" && lines.Scan(); {
		said += lines.Text() + "\n"
		if m := addressShown.FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
		if m := codeShown.FindStringSubmatch(lines.Text()); m != nil {
			code = m[1]
		}
	}
	at, err := url.Parse(address)
	if err != nil || code == "" {
		return fmt.Errorf("login said: %s (%w)", said, err)
	}
	if err := p.confirm(at, code, name); err != nil {
		return err
	}
	rest, _ := io.ReadAll(text)
	if err := c.Wait(); err != nil {
		return fmt.Errorf("login: %w\n%s%s", err, said, rest)
	}
	return nil
}

// confirm opens the pages of the provider, where a person gives the code and a password, and allows the login.
func (p *Provider) confirm(at *url.URL, code, name string) error {
	browser := p.browser
	var err error
	if browser.Jar, err = cookiejar.New(nil); err != nil {
		return err
	}
	r, err := browser.PostForm(at.Scheme+"://"+at.Host+"/device/login", url.Values{"user_code": {code}, "username": {name}, "password": {password}})
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	if r, err = browser.Get(at.Scheme + "://" + at.Host + "/device/confirm?action=allowed"); err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	answer, err := io.ReadAll(r.Body)
	if err != nil || !strings.Contains(string(answer), "allowed") {
		return fmt.Errorf("the provider says %s (%w)", answer, err)
	}
	return nil
}
