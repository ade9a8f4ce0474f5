package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Token lets in who knows one secret, as a bearer token or in a cookie: a server on a machine with several users.
type Token struct {
	Secret string
	// Cookie is the name of the cookie that a browser got for the address with the token.
	Cookie string
}

// Authenticate compares the token of a request. Who has it may do everything.
func (t Token) Authenticate(r *http.Request) (Caller, error) {
	given := Bearer(r)
	if given == "" {
		if c, err := r.Cookie(t.Cookie); err == nil {
			given = c.Value
		}
	}
	switch {
	case given == "":
		return Caller{}, ErrNone
	case !same(given, t.Secret):
		return Caller{}, errors.New("the token is not that of this server: eemt token prints it")
	}
	return Everybody, nil
}

// Proxy takes the caller's identity from headers that a proxy sets for people who have logged in there. The caller's address
// proves nothing, so that the proxy sends a secret along.
type Proxy struct {
	// Secret is what the proxy sends in the header SecretHeader.
	Secret, SecretHeader string
	// OwnerHeader and GroupsHeader name the headers with the name of the caller, and with their groups, separated by commas.
	OwnerHeader, GroupsHeader string
	// Operators are the groups whose members are operators.
	Operators []string
}

// Authenticate reads the proxy's headers.
func (p Proxy) Authenticate(r *http.Request) (Caller, error) {
	owner := r.Header.Get(p.OwnerHeader)
	if owner == "" {
		return Caller{}, ErrNone
	}
	if p.Secret == "" || !same(r.Header.Get(p.SecretHeader), p.Secret) {
		return Caller{}, errors.New("the request did not come through the proxy of this service")
	}
	if len(owner) > longestOwner {
		return Caller{}, errors.New("the name that the proxy sent is too long")
	}
	who := Caller{Owner: owner, Role: User}
	for g := range strings.SplitSeq(r.Header.Get(p.GroupsHeader), ",") {
		if g = strings.TrimSpace(g); g != "" {
			who.Groups = append(who.Groups, g)
		}
	}
	for _, g := range p.Operators {
		if who.In(g) {
			who.Role = Operator
		}
	}
	return who, nil
}

// same compares two secrets in a time that tells nothing of them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// Entrance lets a browser in that opens an address with ?token=SECRET: it gets the secret as a cookie that only requests of
// this server's own pages carry, and is sent to the same address without it.
func (t Token) Entrance(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.URL.Query().Get("token")
		if given == "" || r.Method != http.MethodGet {
			h.ServeHTTP(w, r)
			return
		}
		if !same(given, t.Secret) {
			http.Error(w, "the token in this address is not that of this server: eemt token prints it", http.StatusUnauthorized)
			return
		}
		//nolint:gosec // Secure would keep the cookie from http://localhost, which never leaves the machine
		http.SetCookie(w, &http.Cookie{Name: t.Cookie, Value: given, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
		q := r.URL.Query()
		q.Del("token")
		to := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/"), RawQuery: q.Encode()}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		http.Redirect(w, r, to.String(), http.StatusSeeOther)
	})
}
