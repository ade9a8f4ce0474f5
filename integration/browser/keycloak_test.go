package browser

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const keycloakVersion = "26.7.3"

// keycloak is a Keycloak on this machine with the realm of testdata.
type keycloak struct {
	*testing.T
	url string
}

// keycloakProgram is the unpacked distribution, fetched from Maven's repository once and kept.
func keycloakProgram(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "eemt-keycloak")
	dir := filepath.Join(cache, "keycloak-"+keycloakVersion)
	if _, err := os.Stat(filepath.Join(dir, "bin/kc.sh")); err == nil {
		return dir
	}
	for _, c := range [][]string{
		{tool(t, "mvn"), "-q", "dependency:copy", "-Dartifact=org.keycloak:keycloak-quarkus-dist:" + keycloakVersion + ":zip", "-DoutputDirectory=" + cache},
		{tool(t, "unzip"), "-q", "-o", filepath.Join(cache, "keycloak-quarkus-dist-"+keycloakVersion+".zip"), "-d", cache},
	} {
		if out, err := exec.CommandContext(t.Context(), c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c, err, out)
		}
	}
	return dir
}

// freePort is one of 127.0.0.1 that nobody listens to.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// background runs a program until the test ends, and waits until it answers at an address.
func background(t *testing.T, c *exec.Cmd, address string) {
	t.Helper()
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for end := time.Now().Add(3 * patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if r, err := http.Get(address); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatalf("%s does not answer", c.Path)
}

// startKeycloak starts a Keycloak whose realms "eemt" and "elsewhere" know the people of testdata and the page of a service.
func startKeycloak(t *testing.T, service string) keycloak {
	t.Helper()
	home := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "cp", "-r", keycloakProgram(t)+"/.", home).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(home, "data/import"), 0o700); err != nil {
		t.Fatal(err)
	}
	realm := strings.ReplaceAll(string(read(t, "testdata/keycloak-realm.json")), "SERVICE", service)
	for _, name := range []string{"eemt", "elsewhere"} {
		text := strings.Replace(realm, `"realm": "eemt"`, fmt.Sprintf(`"realm": %q`, name), 1)
		if err := os.WriteFile(filepath.Join(home, "data/import", name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	k := keycloak{t, "http://127.0.0.1:" + port}
	c := exec.Command(filepath.Join(home, "bin/kc.sh"), "start-dev", "--http-host", "127.0.0.1", "--http-port", port, "--import-realm")
	c.Env = append(os.Environ(), "KC_BOOTSTRAP_ADMIN_USERNAME=admin", "KC_BOOTSTRAP_ADMIN_PASSWORD=admin")
	background(t, c, k.issuer("eemt")+"/.well-known/openid-configuration")
	return k
}

func (k keycloak) issuer(realm string) string { return k.url + "/realms/" + realm }

// token asks a realm for an access token.
func (k keycloak) token(realm string, form url.Values) string {
	k.Helper()
	r, err := http.PostForm(k.issuer(realm)+"/protocol/openid-connect/token", form)
	if err != nil {
		k.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var v struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil || v.Token == "" {
		k.Fatalf("no token: %s %v", v.Error, err)
	}
	return v.Token
}

// of is a token of a person, by a client of a realm.
func (k keycloak) of(realm, client, who string) string {
	k.Helper()
	return k.token(realm, url.Values{"grant_type": {"password"}, "client_id": {client}, "username": {who}, "password": {who + "-secret"}, "scope": {"openid profile"}})
}

// admin changes the realm "eemt" as its administrator.
func (k keycloak) admin(method, path string, body any) {
	k.Helper()
	token := k.token("master", url.Values{"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {"admin"}, "password": {"admin"}})
	text, err := json.Marshal(body)
	if err != nil {
		k.Fatal(err)
	}
	q, err := http.NewRequestWithContext(k.Context(), method, k.url+"/admin/realms/eemt"+path, bytes.NewReader(text))
	if err != nil {
		k.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+token)
	q.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		k.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	if answer, _ := io.ReadAll(r.Body); r.StatusCode >= 300 {
		k.Fatalf("%s %s: %d %s", method, path, r.StatusCode, answer)
	}
}

// submissionService starts cmd/submission, whose events go nowhere.
func submissionService(t *testing.T, port string, env ...string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "submission")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/submission")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build submission: %v\n%s", err, out)
	}
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(sink.Close)
	c := exec.Command(bin)
	c.Env = append(os.Environ(), append(env, "PORT="+port, "K_SINK="+sink.URL, "EEMT_BUCKET=file://"+t.TempDir(), "EEMT_GRACE=1s")...)
	background(t, c, "http://127.0.0.1:"+port+"/healthz")
}

// enter fills in Keycloak's form.
func (p *tab) enter(who string) {
	p.Helper()
	p.until("the provider asks for a password", `document.querySelector("#username") && document.querySelector("#password")`)
	p.do(chromedp.SetValue("#username", who), chromedp.SetValue("#password", who+"-secret"), chromedp.Click("#kc-login"))
}

var shownByLogin = regexp.MustCompile(`(?s)open (\S+).*confirm the code (\S+)`)

// deviceLogin runs eemt login with a home of its own, and does in a browser what it says.
func (k keycloak) deviceLogin(service, home, who string) {
	k.Helper()
	c := exec.CommandContext(k.Context(), program, "login", "--server", service)
	c.Env = append(os.Environ(), "XDG_CONFIG_HOME="+home, "HOME="+home)
	text, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		k.Fatal(err)
	}
	said, r := "", bufio.NewReader(text)
	for !shownByLogin.MatchString(said) {
		line, err := r.ReadString('\n')
		if said += line; err != nil {
			k.Fatalf("eemt login: %v\n%s", err, said)
		}
	}
	address := strings.TrimPrefix(shownByLogin.FindStringSubmatch(said)[1], k.url)
	p := open(k.T, k.url, address, wide, high)
	p.enter(who)
	p.until("the provider asks whether this is meant", `document.querySelector("[name=accept]")`)
	p.do(chromedp.Click("[name=accept]"))
	rest, _ := io.ReadAll(r)
	if err := c.Wait(); err != nil {
		k.Fatalf("eemt login: %v\n%s%s", err, said, rest)
	}
}

// unsigned is a token with the claims of another, signed by nobody.
func unsigned(token string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + strings.Split(token, ".")[1] + "."
}

// TestKeycloak: people, an operator and a machine that a Keycloak knows use the page, the command line and the interface.
// Keycloak is a large program: EEMT_NIGHTLY=1 runs this.
func TestKeycloak(t *testing.T) {
	if os.Getenv("EEMT_NIGHTLY") == "" {
		t.Skip("starts a Keycloak: EEMT_NIGHTLY=1 runs it")
	}
	port := freePort(t)
	service := "http://127.0.0.1:" + port
	k := startKeycloak(t, service)
	submissionService(t, port, "EEMT_AUTH_MODE=oidc", "EEMT_AUTH_ISSUER="+k.issuer("eemt"), "EEMT_AUTH_AUDIENCE=eemt", "EEMT_AUTH_CLIENT_ID=eemt-page",
		"EEMT_AUTH_ROLES_CLAIM=realm_access.roles")

	anna, boris, olga := k.of("eemt", "eemt-page", "anna"), k.of("eemt", "eemt-page", "boris"), k.of("eemt", "eemt-page", "olga")
	station := k.token("eemt", url.Values{"grant_type": {"client_credentials"}, "client_id": {"station"}, "client_secret": {"station-secret"}})

	p := open(t, service, "/", wide, high, k.url)
	p.until("the page asks for a login", `document.querySelector("#login")`)
	p.click("#login")
	p.enter("anna")
	p.until("the name is shown", `document.querySelector("#owner")?.innerText === "Anna A"`)
	p.goTo("/")
	p.until("the name is shown after a reload", `document.querySelector("#owner")?.innerText === "Anna A"`)
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.drop("#drop", "dem.tif", read(t, example+"dem.tif"))
	p.until("the DEM is ready", `document.querySelector("#verdict .verdict.good")`)
	p.click("#submit")
	var id string
	p.until("the job is shown", `location.hash.length > 20`)
	p.eval(&id, `location.hash.slice(1)`)

	t.Run("who sees the job", func(t *testing.T) {
		for name, c := range map[string]struct {
			token  string
			status int
		}{
			"its owner": {anna, 200}, "another": {boris, 404}, "an operator": {olga, 200}, "a machine": {station, 404}, "a stranger": {"", 401},
		} {
			if s := status(t, service+"/jobs/"+id, c.token); s != c.status {
				t.Errorf("%s: %d, not %d", name, s, c.status)
			}
		}
	})
	t.Run("tokens that do not count", func(t *testing.T) {
		k.admin("PUT", "", map[string]any{"accessTokenLifespan": 1})
		short := k.of("eemt", "eemt-page", "anna")
		k.admin("PUT", "", map[string]any{"accessTokenLifespan": 300})
		for name, token := range map[string]string{
			"of another realm": k.of("elsewhere", "eemt-page", "anna"), "for another audience": k.of("eemt", "other", "anna"), "alg none": unsigned(anna),
			"cut": anna[:len(anna)-8], "no token": "x",
		} {
			if s := status(t, service+"/jobs", token); s != 401 {
				t.Errorf("%s: %d", name, s)
			}
		}
		for end := time.Now().Add(patience); status(t, service+"/jobs", short) != 401; time.Sleep(time.Second) {
			if time.Now().After(end) {
				t.Fatal("an expired token still counts")
			}
		}
	})
	t.Run("eemt login, and a share with a group", func(t *testing.T) {
		k := keycloak{t, k.url}
		home := t.TempDir()
		k.deviceLogin(service, home, "boris")
		run := func(args ...string) (string, error) {
			c := exec.CommandContext(t.Context(), program, append(args, "--server", service)...)
			c.Env = append(os.Environ(), "XDG_CONFIG_HOME="+home, "HOME="+home)
			out, err := c.CombinedOutput()
			return string(out), err
		}
		if out, err := run("jobs"); err != nil || strings.Contains(out, id) {
			t.Errorf("boris's jobs: %v %s", err, out)
		}
		if out, err := run("jobs", id); err == nil {
			t.Errorf("boris reads %s", out)
		}
		// Both are of this group, says the provider.
		c := exec.CommandContext(t.Context(), program, "share", id, "--group", "hydrology", "--server", service)
		c.Env = append(os.Environ(), "EEMT_TOKEN="+anna)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("share: %v %s", err, out)
		}
		if out, err := run("jobs", id); err != nil || !strings.Contains(out, id) {
			t.Errorf("boris reads after the share: %v %s", err, out)
		}
	})
	t.Run("keys that changed", func(t *testing.T) {
		k := keycloak{t, k.url}
		k.admin("POST", "/components", map[string]any{
			"name": "newer", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
			"config": map[string][]string{"priority": {"1000"}, "algorithm": {"RS256"}},
		})
		newer := k.of("eemt", "eemt-page", "anna")
		if strings.Split(newer, ".")[0] == strings.Split(anna, ".")[0] {
			t.Fatal("the key did not change")
		}
		for end := time.Now().Add(patience); status(t, service+"/jobs/"+id, newer) != 200; time.Sleep(time.Second) {
			if time.Now().After(end) {
				t.Fatal("a token of the new key does not count")
			}
		}
	})
	p.click("#logout")
	p.until("the page asks for a login again", `document.querySelector("#login")`)
}
