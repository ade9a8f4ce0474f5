package outbound_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/outbound"
)

func TestCheck(t *testing.T) {
	hosts := outbound.Hosts{"example.org", "tiles.example.org:8443", "localhost:9000", "127.0.0.1"}
	for address, ok := range map[string]bool{
		"https://example.org/dem.tif":             true,
		"https://EXAMPLE.org:443/dem.tif":         true,
		"https://tiles.example.org:8443/x":        true,
		"http://localhost:9000/x":                 true,
		"http://127.0.0.1/x":                      true,
		"http://127.0.0.1:80/x":                   true,
		"http://example.org/dem.tif":              false,
		"https://example.org:8443/":               false,
		"https://tiles.example.org/":              false,
		"https://example.org.evil.net/":           false,
		"https://evil.net/?example.org":           false,
		"https://example.org@evil.net/":           false,
		"https://user:secret@example.org/dem.tif": false,
		"http://localhost:22/":                    false,
		"http://169.254.169.254/latest/meta-data": false,
		"https://[::1]/":                          false,
		"file:///etc/passwd":                      false,
		"gopher://example.org/":                   false,
		"//example.org/":                          false,
		"":                                        false,
		"https://":                                false,
	} {
		err := hosts.Check("successUri", address)
		if (err == nil) != ok {
			t.Errorf("%s: %v, allowed should be %t", address, err, ok)
		}
		if err != nil && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "successUri")) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := outbound.Hosts(nil).Check("x", "https://example.org/"); err == nil || !strings.Contains(err.Error(), "no host is allowed") {
		t.Errorf("an empty list: %v", err)
	}
}

// A redirect to another host is not followed, and the host it leads to is not called.
func TestRedirectsStayAllowed(t *testing.T) {
	var called atomic.Bool
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Store(true) }))
	defer inner.Close()
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inner.URL, http.StatusFound)
	}))
	defer outer.Close()
	hosts := outbound.Hosts{strings.TrimPrefix(outer.URL, "http://")}
	res, err := hosts.Client(time.Minute).Get(outer.URL)
	if err == nil {
		_ = res.Body.Close()
	}
	if !fault.Is(err, fault.Invalid) || called.Load() {
		t.Errorf("%v, called %t", err, called.Load())
	}
}

// A public name that resolves to this machine is not dialled.
func TestResolvedAddress(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	client := outbound.Hosts{}.Client(time.Minute)
	for _, address := range []string{"http://localhost.localdomain" + port, "http://0.0.0.0" + port, "http://169.254.169.254"} {
		res, err := client.Get(address)
		if err == nil {
			_ = res.Body.Close()
			t.Errorf("%s was called", address)
		}
	}
	res, err := client.Get(s.URL)
	if err != nil {
		t.Fatalf("an address of this machine that is named as such: %v", err)
	}
	_ = res.Body.Close()
}
