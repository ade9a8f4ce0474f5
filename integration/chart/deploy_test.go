package chart_test

import (
	"bytes"
	"errors"
	"flag"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// script runs one of ko's scripts without a cluster.
func script(t *testing.T, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := exec.Command("../../ko/"+name, args...)
	// A configuration that leads nowhere: a dry run must not look for a cluster.
	c.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(t.TempDir(), "none"), "PATH="+helmDir(t)+":"+os.Getenv("PATH"), "KO_DOCKER_REPO=")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

var helmBuilt string

// helmDir is a directory with the version of helm that integration/tools pins.
func helmDir(t *testing.T) string {
	t.Helper()
	if helmBuilt != "" {
		return helmBuilt
	}
	dir, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("go", "-C", "../tools", "build", "-trimpath", "-o", filepath.Join(dir, "helm"), "helm.sh/helm/v3/cmd/helm")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build helm: %v\n%s", err, out)
	}
	helmBuilt = dir
	return dir
}

// TestDryRun compares what deploy.sh would apply with golden files; each flag of it changes one of them. The same
// manifests pass Knative's validation as soon as ko has put images in.
func TestDryRun(t *testing.T) {
	conforms := conform(t)
	own := filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(own, []byte("strategy: performance\ncompute:\n  maxScale: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want []string // what the output must hold
	}{
		{"default", []string{"--bucket", "gs://maps", "--auth", "none"}, []string{"networking.knative.dev/visibility: cluster-local", "namespace: eemt", "name: eemt-compute", `max-scale: "20"`}},
		{"elsewhere", []string{"-n", "terrain", "-r", "maps", "-b", "gs://maps", "--auth", "none", "--public"}, []string{"namespace: terrain", "name: maps-compute", "/terrain/maps"}},
		{"gke-gpu-spot", []string{"--preset=gke", "--bucket=gs://maps", "--gpu", "--spot", "--set", "gpu.type=nvidia-l4", "--network-policy", "on", "--auth=none"}, []string{"nvidia.com/gpu", "gke-spot", "kind: NetworkPolicy", "gke-accelerator: nvidia-l4"}},
		{"eks-ingress", []string{"-p", "eks", "-b", "s3://maps?region=eu-central-1", "--ingress", "maps.example.org", "-s", "minimal", "--auth", "oidc", "--auth-issuer", "https://id.example.org/realms/lab", "--auth-audience", "eemt", "--auth-client", "page"}, []string{"value: oidc", "value: https://id.example.org/realms/lab", "value: http://maps.example.org", "kind: DomainMapping", "name: maps.example.org", "s3://maps?region=eu-central-1", "role-arn"}},
		{"aks", []string{"-p", "aks", "-b", "azblob://maps", "--auth", "proxy", "--set", "auth.proxy.secret=proxy"}, []string{"azure.workload.identity/use"}},
		{"dev", []string{"--dev"}, []string{"kind: PersistentVolumeClaim", "EEMT_LOG_LEVEL: debug", "kind: InMemoryChannel", `max-scale: "2"`}},
		{"hybrid", []string{"-m", "hybrid", "-b", "gs://maps"}, []string{"eemt-compute"}},
		{"cleanup-only", []string{"--cleanup-only", "-b", "gs://maps", "--debug"}, []string{"eemt-cleanup", "EEMT_LOG_LEVEL: debug"}},
		{"precedence", []string{"-b", "gs://maps", "-p", "dev", "-f", own, "--set", "bucket.claim.name=,bucket.claim.create=false", "-s", "balanced"}, []string{`max-scale: "7"`, `value: 6963MiB`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, errs, code := script(t, "deploy.sh", append(c.args, "--dry-run")...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, errs)
			}
			again, _, _ := script(t, "deploy.sh", append(c.args, "--dry-run")...)
			if again != out {
				t.Error("two runs differ")
			}
			for _, w := range c.want {
				if !strings.Contains(out, w) {
					t.Errorf("%q is missing", w)
				}
			}
			if c.name == "elsewhere" && (strings.Contains(out, "namespace: eemt") || strings.Contains(out, "name: eemt-")) {
				t.Error("a name of the default release is left")
			}
			golden := filepath.Join("testdata", "deploy", c.name+".yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != out {
				t.Errorf("output differs from %s; go test -update rewrites it", golden)
			}
			var list []object
			for part := range strings.SplitSeq(strings.ReplaceAll(out, "ko://", "registry.example/"), "\n---\n") {
				o := object{text: []byte(part)}
				if err := yaml.UnmarshalStrict(o.text, &o.fields); err != nil {
					t.Fatal(err)
				}
				o.kind, _ = o.at("kind").(string)
				o.name, _ = o.at("metadata", "name").(string)
				if o.kind != "" {
					list = append(list, o)
				}
			}
			features := map[string]string{"kubernetes.podspec-persistent-volume-claim": "enabled", "kubernetes.podspec-persistent-volume-write": "enabled"}
			for k, v := range placement {
				features[k] = v
			}
			if err := validate(list, features); err != nil {
				t.Error(err)
			}
			if err := conforms(list); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDeployWithoutCluster(t *testing.T) {
	spaced := filepath.Join(t.TempDir(), "my images.yaml")
	if err := os.WriteFile(spaced, []byte("images: {smoke: example.org/smoke}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, script string
		args         []string
		code         int
		want         string
	}{
		{"help", "deploy.sh", []string{"--help"}, 0, "Examples"},
		{"local", "deploy.sh", []string{"-m", "local", "--dry-run"}, 0, "eemt serve"},
		{"local with a directory", "deploy.sh", []string{"-m", "local", "-d", "-b", "file:///maps", "--debug", "--", "--address", ":8080"}, 0, "eemt serve --data /maps --verbose --address :8080"},
		{"local with a size", "deploy.sh", []string{"-m", "local", "-s", "minimal"}, 2, "-s: --mode local runs one process"},
		{"arguments of nobody", "deploy.sh", []string{"-b", "gs://maps", "--", "--address", ":8080"}, 2, "--address: only --mode local"},
		{"print values", "deploy.sh", []string{"-b", "gs://maps", "-s", "minimal", "--print-values"}, 0, "strategy: minimal"},
		{"unknown flag", "deploy.sh", []string{"--gpus"}, 2, "flag --gpus is not known"},
		{"no value", "deploy.sh", []string{"--strategy"}, 2, "--strategy needs a value"},
		{"strategy", "deploy.sh", []string{"-s", "huge"}, 2, "--strategy huge: must be one of minimal balanced performance"},
		{"mode", "deploy.sh", []string{"-m", "swarm"}, 2, "--mode swarm: must be one of local distributed hybrid"},
		{"preset", "deploy.sh", []string{"-p", "oke"}, 2, "--preset oke"},
		{"dev on a cloud", "deploy.sh", []string{"--dev", "-p", "gke"}, 2, "leave --preset gke out"},
		{"namespace", "deploy.sh", []string{"-n", "EEMT"}, 2, "--namespace EEMT"},
		{"canary of nothing", "deploy.sh", []string{"--canary", "10"}, 2, "needs --upgrade"},
		{"canary of all", "deploy.sh", []string{"-u", "--canary", "100"}, 2, "--canary 100: must be 1 to 99 percent"},
		{"values that are not there", "deploy.sh", []string{"-f", "nowhere.yaml"}, 2, "nowhere.yaml cannot be read"},
		{"images in a file with a space", "deploy.sh", []string{"-b", "gs://maps", "--auth", "none", "--images", spaced, "--dry-run"}, 0, "image: example.org/smoke"},
		{"typo in a value", "deploy.sh", []string{"-b", "gs://maps", "--set", "compute.maxscale=3", "--dry-run"}, 1, "maxscale"},
		{"policies now and then", "deploy.sh", []string{"-b", "gs://maps", "--network-policy", "sometimes"}, 2, "--network-policy sometimes: must be one of auto on off"},
		{"no auth", "deploy.sh", []string{"-b", "gs://maps", "--dry-run"}, 1, "auth.mode is missing: oidc lets people log in"},
		{"an auth of its own", "deploy.sh", []string{"-b", "gs://maps", "--auth", "basic", "--dry-run"}, 2, "--auth basic: must be one of oidc proxy none"},
		{"public with a login", "deploy.sh", []string{"-b", "gs://maps", "--auth", "oidc", "--public"}, 2, "--public: has a meaning with --auth none only"},
		{"README's command", "deploy.sh", append(strings.Fields(deployOf(t))[1:], "--dry-run"), 0, "value: https://id.example.org"},
		{"no bucket", "deploy.sh", []string{"--dry-run"}, 1, "bucket.url is missing"},
		{"no cluster", "deploy.sh", []string{"-b", "gs://maps", "--auth", "none"}, 1, "error: "},
		{"cleanup help", "cleanup.sh", []string{"-h"}, 0, "--keep-data"},
		{"cleanup unknown", "cleanup.sh", []string{"--everything"}, 2, "flag --everything is not known"},
		{"cleanup of nothing", "cleanup.sh", []string{"-r"}, 2, "-r needs a value"},
		{"cleanup with a value behind =", "cleanup.sh", []string{"--all", "--namespace=kube-system"}, 2, "not EEMT's own"},
		{"cleanup contradiction", "cleanup.sh", []string{"--all", "--keep-data"}, 2, "--all excludes --keep-data"},
		{"cleanup of the cluster", "cleanup.sh", []string{"--all", "-n", "kube-system"}, 2, "not EEMT's own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, errs, code := script(t, c.script, c.args...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit %d, want %d with %q\n%s%s", code, c.code, c.want, out, errs)
			}
		})
	}
}

// TestDocumentedCommands renders what each command in the documents and in the help would deploy.
func TestDocumentedCommands(t *testing.T) {
	own := filepath.Join(t.TempDir(), "my.yaml")
	if err := os.WriteFile(own, []byte("auth: {mode: oidc, issuer: https://id.example.org, audience: eemt}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	help, _, _ := script(t, "deploy.sh", "--help")
	texts := map[string]string{"--help": help}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../../README.md") {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(page)] = string(data)
	}
	n := 0
	for where, text := range texts {
		for _, line := range regexp.MustCompile(`(?m)^ *ko/deploy\.sh .*$`).FindAllString(text, -1) {
			n++
			command, _, _ := strings.Cut(line, "|")
			args := strings.Fields(strings.ReplaceAll(command, "my.yaml", own))[1:]
			if at := slices.Index(args, "--"); at >= 0 {
				args = slices.Insert(args, at, "--dry-run")
			} else {
				args = append(args, "--dry-run")
			}
			if out, errs, code := script(t, "deploy.sh", args...); code != 0 || out == "" {
				t.Errorf("%s: %s: exit %d: %s", where, strings.TrimSpace(line), code, errs)
			}
		}
	}
	if n < 8 {
		t.Errorf("only %d commands were found", n)
	}
}

// deployOf is the command in README that deploys.
func deployOf(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^ko/deploy\.sh .*$`).FindString(string(data))
	if command == "" {
		t.Fatal("README has no command that deploys")
	}
	return command
}

// TestCleanupWithoutHelm removes what deploy.sh has deployed where helm is not installed: both build it.
func TestCleanupWithoutHelm(t *testing.T) {
	helmDir(t)
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("../../ko/cleanup.sh", "--dry-run")
	c.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(bin, "none"), "PATH="+bin+":"+filepath.Dir(goTool)+":/usr/bin:/bin")
	if out, _ := c.CombinedOutput(); strings.Contains(string(out), "helm is not installed") || !strings.Contains(string(out), "From namespace eemt") {
		t.Errorf("%s", out)
	}
}

// TestLocalMode starts what --mode local starts, where eemt is installed and where it is not.
func TestLocalMode(t *testing.T) {
	deploy, err := filepath.Abs("../../ko/deploy.sh")
	if err != nil {
		t.Fatal(err)
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "-C", "../..", "build", "-o", filepath.Join(bin, "eemt"), "./cmd/eemt").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, l := range []struct{ name, path, bucket string }{
		{"installed", bin + ":" + os.Getenv("PATH"), "file://%s/maps"},
		{"from sources", filepath.Dir(goTool) + ":/usr/bin:/bin", "maps"},
	} {
		t.Run(l.name, func(t *testing.T) {
			dir := t.TempDir()
			c := exec.Command(deploy, "--mode", "local", "--bucket", strings.ReplaceAll(l.bucket, "%s", dir), "--", "--address", free(t))
			c.Dir, c.Env = dir, append(os.Environ(), "PATH="+l.path)
			serves(t, c)
			if _, err := os.Stat(filepath.Join(dir, "maps")); err != nil {
				t.Error(err)
			}
		})
	}
}

// free is an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// serves starts a server, whose address is its last argument, and ends it when it answers.
func serves(t *testing.T, c *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() { _ = c.Process.Kill() })
	for {
		if res, err := http.Get("http://" + c.Args[len(c.Args)-1] + "/healthz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, said.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	// The script hands its place over, so that a signal reaches the server.
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("after an interrupt: %v\n%s", err, said.String())
	}
}
