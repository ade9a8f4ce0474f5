package intake

import (
	"fmt"
	"log/slog"
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

// providerPatience bounds a call of the OpenID provider.
const providerPatience = 10 * time.Second

// Settings say who may do what.
func (a Access) Settings(now func() time.Time, log *slog.Logger) (access.Settings, error) {
	s := access.Settings{Login: access.Login{Mode: a.Mode}}
	switch a.Mode {
	case "none":
		return s, nil
	case "oidc":
		s.Authenticator = a.tokens("", now, log)
		s.Login = access.Login{Mode: a.Mode, Issuer: a.Issuer, Audience: a.Audience, ClientID: a.ClientID, Scopes: a.Scopes}
		return s, CheckIssuer("EEMT_AUTH_ISSUER", a.Issuer, "EEMT_AUTH_AUDIENCE", a.Audience)
	case "proxy":
		switch {
		case a.TokenHeader != "":
			s.Authenticator = a.tokens(a.TokenHeader, now, log)
			return s, CheckIssuer("EEMT_AUTH_ISSUER", a.Issuer, "EEMT_AUTH_AUDIENCE", a.Audience)
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

func (a Access) tokens(header string, now func() time.Time, log *slog.Logger) *access.OIDC {
	return &access.OIDC{
		Issuer: a.Issuer, Audience: a.Audience, Header: header, Client: &http.Client{Timeout: providerPatience}, Now: now, Log: log,
		Claims: access.Claims{
			Owner: a.OwnerClaim, Groups: a.GroupsClaim, Roles: a.RolesClaim, Viewers: a.Viewers, Users: a.Users, Operators: a.Operators,
		},
	}
}

// CheckIssuer reports what is wrong with the address of an OpenID provider, or with an audience, by the names of their settings.
func CheckIssuer(issuerName, issuer, audienceName, audience string) error {
	u, err := url.Parse(issuer)
	switch {
	case issuer == "" || audience == "":
		return fmt.Errorf("%s and %s: both must be given, to know whose tokens count and which are meant for this service", issuerName, audienceName)
	case err != nil || u.Host == "" || u.Scheme != "https" && !isLoopback(u):
		return fmt.Errorf("%s %q: must be an https address", issuerName, issuer)
	}
	return nil
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
