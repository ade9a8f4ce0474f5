package cluster

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/integration/identity/provider"
)

// machine is the address by which pods reach the machine that the tests run on: EEMT_CLUSTER_MACHINE, or that which the way to
// a node starts from.
func machine(t *testing.T) string {
	t.Helper()
	if m := os.Getenv("EEMT_CLUSTER_MACHINE"); m != "" {
		return m
	}
	node := kubectl(t, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	c, err := net.Dial("udp", net.JoinHostPort(node, "9"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).IP.String()
}

// login returns the token that a person gets by eemt login.
func (d *deployment) login(t *testing.T, p *provider.Provider, eemt, server, name string) string {
	t.Helper()
	home := t.TempDir()
	ca := filepath.Join(home, "provider.crt")
	if err := os.WriteFile(ca, p.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) *exec.Cmd {
		c := exec.CommandContext(t.Context(), eemt, args...)
		c.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "EEMT_SERVER="+server, "SSL_CERT_FILE="+ca)
		return c
	}
	if err := p.Login(command("login"), name); err != nil {
		t.Fatal(err)
	}
	token, err := command("token").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}

// loggedIn deploys with an OpenID provider, and has two people work.
func (d *deployment) loggedIn(t *testing.T) {
	t.Helper()
	host := machine(t)
	p, err := provider.Start(host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	ca := filepath.Join(t.TempDir(), "provider.crt")
	if err := os.WriteFile(ca, p.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "-n", d.namespace, "create", "configmap", "provider", "--from-file="+ca)
	d.mustDeploy(t, "--upgrade", "--values", fill(t, "auth.yaml", "@ISSUER@", p.Issuer, "@MACHINE@", host), "--auth", "oidc")
	eemt, server := program(t, "eemt"), through(t, d.ingress(), d.host)
	anna, boris := d.login(t, p, eemt, server, "anna"), d.login(t, p, eemt, server, "boris")
	c := exec.CommandContext(t.Context(), eemt, "submit", "sol", filepath.Join(root, "examples", "maungawhau", "dem.tif"), "--step", "60", "--wait", "--quiet")
	c.Env = append(os.Environ(), "EEMT_SERVER="+server, "EEMT_TOKEN="+anna)
	out, err := c.Output()
	id := strings.TrimSpace(string(out))
	if err != nil || id == "" {
		t.Fatalf("submit: %v %s", err, out)
	}
	get := func(path, token string) int {
		header := map[string]string{}
		if token != "" {
			header["Authorization"] = "Bearer " + token
		}
		code, _ := call(t, http.MethodGet, d.ingress()+path, d.host, "", nil, header)
		return code
	}
	for _, r := range []struct {
		who, token, path string
		want             int
	}{
		{"nobody", "", "/healthz", 200},
		{"nobody", "", "/jobs", 401},
		{"nobody", "", "/jobs/" + id, 401},
		{"somebody with a damaged token", anna[:len(anna)-5] + "AAAAA", "/jobs/" + id, 401},
		{"anna", anna, "/jobs/" + id, 200},
		{"anna", anna, "/api/jobs/" + id + "/results", 200},
		{"boris", boris, "/jobs", 200},
		{"boris", boris, "/jobs/" + id, 404},
		{"boris", boris, "/api/jobs/" + id + "/results", 404},
	} {
		if code := get(r.path, r.token); code != r.want {
			t.Errorf("%s gets %d at %s, want %d", r.who, code, r.path, r.want)
		}
	}
}

// withinOnly deploys without a login, and not public: submission answers in the cluster, and not through the host name that it
// had outside.
func (d *deployment) withinOnly(t *testing.T) {
	t.Helper()
	d.mustDeploy(t, "--upgrade", "--auth", "none")
	eventually(t, 30*time.Second, "gone from outside", func() (bool, string) {
		code, body := call(t, http.MethodGet, d.ingress()+"/jobs", d.host, "", nil, nil)
		return code == http.StatusNotFound && !strings.Contains(string(body), "{"), string(body)
	})
	if code, body := call(t, http.MethodGet, d.ingress()+"/jobs", release+"-submission."+d.namespace+".svc.cluster.local", "", nil, nil); code != http.StatusNotFound || strings.Contains(string(body), "{") {
		t.Errorf("outside, its name in the cluster leads to %d %s", code, body)
	}
	if url := kubectl(t, "-n", d.namespace, "get", "ksvc", release+"-submission", "-o", "jsonpath={.status.url}"); url != d.inside("submission") {
		t.Errorf("the address of submission is %s", url)
	}
	if got := calls(t, "none", request{Method: http.MethodGet, Address: d.inside("submission") + "/jobs"}); got[0].Status != http.StatusOK {
		t.Errorf("in the cluster it answers %+v", got[0])
	}
}
