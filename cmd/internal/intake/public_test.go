package intake_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cyverse-gis/eemt/cmd/internal/intake"
)

func TestPublic(t *testing.T) {
	for _, bad := range []string{"maps.example.org", "ftp://maps.example.org", "https://", "https://maps.example.org/eemt", "https://a:b@maps.example.org", "https://maps.example.org?x"} {
		if _, err := intake.Public(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	for address, want := range map[string][3]string{
		"":                             {"evil.example", "other.example", "http"},
		"https://maps.example.org":     {"maps.example.org", "maps.example.org", "https"},
		"http://maps.example.org:8080": {"maps.example.org:8080", "maps.example.org:8080", "http"},
	} {
		wrap, err := intake.Public(address)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "evil.example"
		r.Header.Set("X-Forwarded-Host", "other.example")
		r.Header.Set("X-Forwarded-Proto", "http")
		var got [3]string
		wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got = [3]string{r.Host, r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Forwarded-Proto")}
		})).ServeHTTP(httptest.NewRecorder(), r)
		if got != want {
			t.Errorf("%q: %v, want %v", address, got, want)
		}
	}
}
