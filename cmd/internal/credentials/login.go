package credentials

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Provider is where people log in for a server.
type Provider struct {
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
	Scopes   string `json:"scopes"`
	Audience string `json:"audience"`
}

const (
	// callTime bounds a call of the provider.
	callTime = 30 * time.Second
	// early is how long before its end an access token is replaced.
	early = 30 * time.Second
)

// config asks the provider where to log in.
func (p Provider) config(ctx context.Context) (*oauth2.Config, context.Context, error) {
	u, err := url.Parse(p.Issuer)
	if err != nil || u.Scheme != "https" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" {
		return nil, nil, fmt.Errorf("the server names the issuer %q: it must be an https address", p.Issuer)
	}
	ctx = oidc.ClientContext(ctx, &http.Client{Timeout: callTime})
	provider, err := oidc.NewProvider(ctx, p.Issuer)
	if err != nil {
		return nil, nil, fmt.Errorf("the issuer %s does not answer as an OpenID provider: %w", p.Issuer, err)
	}
	return &oauth2.Config{ClientID: p.ClientID, Endpoint: provider.Endpoint(), Scopes: strings.Fields(p.Scopes)}, ctx, nil
}

// Login gets a token by the device flow (RFC 8628): show is told the address that the user opens, and the code to type there.
func (p Provider) Login(ctx context.Context, show func(address, code string)) (Token, error) {
	c, ctx, err := p.config(ctx)
	if err != nil {
		return Token{}, err
	}
	if c.Endpoint.DeviceAuthURL == "" {
		return Token{}, fmt.Errorf("the issuer %s offers no login for programs (device flow): take an API key, in EEMT_TOKEN", p.Issuer)
	}
	var more []oauth2.AuthCodeOption
	if p.Audience != "" {
		more = append(more, oauth2.SetAuthURLParam("audience", p.Audience))
	}
	verifier := oauth2.GenerateVerifier()
	d, err := c.DeviceAuth(ctx, append(more, oauth2.S256ChallengeOption(verifier))...)
	if err != nil {
		return Token{}, refused("start the login", err)
	}
	address := d.VerificationURIComplete
	if address == "" {
		address = d.VerificationURI
	}
	show(address, d.UserCode)
	t, err := c.DeviceAccessToken(ctx, d, oauth2.VerifierOption(verifier))
	if err != nil {
		return Token{}, refused("log in", err)
	}
	return p.token(t), nil
}

func (p Provider) token(t *oauth2.Token) Token {
	return Token{Access: t.AccessToken, Refresh: t.RefreshToken, Expires: t.Expiry, Issuer: p.Issuer, ClientID: p.ClientID}
}

// refused says what the provider said, without what it was sent.
func refused(what string, err error) error {
	var e *oauth2.RetrieveError
	if errors.As(err, &e) && e.ErrorCode != "" {
		return fmt.Errorf("%s: the issuer says %s %s", what, e.ErrorCode, e.ErrorDescription)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Fresh returns the access token of a server, renewed and saved where it is about to expire. Without a token it is empty.
func Fresh(ctx context.Context, server *url.URL, now time.Time) (string, error) {
	t, err := Load(server)
	switch {
	case errors.Is(err, ErrNone):
		return "", nil
	case err != nil:
		return "", err
	case t.Expires.IsZero() || now.Add(early).Before(t.Expires):
		return t.Access, nil
	case t.Refresh == "":
		return "", fmt.Errorf("the login at %s has expired: log in again with eemt login", server.Host)
	}
	p := Provider{Issuer: t.Issuer, ClientID: t.ClientID}
	c, ctx, err := p.config(ctx)
	if err != nil {
		return "", err
	}
	got, err := c.TokenSource(ctx, &oauth2.Token{RefreshToken: t.Refresh}).Token()
	if err != nil {
		return "", fmt.Errorf("%w; log in again with eemt login", refused("renew the login", err))
	}
	renewed := p.token(got)
	if renewed.Refresh == "" {
		renewed.Refresh = t.Refresh
	}
	return renewed.Access, Save(server, renewed)
}
