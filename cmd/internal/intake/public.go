package intake

import (
	"fmt"
	"net/http"
	"net/url"
)

// Public returns what makes a handler believe that it is called by one address, of which all links are made, whatever a client
// or a proxy says. Without an address it changes nothing.
func Public(address string) (func(http.Handler) http.Handler, error) {
	if address == "" {
		return func(h http.Handler) http.Handler { return h }, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("EEMT_PUBLIC_URL %q: must be an address without a path, such as https://maps.example.org", address)
	}
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Host = u.Host
			r.Header.Set("X-Forwarded-Host", u.Host)
			r.Header.Set("X-Forwarded-Proto", u.Scheme)
			r.Header.Del("Forwarded")
			h.ServeHTTP(w, r)
		})
	}, nil
}
