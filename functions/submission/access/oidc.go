package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/cyverse-gis/eemt/eventing/eventtoken"
	"github.com/cyverse-gis/eemt/shared/fault"
)

// Claims name the claims of a token that say who somebody is.
type Claims struct {
	// Owner is the claim that is unique and lasting: sub.
	Owner string
	// Groups and Roles are claims of lists of strings. A dot leads into an object, as in realm_access.roles.
	Groups, Roles string
	// Viewers, Users and Operators are the names of the roles. Without Users everybody who has a token of the audience is a
	// user.
	Viewers, Users, Operators []string
}

// skew is how much the clocks of the provider and of this machine may differ.
const skew = 30 * time.Second

// OIDC takes access tokens of an OpenID provider, in the form of JWT (RFC 9068).
type OIDC struct {
	Issuer, Audience string
	Claims           Claims
	// Header has the token in place of Authorization: one that a proxy adds and signs. Empty stands for Authorization.
	Header string
	// Client calls the provider, for its document at the first token, and whenever the key of a token is not known.
	Client *http.Client
	Now    func() time.Time
	Log    *slog.Logger

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
}

// known returns what verifies tokens. A service that starts does not wait for the provider, nor end where it is away.
func (o *OIDC) known() (*oidc.IDTokenVerifier, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.verifier != nil {
		return o.verifier, nil
	}
	// The keys are fetched in this context for as long as the process runs.
	ctx := oidc.ClientContext(context.Background(), o.Client)
	provider, err := oidc.NewProvider(ctx, o.Issuer)
	if err != nil {
		o.Log.Error("the OpenID provider cannot be read", "issuer", o.Issuer, "error", err)
		return nil, fault.New(fault.Unavailable, errors.New("the OpenID provider of this service does not answer; try again"))
	}
	o.verifier = provider.VerifierContext(ctx, &oidc.Config{
		ClientID: o.Audience, SupportedSigningAlgs: eventtoken.Algorithms, Now: func() time.Time { return o.Now().Add(-skew) },
	})
	return o.verifier, nil
}

// Authenticate verifies the token of a request: issuer, audience, signature and times.
func (o *OIDC) Authenticate(r *http.Request) (Caller, error) {
	token := Bearer(r)
	if o.Header != "" {
		token = r.Header.Get(o.Header)
	}
	if token == "" || strings.HasPrefix(token, keyPrefix) {
		return Caller{}, ErrNone
	}
	verifier, err := o.known()
	if err != nil {
		return Caller{}, err
	}
	t, err := verifier.Verify(r.Context(), token)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return Caller{}, fmt.Errorf("the token expired at %s: log in again", expired.Expiry.UTC().Format(time.RFC3339))
	case err != nil:
		return Caller{}, errors.New("the token is not valid here: it must be one of this service's issuer, for its audience, and not expired")
	}
	all := map[string]any{}
	if err := t.Claims(&all); err != nil {
		return Caller{}, errors.New("the token has no claims")
	}
	who, err := o.Claims.caller(all)
	who.Issued = t.IssuedAt
	return who, err
}

// caller is who a token's claims name. With an error it has an owner where they have no role.
func (c Claims) caller(all map[string]any) (Caller, error) {
	owners := listOf(all, c.Owner)
	if len(owners) != 1 || owners[0] == "" || len(owners[0]) > longestOwner {
		return Caller{}, fmt.Errorf("the token has no claim %s that names its owner", c.Owner)
	}
	who := Caller{Owner: owners[0], Groups: listOf(all, c.Groups)}
	roles := listOf(all, c.Roles)
	has := func(names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(roles, n) })
	}
	switch {
	case has(c.Operators):
		who.Role = Operator
	case len(c.Users) == 0 && !has(c.Viewers), has(c.Users):
		who.Role = User
	case has(c.Viewers):
		who.Role = Viewer
	default:
		return who, errors.New("the token has none of the roles that this service knows: ask the operator for one")
	}
	return who, nil
}

// longestOwner bounds the name of an owner, in bytes.
const longestOwner = 255

// listOf reads a claim that is a string or a list of strings.
func listOf(claims map[string]any, name string) []string {
	if name == "" {
		return nil
	}
	v, ok := claims[name] // names may have dots of their own, as those of Auth0
	if !ok {
		first, rest, nested := strings.Cut(name, ".")
		if inner, is := claims[first].(map[string]any); nested && is {
			return listOf(inner, rest)
		}
		return nil
	}
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}
