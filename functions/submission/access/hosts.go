package access

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
)

// Loopback are the names by which a machine calls itself.
var Loopback = []string{"localhost", "127.0.0.1", "::1"}

// Hosts answers only requests for some names of hosts, whatever the port: 421 to others. A page of another site that has its
// name lead here would otherwise be of the same origin as this server.
func Hosts(names []string, h http.Handler) http.Handler {
	known := func(host string) bool {
		name := hostName(host)
		return slices.Contains(names, name) || strings.HasSuffix(name, ".localhost")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, host := range append([]string{r.Host}, r.Header.Values("X-Forwarded-Host")...) {
			if host = strings.TrimSpace(host); !known(host) {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				w.WriteHeader(http.StatusMisdirectedRequest)
				_, _ = fmt.Fprintf(w, "this server does not answer for %.80q; start it with --host NAME to let it answer for another name\n", host)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// hostName is the name of a host with a port or without, in the form of Loopback.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.Trim(strings.ToLower(host), "[].")
}

// SameSite refuses what pages of other sites make a browser send, unless it only reads.
func SameSite(h http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(problem.Plain(http.StatusForbidden, "a page of another site sent this request: only this server's own pages may change anything"))
	}))
	return p.Handler(h)
}
