// Package eventtoken lets the functions of a platform on Kubernetes know who sends an event: a sender has a token of its
// service account, which the cluster signs (OpenID Connect) for one receiver, as Knative Eventing does it.
package eventtoken

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Files of an identity, the folder that the cluster mounts into a pod. It renews the tokens.
const (
	// BrokerToken is sent with events.
	BrokerToken = "broker"
	// ClusterToken is for the cluster's API server, which has the keys that tokens are verified with.
	ClusterToken = "cluster"
	// ClusterCA certifies that server.
	ClusterCA = "ca.crt"
)

const (
	// patience bounds a call of the API server.
	patience = 10 * time.Second
	// longestDocument bounds what it answers, in bytes.
	longestDocument = 1 << 20
)

// Algorithms are those by which a token that counts may be signed, by a cluster or an OpenID provider: none that knows a shared
// secret.
var Algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// bearer sends the token in a file along with each request.
type bearer struct {
	file string
	next http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := os.ReadFile(b.file)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	return b.next.RoundTrip(r)
}

// Client is an HTTP client that sends the broker's token of an identity along.
func Client(identity string) *http.Client {
	return &http.Client{Transport: bearer{filepath.Join(identity, BrokerToken), http.DefaultTransport}}
}

// Verifier knows the tokens of senders. A nil one lets everybody send.
type Verifier struct {
	audience string
	senders  []string
	server   string
	client   *http.Client
	log      *slog.Logger

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
}

// New returns a Verifier that calls the API server of a cluster, https://HOST:PORT, with an identity. Tokens must be made for
// the audience, for one of the senders: the full name of an account, system:serviceaccount:NAMESPACE:NAME, or the begin of some
// with a star behind it.
func New(identity, server, audience string, senders []string, log *slog.Logger) (*Verifier, error) {
	if audience == "" || len(senders) == 0 || slices.Contains(senders, "") {
		return nil, errors.New("an audience and senders must be given, to know which tokens count")
	}
	pem, err := os.ReadFile(filepath.Join(identity, ClusterCA))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate", filepath.Join(identity, ClusterCA))
	}
	// A proxy of the environment is none for the cluster's own server.
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	return &Verifier{
		audience: audience, senders: senders, server: server, log: log,
		client: &http.Client{Timeout: patience, Transport: bearer{filepath.Join(identity, ClusterToken), transport}},
	}, nil
}

// Why a request is refused.
var (
	errToken   = errors.New("the event has no valid token for this service: a broker sends one where Knative Eventing authenticates senders (authentication-oidc)")
	errSender  = errors.New("the token is that of an account that sends this service no events")
	errCluster = errors.New("the cluster does not say how its tokens are verified; try again")
)

// Verify reports why a request has no token of a sender.
func (v *Verifier) Verify(r *http.Request) error {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return errToken
	}
	verifier, err := v.known(r.Context())
	if err != nil {
		v.log.Error("the keys of the cluster cannot be read", "server", v.server, "error", err)
		return errCluster
	}
	token, err := verifier.Verify(r.Context(), text)
	if err != nil {
		v.log.Warn("a token was refused", "error", err)
		return errToken
	}
	for _, s := range v.senders {
		if begin, some := strings.CutSuffix(s, "*"); s == token.Subject || some && strings.HasPrefix(token.Subject, begin) {
			return nil
		}
	}
	v.log.Warn("a sender was refused", "sender", token.Subject)
	return errSender
}

// Admit reports whether a request is one of a sender; else it has answered.
func (v *Verifier) Admit(w http.ResponseWriter, r *http.Request) bool {
	if v == nil {
		return true
	}
	err := v.Verify(r)
	switch {
	case err == nil:
		return true
	case errors.Is(err, errSender):
		http.Error(w, err.Error(), http.StatusForbidden)
	case errors.Is(err, errCluster):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		http.Error(w, err.Error(), http.StatusUnauthorized)
	}
	return false
}

// Require returns a handler that passes requests of senders to h.
func (v *Verifier) Require(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v.Admit(w, r) {
			h.ServeHTTP(w, r)
		}
	})
}

// known returns what verifies tokens: the cluster says under which name it signs them. The keys are fetched when a token names
// one that is not known.
func (v *Verifier) known(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.verifier != nil {
		return v.verifier, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.server+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, err
	}
	res, err := v.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	var said struct{ Issuer string }
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the API server answers %s", res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, longestDocument)).Decode(&said); err != nil {
		return nil, err
	}
	if said.Issuer == "" {
		return nil, errors.New("the API server names no issuer of tokens")
	}
	// The server's own address has the keys, wherever the document says that they are.
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), v.client), v.server+"/openid/v1/jwks")
	v.verifier = oidc.NewVerifier(said.Issuer, keys, &oidc.Config{ClientID: v.audience, SupportedSigningAlgs: Algorithms})
	return v.verifier, nil
}
