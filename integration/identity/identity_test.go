// Package identity_test runs the submission service and the command line against an OpenID provider that people log in to.
package identity_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/integration/identity/provider"
)

const root = "../.."

func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"eemt", "submission"} {
		c := exec.Command("go", "build", "-o", filepath.Join(dir, name), "./cmd/"+name)
		c.Dir = root
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return dir
}

// serve starts the submission service and returns its address. Events go nowhere.
func serve(t *testing.T, bin string, env ...string) string {
	t.Helper()
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(sink.Close)
	port := freePort(t)
	c := exec.Command(filepath.Join(bin, "submission"))
	c.Env = append(os.Environ(), append(env, "PORT="+port, "K_SINK="+sink.URL, "EEMT_BUCKET=file://"+t.TempDir(), "EEMT_GRACE=1s", "EEMT_ECHO=true")...)
	return start(t, c, port)
}

// freePort is one of 127.0.0.1 that nobody listens to.
func freePort(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

// start runs a server until the test ends, and returns its address.
func start(t *testing.T, c *exec.Cmd, port string) string {
	t.Helper()
	var log bytes.Buffer
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		if err := c.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", c.Path, err, log.String())
		}
	})
	address := "http://127.0.0.1:" + port
	for range 200 {
		if r, err := http.Get(address + "/healthz"); err == nil {
			_ = r.Body.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not answer\n%s", c.Path, log.String())
	return ""
}

// person is somebody with the command line and a home of their own.
type person struct {
	t            *testing.T
	name, server string
	bin, home    string
}

func (p person) command(args ...string) *exec.Cmd {
	c := exec.CommandContext(p.t.Context(), filepath.Join(p.bin, "eemt"), args...)
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "EEMT_") }),
		"XDG_CONFIG_HOME="+p.home, "HOME="+p.home, "EEMT_SERVER="+p.server)
	return c
}

func (p person) run(args ...string) (string, error) {
	out, err := p.command(args...).CombinedOutput()
	return string(out), err
}

// TestLogin: two people log in with a device, work, and never see each other's jobs, until one is shared.
func TestLogin(t *testing.T) {
	issuer, err := provider.Start("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	bin := build(t)
	auth := []string{"EEMT_AUTH_MODE=oidc", "EEMT_AUTH_ISSUER=" + issuer.Issuer, "EEMT_AUTH_CLIENT_ID=" + provider.ClientID, "EEMT_AUTH_SCOPES=openid offline_access"}
	server := serve(t, bin, append(auth, "EEMT_AUTH_AUDIENCE="+provider.ClientID)...)
	anna := person{t, "anna", server, bin, t.TempDir()}
	boris := person{t, "boris", server, bin, t.TempDir()}

	if out, err := anna.run("jobs"); err == nil || !strings.Contains(out, "log in with: eemt login") {
		t.Errorf("before the login: %v %s", err, out)
	}
	for _, p := range []person{anna, boris} {
		if err := issuer.Login(p.command("login"), p.name); err != nil {
			t.Fatal(err)
		}
	}
	token := func(p person) string {
		out, err := p.run("token")
		if err != nil {
			t.Fatalf("%v %s", err, out)
		}
		return strings.TrimSpace(out)
	}
	out, err := anna.run("submit", "sol", filepath.Join(root, "examples/maungawhau/dem.tif"), "--step", "60")
	id := regexp.MustCompile(`0[0-9A-HJKMNP-TV-Z]{25}`).FindString(out)
	if err != nil || id == "" {
		t.Fatalf("submit: %v %s", err, out)
	}
	if out, err := anna.run("jobs"); err != nil || !strings.Contains(out, id) {
		t.Errorf("anna's jobs: %v %s", err, out)
	}
	if out, err := boris.run("jobs"); err != nil || strings.Contains(out, id) {
		t.Errorf("boris's jobs: %v %s", err, out)
	}
	for _, args := range [][]string{{"jobs", id}, {"results", id}, {"cancel", id}, {"delete", id}, {"keep", id}, {"share", id}} {
		if out, err := boris.run(args...); err == nil {
			t.Errorf("boris may %v: %s", args, out)
		}
	}
	get := func(token, path string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Body.Close()
		return a.StatusCode
	}
	if s := get(token(anna), "/jobs/"+id); s != 200 {
		t.Errorf("anna reads: %d", s)
	}
	if s := get(token(boris), "/jobs/"+id); s != 404 {
		t.Errorf("boris reads: %d", s)
	}
	if s := get("", "/jobs/"+id); s != 401 {
		t.Errorf("a stranger reads: %d", s)
	}
	link, err := anna.run("share", id, "--days", "1")
	if err != nil {
		t.Fatalf("share: %v %s", err, link)
	}
	u, err := url.Parse(strings.TrimSpace(link))
	if err != nil || u.Path != "/monitor" || get("", "/jobs/"+strings.Replace(u.Fragment, "&", "?", 1)) != 200 {
		t.Errorf("the link %q does not open (%v)", link, err)
	}
	key, err := anna.run("keys", "create", "station", "--days", "1")
	if err != nil || get(strings.TrimSpace(key), "/jobs/"+id) != 200 {
		t.Errorf("the key reads nothing: %v %s", err, key)
	}

	// A token for another audience, of the same issuer.
	other := serve(t, bin, append(auth, "EEMT_AUTH_AUDIENCE=other")...)
	if out, err := (person{t, "anna", other, bin, anna.home}).command("jobs").CombinedOutput(); err == nil {
		t.Errorf("without a login there: %s", out)
	}
	c := (person{t, "anna", other, bin, t.TempDir()}).command("jobs")
	c.Env = append(c.Env, "EEMT_TOKEN="+token(anna))
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "not valid here") {
		t.Errorf("another audience: %v %s", err, out)
	}
	if out, err := anna.run("logout"); err != nil {
		t.Errorf("logout: %v %s", err, out)
	}
	if out, err := anna.run("jobs"); err == nil {
		t.Errorf("after the logout: %s", out)
	}
}

// TestServe: people share a server on one machine: each sees their own jobs, which are computed.
func TestServe(t *testing.T) {
	issuer, err := provider.Start("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	bin, port := build(t), freePort(t)
	c := exec.Command(filepath.Join(bin, "eemt"), "serve", "--address", "127.0.0.1:"+port, "--data", t.TempDir(),
		"--oidc-issuer", issuer.Issuer, "--oidc-audience", provider.ClientID, "--oidc-client", provider.ClientID)
	c.Env = append(os.Environ(), "EEMT_AUTH_SCOPES=openid offline_access", "EEMT_QUOTA_JOBS=7")
	server := start(t, c, port)
	anna := person{t, "anna", server, bin, t.TempDir()}
	boris := person{t, "boris", server, bin, t.TempDir()}
	for _, p := range []person{anna, boris} {
		if err := issuer.Login(p.command("login"), p.name); err != nil {
			t.Fatal(err)
		}
	}
	maps := t.TempDir()
	out, err := anna.run("submit", "sol", filepath.Join(root, "examples/maungawhau/dem.tif"), "--step", "60", "--wait", "--output", maps)
	if err != nil {
		t.Fatalf("submit: %v %s", err, out)
	}
	if list, err := filepath.Glob(filepath.Join(maps, "global", "annual", "*.tif")); err != nil || len(list) == 0 {
		t.Errorf("maps: %v %v", list, err)
	}
	if out, err := boris.run("jobs", "--json"); err != nil || strings.Contains(out, "job_id") {
		t.Errorf("boris's jobs: %v %s", err, out)
	}
	if out, err := boris.run("quota"); err != nil || !strings.Contains(out, "7") {
		t.Errorf("boris's quota: %v %s", err, out)
	}
	if out, err := (person{t, "", server, bin, t.TempDir()}).run("jobs"); err == nil {
		t.Errorf("a stranger's jobs: %s", out)
	}
}

// TestChoiceIsMade: a service that nobody said of who may use it does not start.
func TestChoiceIsMade(t *testing.T) {
	bin := build(t)
	for _, env := range [][]string{{}, {"EEMT_AUTH_MODE=open"}, {"EEMT_AUTH_MODE=oidc"}, {"EEMT_AUTH_MODE=oidc", "EEMT_AUTH_ISSUER=http://id.example.org", "EEMT_AUTH_AUDIENCE=eemt"}, {"EEMT_AUTH_MODE=proxy"}, {"EEMT_AUTH_MODE=proxy", "EEMT_AUTH_PROXY_SECRET=short"}} {
		c := exec.CommandContext(t.Context(), filepath.Join(bin, "submission"))
		c.Env = append(os.Environ(), append(env, "PORT=0", "K_SINK=http://localhost:1", "EEMT_BUCKET=file://"+t.TempDir())...)
		out, err := c.CombinedOutput()
		var line struct{ Error string }
		_ = json.Unmarshal(bytes.TrimSpace(out), &line)
		if err == nil || !strings.Contains(line.Error, "EEMT_AUTH_") {
			t.Errorf("%v: %v %s", env, err, out)
		}
	}
}
