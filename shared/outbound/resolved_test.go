package outbound

import (
	"net/url"
	"strings"
	"testing"
)

// TestCheckResolved: where a name may lead.
func TestCheckResolved(t *testing.T) {
	listed := Hosts{"maps.example.org", "10.1.0.0/16", "192.168.7.9:8443", "fd00:1::/32"}
	for _, c := range []struct {
		host, resolved string
		hosts          Hosts
		ok             bool
	}{
		{"maps.example.org", "93.184.216.34:443", listed, true},
		{"maps.example.org", "[2606:2800::1]:443", listed, true},
		{"maps.example.org", "10.1.2.3:443", listed, true},
		{"maps.example.org", "192.168.7.9:443", listed, true},
		{"maps.example.org", "[fd00:1::5]:443", listed, true},
		{"maps.example.org", "10.2.0.1:443", listed, false},
		{"maps.example.org", "172.16.0.1:443", listed, false},
		{"maps.example.org", "192.168.7.8:443", listed, false},
		{"maps.example.org", "100.64.0.1:443", listed, false},
		{"maps.example.org", "100.128.0.1:443", listed, true},
		{"maps.example.org", "169.254.169.254:443", listed, false},
		{"maps.example.org", "[fd00:ec2::254]:443", listed, false},
		{"maps.example.org", "[fe80::1]:443", listed, false},
		{"maps.example.org", "[::ffff:10.2.0.1]:443", listed, false},
		{"maps.example.org", "127.0.0.1:443", listed, false},
		{"maps.example.org", "0.0.0.0:443", listed, false},
		{"maps.example.org", "224.0.0.1:443", listed, false},
		{"maps.example.org", "0.0.0.1:443", listed, false},
		{"maps.example.org", "192.0.0.192:443", listed, false},
		{"maps.example.org", "198.18.0.1:443", listed, false},
		{"maps.example.org", "255.255.255.255:443", listed, false},
		{"maps.example.org", "[64:ff9b::a9fe:a9fe]:443", listed, false},
		{"maps.example.org", "[2002:a9fe:a9fe::1]:443", listed, false},
		{"maps.example.org", "[64:ff9b::a9fe:a9fe]:443", Hosts{"maps.example.org", "64:ff9b::/96"}, true},
		{"localhost", "127.0.0.1:8080", Hosts{"localhost:8080"}, true},
	} {
		if err := c.hosts.checkResolved(c.host, c.resolved); (err == nil) != c.ok {
			t.Errorf("%s at %s: %v", c.host, c.resolved, err)
		}
	}
}

// TestProxyHosts: a proxy may be on a private network; it is not what a client names.
func TestProxyHosts(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"} {
		t.Setenv(name, "")
	}
	if Proxied() {
		t.Error("behind a proxy without one")
	}
	t.Setenv("HTTPS_PROXY", "10.0.0.1:3128")
	if got := proxyHosts(); !Proxied() || got[0] != "10.0.0.1:3128" {
		t.Errorf("%q", got)
	}
}

// FuzzCheck: no address that is taken has a user, another scheme or a host that is not listed.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{
		"https://maps.example.org/dem.tif", "http://maps.example.org/", "https://maps.example.org:8443/", "https://maps.example.org@evil.example/",
		"https://MAPS.example.org./x", "https://2130706433/", "https://0x7f000001/", "https://[::ffff:127.0.0.1]/", "file:///etc/passwd", "https://evil.example#maps.example.org",
		"https://a.sub.example.org/", "https://sub.example.org/", "//maps.example.org/", "https:maps.example.org", "gs://maps.example.org/x",
	} {
		f.Add(s)
	}
	h := Hosts{"maps.example.org", ".sub.example.org"}
	f.Fuzz(func(t *testing.T, address string) {
		if h.Check("x", address) != nil {
			return
		}
		u, err := url.Parse(address)
		if err != nil || u.User != nil || u.Scheme != "https" || u.Port() != "" && u.Port() != "443" {
			t.Errorf("%q is taken", address)
		}
		if name := strings.ToLower(u.Hostname()); name != "maps.example.org" && !strings.HasSuffix(name, ".sub.example.org") {
			t.Errorf("%q is taken: host %q", address, name)
		}
	})
}
