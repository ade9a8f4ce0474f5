package sources_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/outbound"
	"github.com/cyverse-gis/eemt/shared/sources"
)

// TestAddresses: climate is read from listed hosts and ports only, wherever redirects lead, and the token goes to one of them.
func TestAddresses(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	content := []byte(strings.Repeat("climate ", 1000))
	pool := x509.NewCertPool()
	serve := func(name, redirect string) string {
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			seen[name] = "asked " + r.Header.Get("Authorization")
			mu.Unlock()
			if redirect != "" {
				http.Redirect(w, r, redirect, http.StatusFound)
				return
			}
			http.ServeContent(w, r, "", time.Unix(1, 0), strings.NewReader(string(content)))
		}))
		t.Cleanup(s.Close)
		pool.AddCert(s.Certificate())
		return s.URL
	}
	hostOf := func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return u.Host
	}
	inner := serve("inner", "")
	first, second := serve("first", ""), serve("second", "")
	open := serve("open", inner+"/secret")
	chain := serve("chain", second+"/climate.tif")
	away := serve("away", second+"/climate.tif")
	hosts := outbound.Hosts{hostOf(first), hostOf(open), hostOf(chain), hostOf(away)}
	client := hosts.Client(time.Minute, hostOf(second))
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	files := sources.Files{Client: client, Token: "secret", Hosts: hosts}
	for _, c := range []struct {
		name, address string
		ok            bool
		asked         map[string]string
	}{
		{"the first host gets the token", first + "/climate.tif", true, map[string]string{"first": "asked Bearer secret"}},
		{"a redirect to a host that is known for it", chain + "/climate.tif", true, map[string]string{"chain": "asked ", "second": "asked "}},
		{"a redirect of the host with the token to another port", away + "/climate.tif", true, map[string]string{"away": "asked Bearer secret", "second": "asked "}},
		{"a redirect elsewhere", open + "/climate.tif", false, map[string]string{"open": "asked "}},
		{"a host of redirects", second + "/climate.tif", false, nil},
		{"another port of the host", strings.Replace(first, hostOf(first), "127.0.0.1:1", 1), false, nil},
		{"plain http", strings.Replace(first, "https", "http", 1), false, map[string]string{}},
		{"a user in the address", strings.Replace(first, "https://", "https://a:b@", 1), false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			mu.Lock()
			clear(seen)
			mu.Unlock()
			files := files
			if strings.HasPrefix(c.address, away) {
				files.TokenHost = hostOf(away)
			}
			r, size, closer, err := files.Open(t.Context(), c.address)
			if err == nil {
				data := make([]byte, size)
				_, err = r.ReadAt(data, 0)
				if errors.Is(err, io.EOF) {
					err = nil
				}
				_ = closer.Close()
			}
			if (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			for name, want := range c.asked {
				if seen[name] != want {
					t.Errorf("%s: %q, want %q", name, seen[name], want)
				}
			}
			for name := range seen {
				if _, meant := c.asked[name]; !meant {
					t.Errorf("%s was asked", name)
				}
			}
		})
	}
}
