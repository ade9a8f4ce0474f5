package browser

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

const (
	clientID = "eemt-page"
	audience = "eemt"
	// session is the cookie by which the provider knows a browser.
	session = "provider-session"
)

// provider is an OpenID provider that asks nobody for a password: who logs in is what the test says.
type provider struct {
	*httptest.Server
	*testing.T
	// page is the origin that may ask for tokens.
	page string

	mu sync.Mutex
	// next logs in where a browser has no session.
	next string
	// refreshes says whether refresh tokens are given and taken; refreshed counts those that were taken.
	refreshes bool
	refreshed int
	key       *rsa.PrivateKey
	keys      int
	codes     map[string]url.Values
	// logouts counts the sessions that were ended, silent the requests without a question.
	logouts, silent int
}

var encode = base64.RawURLEncoding.EncodeToString

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{T: t, codes: map[string]url.Values{}}
	p.rotate()
	mux := http.NewServeMux()
	for path, h := range map[string]func(http.ResponseWriter, *http.Request){
		"GET /.well-known/openid-configuration": p.document, "GET /keys": p.published, "GET /authorize": p.authorize, "POST /token": p.token, "GET /logout": p.logout,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			defer p.mu.Unlock()
			w.Header().Set("Access-Control-Allow-Origin", p.page)
			h(w, r)
		})
	}
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// set changes what the provider does.
func (p *provider) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// rotate replaces the key that tokens are signed with.
func (p *provider) rotate() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		p.Fatal(err)
	}
	p.key, p.keys = key, p.keys+1
}

func (p *provider) kid() string { return fmt.Sprint("key-", p.keys) }

func (p *provider) write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (p *provider) document(w http.ResponseWriter, _ *http.Request) {
	p.write(w, http.StatusOK, map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"end_session_endpoint": p.URL + "/logout", "response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (p *provider) published(w http.ResponseWriter, _ *http.Request) {
	p.write(w, http.StatusOK, map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": p.kid(), "n": encode(p.key.N.Bytes()), "e": encode(big.NewInt(int64(p.key.E)).Bytes()),
	}}})
}

// authorize sends a browser back with a code at once, or with the error that it would have to ask.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != clientID || q.Get("redirect_uri") != p.page+"/" || q.Get("code_challenge_method") != "S256" ||
		len(q.Get("code_challenge")) != 43 || len(q.Get("nonce")) < 20 || len(q.Get("state")) < 20 {
		p.Errorf("authorize: %v", q)
	}
	back := url.Values{"state": {q.Get("state")}}
	who := p.next
	if c, err := r.Cookie(session); err == nil && c.Value != "" {
		who = c.Value
	} else if q.Get("prompt") == "none" {
		who = ""
	}
	if q.Get("prompt") == "none" {
		p.silent++
	}
	if who == "" {
		back.Set("error", "login_required")
	} else {
		code := rand.Text()
		q.Set("user", who)
		p.codes[code] = q
		back.Set("code", code)
		http.SetCookie(w, &http.Cookie{Name: session, Value: who, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	http.Redirect(w, r, p.page+"/?"+back.Encode(), http.StatusFound)
}

// token gives tokens for a code, once, to whoever has its verifier.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	var asked url.Values
	switch f := r.PostForm; f.Get("grant_type") {
	case "authorization_code":
		asked = p.codes[f.Get("code")]
		delete(p.codes, f.Get("code"))
		sum := sha256.Sum256([]byte(f.Get("code_verifier")))
		if asked == nil || f.Get("client_id") != clientID || f.Get("redirect_uri") != asked.Get("redirect_uri") || encode(sum[:]) != asked.Get("code_challenge") {
			p.Errorf("token: %v for %v", f, asked)
			asked = nil
		}
	case "refresh_token":
		if p.refreshes {
			p.refreshed++
			asked = url.Values{"user": {f.Get("refresh_token")[len("refresh-"):]}}
		}
	}
	if asked == nil {
		p.write(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	who := asked.Get("user")
	answer := map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": p.access(who)}
	if nonce := asked.Get("nonce"); nonce != "" {
		answer["id_token"] = p.sign(map[string]any{"aud": clientID, "sub": who, "nonce": nonce, "name": "Dr. " + who})
	}
	if p.refreshes {
		answer["refresh_token"] = "refresh-" + who
	}
	p.write(w, http.StatusOK, answer)
}

// access is a token for the service; vera may only read.
func (p *provider) access(who string) string {
	claims := map[string]any{"aud": audience, "sub": who}
	if who == "vera" {
		claims["roles"] = []string{"viewer"}
	}
	return p.sign(claims)
}

func (p *provider) sign(claims map[string]any) string {
	now := time.Now()
	claims["iss"], claims["iat"], claims["exp"] = p.URL, now.Unix(), now.Add(time.Hour).Unix()
	head, _ := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": p.kid()})
	body, _ := json.Marshal(claims)
	text := encode(head) + "." + encode(body)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	if err != nil {
		p.Error(err)
	}
	return text + "." + encode(signature)
}

func (p *provider) logout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != clientID || q.Get("id_token_hint") == "" {
		p.Errorf("logout: %v", q)
	}
	p.logouts++
	http.SetCookie(w, &http.Cookie{Name: session, Path: "/", MaxAge: -1})
	http.Redirect(w, r, q.Get("post_logout_redirect_uri"), http.StatusFound)
}

// revoke makes the tokens that were given worth nothing: they are signed by a key that the service does not know any more.
func (p *provider) revoke(service string) {
	p.Helper()
	var other string
	p.set(func() {
		p.rotate()
		other = p.access("nobody in particular")
	})
	// The service looks for the keys again when it meets one that it does not know.
	if got := status(p.T, service+"/api/jobs", other); got != http.StatusOK {
		p.Fatalf("with a token of the new key: %d", got)
	}
}
