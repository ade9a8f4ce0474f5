// Package outbound calls addresses that clients name, if the operator allows their hosts.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

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

// Client calls allowed hosts only, wherever a redirect leads. A name that
// resolves to this machine, or to an address of the local link where clouds keep
// their secrets, is not called unless the entry says so itself.
func (h Hosts) Client(timeout time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			d := *dialer
			d.Control = func(_, resolved string, _ syscall.RawConn) error { return checkResolved(host, resolved) }
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
			return h.Check("redirect", req.URL.String())
		},
	}
}

func checkResolved(host, resolved string) error {
	text, _, err := net.SplitHostPort(resolved)
	if err != nil {
		return err
	}
	ip := net.ParseIP(text)
	switch {
	case ip == nil || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast():
		return fault.New(fault.Invalid, fmt.Errorf("host %s leads to %s, which may not be called", host, text))
	case ip.IsLoopback() && !local(strings.ToLower(host)):
		return fault.New(fault.Invalid, fmt.Errorf("host %s leads to this machine", host))
	}
	return nil
}

func clip(s string) string {
	if len(s) > 120 {
		return strings.ToValidUTF8(s[:120], "") + "..."
	}
	return s
}
