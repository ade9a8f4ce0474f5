package intake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission/access"
)

// Access says who may use a service, and how they are told apart.
type Access struct {
	// Mode is oidc, proxy or none. There is no default: whoever installs the service decides.
	Mode string `env:"EEMT_AUTH_MODE"`
	// Issuer is the address of the OpenID provider, Audience what its tokens must be made for.
	Issuer   string `env:"EEMT_AUTH_ISSUER"`
	Audience string `env:"EEMT_AUTH_AUDIENCE"`
	// ClientID is that of the page and of the command line, which have no secret.
	ClientID string `env:"EEMT_AUTH_CLIENT_ID"`
	Scopes   string `env:"EEMT_AUTH_SCOPES" envDefault:"openid profile"`
	// Claims of a token that name its owner, their groups and roles.
	OwnerClaim  string `env:"EEMT_AUTH_OWNER_CLAIM" envDefault:"sub"`
	GroupsClaim string `env:"EEMT_AUTH_GROUPS_CLAIM" envDefault:"groups"`
	RolesClaim  string `env:"EEMT_AUTH_ROLES_CLAIM" envDefault:"roles"`
	// Viewers, Users and Operators are the provider's names of the roles; with a proxy Operators are groups.
	Viewers   []string `env:"EEMT_AUTH_VIEWERS"`
	Users     []string `env:"EEMT_AUTH_USERS"`
	Operators []string `env:"EEMT_AUTH_OPERATORS" envDefault:"eemt-operator"`
	// TokenHeader is the header in which a proxy sends a signed token, as X-Forwarded-Access-Token.
	TokenHeader string `env:"EEMT_AUTH_PROXY_TOKEN_HEADER"`
	// Secret is what a proxy without signed tokens sends along in the header X-Eemt-Proxy-Secret.
	Secret       string `env:"EEMT_AUTH_PROXY_SECRET"`
	OwnerHeader  string `env:"EEMT_AUTH_PROXY_OWNER_HEADER" envDefault:"X-Forwarded-User"`
	GroupsHeader string `env:"EEMT_AUTH_PROXY_GROUPS_HEADER" envDefault:"X-Forwarded-Groups"`
}

// SecretHeader is where a proxy sends the secret that it has in common with the service.
const SecretHeader = "X-Eemt-Proxy-Secret"

// shortestSecret is how many bytes a proxy's secret must have.
const shortestSecret = 24

// Settings asks the provider for its keys, with the client, and says who may do what.
func (a Access) Settings(ctx context.Context, client *http.Client, now func() time.Time) (access.Settings, error) {
	s := access.Settings{Login: access.Login{Mode: a.Mode}}
	switch a.Mode {
	case "none":
		return s, nil
	case "oidc":
		tokens, err := a.tokens(ctx, client, now)
		s.Authenticator = tokens
		s.Login = access.Login{Mode: a.Mode, Issuer: a.Issuer, Audience: a.Audience, ClientID: a.ClientID, Scopes: a.Scopes}
		return s, err
	case "proxy":
		switch {
		case a.TokenHeader != "":
			tokens, err := a.tokens(ctx, client, now)
			if err != nil {
				return s, err
			}
			s.Authenticator = tokens.FromHeader(a.TokenHeader)
			return s, nil
		case len(a.Secret) >= shortestSecret:
			s.Authenticator = access.Proxy{
				Secret: a.Secret, SecretHeader: SecretHeader, OwnerHeader: a.OwnerHeader, GroupsHeader: a.GroupsHeader, Operators: a.Operators,
			}
			return s, nil
		}
		return s, fmt.Errorf("EEMT_AUTH_MODE proxy: set EEMT_AUTH_PROXY_TOKEN_HEADER, issuer and audience for a proxy that sends signed tokens, or EEMT_AUTH_PROXY_SECRET of at least %d bytes", shortestSecret)
	}
	return s, fmt.Errorf("EEMT_AUTH_MODE %q: must be oidc, proxy or none; none lets everybody who reaches the service do everything", a.Mode)
}

func (a Access) tokens(ctx context.Context, client *http.Client, now func() time.Time) (*access.OIDC, error) {
	u, err := url.Parse(a.Issuer)
	switch {
	case a.Issuer == "" || a.Audience == "":
		return nil, errors.New("EEMT_AUTH_ISSUER and EEMT_AUTH_AUDIENCE: both must be given, to know whose tokens count and which are meant for this service")
	case err != nil || u.Host == "" || u.Scheme != "https" && !isLoopback(u):
		return nil, fmt.Errorf("EEMT_AUTH_ISSUER %q: must be an https address", a.Issuer)
	}
	return access.NewOIDC(ctx, client, a.Issuer, a.Audience, access.Claims{
		Owner: a.OwnerClaim, Groups: a.GroupsClaim, Roles: a.RolesClaim, Viewers: a.Viewers, Users: a.Users, Operators: a.Operators,
	}, now)
}

// isLoopback reports an http address on this machine, which needs no encryption.
func isLoopback(u *url.URL) bool {
	for _, name := range access.Loopback {
		if u.Scheme == "http" && strings.EqualFold(u.Hostname(), name) {
			return true
		}
	}
	return false
}
