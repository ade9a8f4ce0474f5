package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/shared/fault"
)

// issuer is an OpenID provider with one key at a time.
type issuer struct {
	*httptest.Server
	key atomic.Pointer[jose.JSONWebKey]
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	mux := http.NewServeMux()
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.key.Load().Public()}})
	})
	i.rotate(t, "first")
	return i
}

// rotate replaces the key.
func (i *issuer) rotate(t *testing.T, id string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.key.Store(&jose.JSONWebKey{Key: k, KeyID: id, Algorithm: string(jose.ES256)})
}

// token is signed by a key: the issuer's own, or another.
func token(t *testing.T, algorithm jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestOIDC(t *testing.T) {
	i, other := newIssuer(t), newIssuer(t)
	now := time.Now()
	claims := func(changed ...any) map[string]any {
		c := map[string]any{
			"iss": i.URL, "sub": "anna", "aud": []string{"eemt", "account"}, "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(),
			"groups": []string{"hydrology", "soil"}, "realm_access": map[string]any{"roles": []string{"eemt-user"}},
		}
		for n := 0; n+1 < len(changed); n += 2 {
			if changed[n+1] == nil {
				delete(c, changed[n].(string))
				continue
			}
			c[changed[n].(string)] = changed[n+1]
		}
		return c
	}
	o := &access.OIDC{
		Issuer: i.URL, Audience: "eemt", Client: http.DefaultClient, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Claims: access.Claims{
			Owner: "sub", Groups: "groups", Roles: "realm_access.roles", Viewers: []string{"eemt-viewer"}, Users: []string{"eemt-user"}, Operators: []string{"eemt-operator"},
		},
	}
	good := func(changed ...any) string { return token(t, jose.ES256, i.key.Load(), claims(changed...)) }
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(encode(t, claims())) + "."
	roles := func(names ...string) map[string]any { return map[string]any{"roles": names} }
	for name, c := range map[string]struct {
		token string
		want  access.Caller
		says  string
	}{
		"a user":               {good(), access.Caller{Owner: "anna", Groups: []string{"hydrology", "soil"}, Role: access.User}, ""},
		"an operator":          {good("realm_access", roles("eemt-viewer", "eemt-operator")), access.Caller{Owner: "anna", Groups: []string{"hydrology", "soil"}, Role: access.Operator}, ""},
		"a viewer":             {good("realm_access", roles("eemt-viewer"), "groups", nil), access.Caller{Owner: "anna", Role: access.Viewer}, ""},
		"no role":              {good("realm_access", nil), access.Caller{}, "none of the roles"},
		"no owner":             {good("sub", nil), access.Caller{}, "no claim sub"},
		"an owner too long":    {good("sub", strings.Repeat("a", 256)), access.Caller{}, "no claim sub"},
		"expired":              {good("exp", now.Add(-time.Minute).Unix()), access.Caller{}, "expired at"},
		"a clock that differs": {good("exp", now.Add(-20*time.Second).Unix(), "groups", nil), access.Caller{Owner: "anna", Role: access.User}, ""},
		"not yet":              {good("nbf", now.Add(time.Hour).Unix()), access.Caller{}, "not valid here"},
		"another audience":     {good("aud", "other"), access.Caller{}, "not valid here"},
		"no audience":          {good("aud", nil), access.Caller{}, "not valid here"},
		"another issuer":       {good("iss", other.URL), access.Caller{}, "not valid here"},
		"another's key":        {token(t, jose.ES256, other.key.Load(), claims()), access.Caller{}, "not valid here"},
		"unsigned":             {unsigned, access.Caller{}, "not valid here"},
		"a shared secret":      {token(t, jose.HS256, encode(t, i.key.Load().Public()), claims()), access.Caller{}, "not valid here"},
		"no token":             {"nonsense", access.Caller{}, "not valid here"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/jobs", nil)
			r.Header.Set("Authorization", "Bearer "+c.token)
			who, err := o.Authenticate(r)
			if c.says == "" && who.Issued.IsZero() {
				t.Error("it is not known when the token was issued")
			}
			who.Issued = time.Time{}
			if c.says == "" && (err != nil || !reflect.DeepEqual(who, c.want)) || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%+v (%v)", who, err)
			}
			if err != nil && strings.Contains(err.Error(), c.token) {
				t.Error("the sentence has the token")
			}
		})
	}
	i.rotate(t, "second")
	r := httptest.NewRequest("GET", "/jobs", nil)
	r.Header.Set("Authorization", "bearer "+good())
	// A request gets the keys that another one is being given at the moment, if there is one: those of before the change.
	who, err := o.Authenticate(r)
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		who, err = o.Authenticate(r)
	}
	if err != nil || who.Owner != "anna" {
		t.Errorf("after the keys were changed: %+v (%v)", who, err)
	}
	r = httptest.NewRequest("GET", "/jobs", nil)
	r.Header.Set("X-Forwarded-Access-Token", good())
	if _, err := o.Authenticate(r); !errors.Is(err, access.ErrNone) {
		t.Errorf("a header that nobody set up: %v", err)
	}
	o.Header = "X-Forwarded-Access-Token"
	if who, err := o.Authenticate(r); err != nil || who.Owner != "anna" {
		t.Errorf("the header of the proxy: %+v (%v)", who, err)
	}
}

// TestProviderAway: a service whose provider does not answer says so, and takes tokens when it is back.
func TestProviderAway(t *testing.T) {
	away := atomic.Bool{}
	away.Store(true)
	i := newIssuer(t)
	inner := i.Config.Handler
	i.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		inner.ServeHTTP(w, r)
	})
	o := &access.OIDC{Issuer: i.URL, Audience: "eemt", Claims: access.Claims{Owner: "sub"}, Client: http.DefaultClient, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	r := httptest.NewRequest("GET", "/jobs", nil)
	r.Header.Set("Authorization", "Bearer "+token(t, jose.ES256, i.key.Load(), map[string]any{"iss": i.URL, "sub": "anna", "aud": "eemt", "exp": time.Now().Add(time.Hour).Unix()}))
	if _, err := o.Authenticate(r); !fault.Is(err, fault.Unavailable) {
		t.Errorf("away: %v", err)
	}
	away.Store(false)
	if who, err := o.Authenticate(r); err != nil || who.Role != access.User {
		t.Errorf("back: %+v (%v)", who, err)
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestProxy(t *testing.T) {
	p := access.Proxy{
		Secret: "a secret of enough bytes", SecretHeader: "X-Secret", OwnerHeader: "X-Forwarded-User", GroupsHeader: "X-Forwarded-Groups", Operators: []string{"admins"},
	}
	for name, c := range map[string]struct {
		headers []string
		want    access.Caller
		says    string
	}{
		"a user":             {[]string{"X-Secret", p.Secret, "X-Forwarded-User", "anna", "X-Forwarded-Groups", "soil, water"}, access.Caller{Owner: "anna", Groups: []string{"soil", "water"}, Role: access.User}, ""},
		"an operator":        {[]string{"X-Secret", p.Secret, "X-Forwarded-User", "olga", "X-Forwarded-Groups", "admins"}, access.Caller{Owner: "olga", Groups: []string{"admins"}, Role: access.Operator}, ""},
		"nobody":             {[]string{"X-Secret", p.Secret}, access.Caller{}, access.ErrNone.Error()},
		"past the proxy":     {[]string{"X-Forwarded-User", "olga"}, access.Caller{}, "did not come through the proxy"},
		"a guess":            {[]string{"X-Secret", "guess", "X-Forwarded-User", "olga"}, access.Caller{}, "did not come through the proxy"},
		"a name without end": {[]string{"X-Secret", p.Secret, "X-Forwarded-User", strings.Repeat("a", 300)}, access.Caller{}, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/jobs", nil)
			for n := 0; n+1 < len(c.headers); n += 2 {
				r.Header.Set(c.headers[n], c.headers[n+1])
			}
			who, err := p.Authenticate(r)
			if c.says == "" && (err != nil || !reflect.DeepEqual(who, c.want)) || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%+v (%v)", who, err)
			}
		})
	}
	if _, err := (access.Proxy{OwnerHeader: "X-Forwarded-User", SecretHeader: "X-Secret"}).Authenticate(&http.Request{Header: http.Header{"X-Forwarded-User": {"olga"}}}); err == nil {
		t.Error("without a secret everybody is who they say")
	}
}

func TestHosts(t *testing.T) {
	h := access.Hosts(append([]string{"maps.example.org"}, access.Loopback...), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, want := range map[string]int{
		"localhost": 200, "localhost:5000": 200, "LOCALHOST.": 200, "127.0.0.1:5000": 200, "[::1]:5000": 200, "[::1]": 200, "maps.example.org": 200, "app.localhost:5000": 200,
		"evil.example": 421, "localhost.evil.example": 421, "": 421, "127.0.0.1.nip.io:5000": 421, "evillocalhost": 421,
	} {
		for _, forwarded := range []bool{false, true} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Host = host
			if forwarded {
				r.Host = "localhost"
				r.Header.Set("X-Forwarded-Host", host)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%q (forwarded %t): %d, want %d", host, forwarded, w.Code, want)
			}
		}
	}
}

func TestEntrance(t *testing.T) {
	k := access.Token{Secret: "the secret", Cookie: "eemt-5000"}
	h := k.Entrance(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := k.Authenticate(r); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	get := func(target string, cookies ...*http.Cookie) (status int, location string, set []*http.Cookie) {
		r := httptest.NewRequest("GET", target, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		a := w.Result()
		_ = a.Body.Close()
		return a.StatusCode, a.Header.Get("Location"), a.Cookies()
	}
	if status, at, _ := get("//evil.example/jobs?f=html&token=the+secret"); status != 303 || strings.HasPrefix(at, "//") || strings.Contains(at, "token") {
		t.Errorf("%d to %q", status, at)
	}
	_, at, cookies := get("/jobs?f=html&token=the+secret")
	if at != "/jobs?f=html" || len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("to %q with %v", at, cookies)
	}
	if status, _, _ := get("/jobs", cookies[0]); status != 200 {
		t.Errorf("with the cookie: %d", status)
	}
	for _, target := range []string{"/jobs?token=guess", "/jobs"} {
		if status, _, set := get(target); status != 401 || len(set) > 0 {
			t.Errorf("%s: %d", target, status)
		}
	}
}
