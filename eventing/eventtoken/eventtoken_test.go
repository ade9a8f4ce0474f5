package eventtoken_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/cyverse-gis/eemt/eventing/eventtoken"
)

const issuer = "https://issuer.example.org/cluster"

// cluster is an API server that signs tokens.
type cluster struct {
	*httptest.Server
	identity string
	key      *ecdsa.PrivateKey
	down     atomic.Bool
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{identity: t.TempDir()}
	var err error
	if c.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	// Discovery is for accounts of the cluster alone.
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.down.Load() || r.Header.Get("Authorization") != "Bearer for the cluster" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": issuer, "jwks_uri": "https://elsewhere.example.org/keys"})
	})
	mux.HandleFunc("/openid/v1/jwks", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: c.key.Public(), KeyID: "1", Algorithm: "ES256"}}})
	})
	for name, data := range map[string][]byte{
		eventtoken.BrokerToken: []byte("for the broker\n"), eventtoken.ClusterToken: []byte("for the cluster"),
		eventtoken.ClusterCA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw}),
	} {
		if err := os.WriteFile(filepath.Join(c.identity, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *cluster) token(t *testing.T, key any, algorithm jose.SignatureAlgorithm, iss, aud, sub string, life time.Duration) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(s).Claims(map[string]any{"iss": iss, "aud": []string{aud}, "sub": sub, "exp": time.Now().Add(life).Unix()}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestVerifier(t *testing.T) {
	c := newCluster(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v, err := eventtoken.New(c.identity, c.URL, "maps/compute", []string{"system:serviceaccount:maps:*", "system:serviceaccount:lab:sender"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	sender := "system:serviceaccount:maps:eemt-task-requested-oidc"
	good := c.token(t, c.key, jose.ES256, issuer, "maps/compute", sender, time.Hour)
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(good, ".")[1] + "."
	handler := v.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	post := func(authorization string) int {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}
	c.down.Store(true)
	if code := post("Bearer " + good); code != http.StatusServiceUnavailable {
		t.Errorf("while the cluster does not answer: %d", code)
	}
	c.down.Store(false)
	for _, r := range []struct {
		name, authorization string
		want                int
	}{
		{"good", "Bearer " + good, 202},
		{"another named", "Bearer " + c.token(t, c.key, jose.ES256, issuer, "maps/compute", "system:serviceaccount:lab:sender", time.Hour), 202},
		{"nothing", "", 401},
		{"not a token", "Bearer x", 401},
		{"another scheme", "Basic " + good, 401},
		{"unsigned", "Bearer " + unsigned, 401},
		{"a shared secret", "Bearer " + c.token(t, []byte(strings.Repeat("k", 32)), jose.HS256, issuer, "maps/compute", sender, time.Hour), 401},
		{"another key", "Bearer " + c.token(t, other, jose.ES256, issuer, "maps/compute", sender, time.Hour), 401},
		{"another issuer", "Bearer " + c.token(t, c.key, jose.ES256, "https://other.example.org", "maps/compute", sender, time.Hour), 401},
		{"another audience", "Bearer " + c.token(t, c.key, jose.ES256, issuer, "maps/cleanup", sender, time.Hour), 401},
		{"expired", "Bearer " + c.token(t, c.key, jose.ES256, issuer, "maps/compute", sender, -time.Minute), 401},
		{"another namespace", "Bearer " + c.token(t, c.key, jose.ES256, issuer, "maps/compute", "system:serviceaccount:other:x", time.Hour), 403},
		{"a namespace whose name begins so", "Bearer " + c.token(t, c.key, jose.ES256, issuer, "maps/compute", "system:serviceaccount:maps2:x", time.Hour), 403},
		{"more than a name", "Bearer " + c.token(t, c.key, jose.ES256, issuer, "maps/compute", "system:serviceaccount:lab:sender2", time.Hour), 403},
	} {
		if code := post(r.authorization); code != r.want {
			t.Errorf("%s: %d, want %d", r.name, code, r.want)
		}
	}
	handler = (*eventtoken.Verifier)(nil).Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	if code := post(""); code != 202 {
		t.Errorf("without a verifier: %d", code)
	}
}

func TestClient(t *testing.T) {
	c := newCluster(t)
	var got atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got.Store(r.Header.Get("Authorization")) }))
	defer s.Close()
	client := eventtoken.Client(c.identity)
	for _, token := range []string{"for the broker", "renewed"} {
		res, err := client.Post(s.URL, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got.Load() != "Bearer "+token {
			t.Errorf("sent %q", got.Load())
		}
		if err := os.WriteFile(filepath.Join(c.identity, eventtoken.BrokerToken), []byte("renewed"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(c.identity, eventtoken.BrokerToken)); err != nil {
		t.Fatal(err)
	}
	if res, err := client.Post(s.URL, "", nil); err == nil {
		_ = res.Body.Close()
		t.Error("sent without a token")
	}
}

func TestNew(t *testing.T) {
	c := newCluster(t)
	for _, n := range []struct {
		identity, audience string
		senders            []string
	}{
		{t.TempDir(), "a", []string{"b"}},
		{c.identity, "", []string{"b"}},
		{c.identity, "a", nil},
		{c.identity, "a", []string{""}},
	} {
		if _, err := eventtoken.New(n.identity, c.URL, n.audience, n.senders, nil); err == nil {
			t.Errorf("%+v was taken", n)
		}
	}
}
