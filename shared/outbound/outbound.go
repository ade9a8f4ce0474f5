// Package outbound calls addresses that clients name, if the operator allows their hosts.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/cyverse-gis/eemt/shared/fault"
)

// Hosts are the hosts that may be reached: "example.org", which means https on
// port 443, or "example.org:8443". Entries that name this machine (localhost,
// 127.0.0.1) allow plain http too. None allows nothing.
type Hosts []string

// Check reports why an address may not be called, in an error of the kind fault.Invalid; what names it there.
func (h Hosts) Check(what, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fault.New(fault.Invalid, fmt.Errorf("%s %q: must be an address such as https://HOST/PATH", what, clip(address)))
	}
	if u.User != nil {
		return fault.New(fault.Invalid, fmt.Errorf("%s: must not hold a user name or password", what))
	}
	if !h.allowed(u) {
		list := "no host is allowed here"
		if len(h) > 0 {
			list = "allowed: " + strings.Join(h, ", ")
		}
		return fault.New(fault.Invalid, fmt.Errorf("%s: %s host %s may not be called; %s", what, u.Scheme, clip(u.Host), list))
	}
	return nil
}

func (h Hosts) allowed(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	if u.Scheme != "https" && !local(host) {
		return false
	}
	port := u.Port()
	return slices.ContainsFunc(h, func(entry string) bool {
		if strings.HasPrefix(entry, ".") { // all names below it
			return strings.HasSuffix(host, strings.ToLower(entry)) && (port == "" || port == "443")
		}
		name, entryPort, err := net.SplitHostPort(entry)
		if err != nil {
			name, entryPort = strings.Trim(entry, "[]"), ""
		}
		return strings.EqualFold(name, host) && (port == entryPort || entryPort == "" && (port == "443" || port == "80" && u.Scheme == "http"))
	})
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Client calls allowed hosts only; redirects may lead to these, and to others that are named. A name that resolves to this
// machine, to a private network, or to an address of the local link where clouds keep their secrets, is not called, unless an
// entry is that address, or a range that holds it, such as 10.1.0.0/16. A proxy of the environment (HTTPS_PROXY, NO_PROXY)
// resolves names itself: behind one the list of names is all that is checked.
func (h Hosts) Client(timeout time.Duration, redirects ...string) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	proxies := proxyHosts()
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			d := *dialer
			if !slices.Contains(proxies, address) {
				d.Control = func(_, resolved string, _ syscall.RawConn) error { return h.checkResolved(host, resolved) }
			}
			return d.DialContext(ctx, network, address)
		},
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second,
		MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > 5 {
				return fault.New(fault.Invalid, errors.New("more than 5 redirects"))
			}
			return append(slices.Clone(h), redirects...).Check("redirect", req.URL.String())
		},
	}
}

// proxyHosts are the addresses of the proxies that the environment names.
func proxyHosts() []string {
	var list []string
	env := httpproxy.FromEnvironment()
	for _, text := range []string{env.HTTPSProxy, env.HTTPProxy} {
		if !strings.Contains(text, "://") {
			text = "http://" + text
		}
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			port := u.Port()
			if port == "" {
				port = map[string]string{"http": "80", "https": "443", "socks5": "1080"}[u.Scheme]
			}
			list = append(list, net.JoinHostPort(u.Hostname(), port))
		}
	}
	return list
}

// Proxied reports whether the environment names a proxy, which then resolves names.
func Proxied() bool { return len(proxyHosts()) > 0 }

// inner are ranges that lead into networks of one's own, besides those that net.IP knows: of carriers, which clouds use for
// inner services (RFC 6598), of this network (RFC 1122), of protocols (RFC 6890), of tests (RFC 2544), reserved ones, and those
// of IPv6 with an address of IPv4 in them: NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
var inner = ranges("100.64.0.0/10", "0.0.0.0/8", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")

func ranges(list ...string) []netip.Prefix {
	var r []netip.Prefix
	for _, s := range list {
		r = append(r, netip.MustParsePrefix(s))
	}
	return r
}

// isInner reports an address of a network of one's own.
func isInner(ip net.IP) bool {
	a, ok := netip.AddrFromSlice(ip)
	return !ok || ip.IsPrivate() || slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// lists reports whether an entry is an address, or a range that holds it.
func (h Hosts) lists(ip net.IP) bool {
	return slices.ContainsFunc(h, func(entry string) bool {
		if _, network, err := net.ParseCIDR(entry); err == nil {
			return network.Contains(ip)
		}
		if name, _, err := net.SplitHostPort(entry); err == nil {
			entry = name
		}
		own := net.ParseIP(strings.Trim(entry, "[]"))
		return own != nil && own.Equal(ip)
	})
}

func (h Hosts) checkResolved(host, resolved string) error {
	text, _, err := net.SplitHostPort(resolved)
	if err != nil {
		return err
	}
	ip := net.ParseIP(text)
	switch {
	case ip != nil && h.lists(ip):
		return nil
	case ip == nil || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast():
		return fault.New(fault.Invalid, fmt.Errorf("host %s leads to %s, which may not be called", host, text))
	case ip.IsLoopback() && !local(strings.ToLower(host)):
		return fault.New(fault.Invalid, fmt.Errorf("host %s leads to this machine", host))
	case isInner(ip):
		return fault.New(fault.Invalid, fmt.Errorf("host %s leads to the private address %s; the operator may list it, or its range", host, text))
	}
	return nil
}

func clip(s string) string {
	if len(s) > 120 {
		return strings.ToValidUTF8(s[:120], "") + "..."
	}
	return s
}
