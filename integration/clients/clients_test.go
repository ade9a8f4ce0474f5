// Package clients makes clients of the service's OpenAPI definition, as its users do, and runs jobs with them.
package clients

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	root    = "../.."
	example = root + "/examples/maungawhau/"
	// patience bounds the start of a server.
	patience = 60 * time.Second
)

// tool finds a program, or skips the test; with EEMT_REQUIRE_TOOLS it must be there.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("EEMT_REQUIRE_TOOLS") != "" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// command runs a program in a directory; what it says is shown when it fails.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}

var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "eemt-clients-*")
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, "eemt")
	c := exec.Command("go", "build", "-o", to, "./cmd/eemt")
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build eemt: %w\n%s", err, out)
	}
	return to, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// serve runs eemt serve on an empty bucket and returns its address.
func serve(t *testing.T, flags ...string) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	var log bytes.Buffer
	c := exec.Command(path, append([]string{"serve", "--address", address, "--data", t.TempDir()}, flags...)...)
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
		if r, err := http.Get("http://" + address + "/healthz"); err == nil {
			_ = r.Body.Close()
			return "http://" + address
		}
	}
	t.Fatal("serve does not answer")
	return ""
}

// definition saves the definition of a server in a directory.
func definition(t *testing.T, url, dir string) string {
	t.Helper()
	r, err := http.Get(url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	data, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("the definition: %s %v", r.Status, err)
	}
	to := filepath.Join(dir, "api.json")
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// filling is held while a directory is made that tests have in common.
var filling sync.Mutex

// cached makes a directory of a registry's packages once, for all runs with the same list of them.
func cached(t *testing.T, list string, fill func(dir string)) string {
	t.Helper()
	filling.Lock()
	defer filling.Unlock()
	data, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	sum := sha256.Sum256(data)
	dir := filepath.Join(base, "eemt-clients", hex.EncodeToString(sum[:8]))
	done := filepath.Join(dir, "done")
	if _, err := os.Stat(done); err == nil {
		return dir
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	fill(dir)
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// python returns the directory of programs of an environment with what a list of requirements names.
func python(t *testing.T, list string) string {
	t.Helper()
	py := tool(t, "python3")
	dir := cached(t, list, func(dir string) {
		command(t, ".", nil, py, "-m", "venv", filepath.Join(dir, "venv"))
		command(t, ".", nil, filepath.Join(dir, "venv/bin/pip"), "install", "--quiet", "--disable-pip-version-check", "-r", list)
	})
	return filepath.Join(dir, "venv/bin")
}

// fenced are the blocks of a kind in a section of a page.
func fenced(t *testing.T, page, section, kind string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(data), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("%s has no section %s", page, section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var list []string
	for {
		_, rest, ok := strings.Cut(text, "\n```"+kind+"\n")
		if !ok {
			return list
		}
		var block string
		block, text, _ = strings.Cut(rest, "```")
		list = append(list, block)
	}
}

// The client that the documents tell to make runs the job that they show; and it has every field.
func TestPython(t *testing.T) {
	t.Parallel()
	bin := python(t, "testdata/requirements.txt")
	url, dir := serve(t), t.TempDir()
	definition(t, url, dir)
	path := []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "PYTHONPATH=" + dir}
	const page, section = "docs/api.md", "Clients"
	config, err := os.ReadFile("testdata/python.yaml")
	if err != nil {
		t.Fatal(err)
	}
	shown := fenced(t, page, section, "yaml")
	if len(shown) != 1 || shown[0] != string(config) {
		t.Fatalf("%s shows another configuration than is tried here: %q", page, shown)
	}
	for from, to := range map[string]string{example + "dem.tif": "dem.tif", "testdata/python.yaml": "python.yaml"} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	generated := false
	for _, script := range fenced(t, page, section, "sh clients") {
		for _, line := range strings.Split(script, "\n") {
			// What is installed is that of requirements.txt; the definition is there.
			if strings.HasPrefix(line, "openapi-python-client ") {
				generated = true
				if out := command(t, dir, path, "sh", "-c", line); strings.Contains(out, "WARNING") {
					t.Errorf("%s\n%s", line, out)
				}
			}
		}
	}
	if !generated {
		t.Fatalf("%s does not tell how to make a client", page)
	}
	for _, program := range fenced(t, page, section, "python") {
		program = strings.ReplaceAll(program, "http://localhost:5000", url)
		if out := command(t, dir, path, filepath.Join(bin, "python"), "-c", program); !strings.Contains(out, "Wh m-2") {
			t.Errorf("the program of %s prints %s", page, out)
		}
	}
	fields, err := filepath.Abs("testdata/fields.py")
	if err != nil {
		t.Fatal(err)
	}
	dem, err := filepath.Abs(example + "dem.tif")
	if err != nil {
		t.Fatal(err)
	}
	command(t, dir, path, filepath.Join(bin, "python"), fields, serve(t), dem)
}

// A client in Go runs a job.
func TestGo(t *testing.T) {
	t.Parallel()
	url, dir := serve(t), t.TempDir()
	api := definition(t, url, dir)
	if err := os.MkdirAll("api", 0o777); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll("api") })
	command(t, ".", nil, "go", "tool", "oapi-codegen", "-generate", "types,client", "-package", "api", "-o", "api/api.gen.go", api)
	command(t, ".", nil, "go", "run", "-tags", "generated", "./gojob", url, example+"dem.tif")
}

// Types for TypeScript fit what a page reads.
func TestTypeScript(t *testing.T) {
	t.Parallel()
	npm := tool(t, "npm")
	dir := cached(t, "testdata/package.json", func(dir string) {
		data, err := os.ReadFile("testdata/package.json")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "package.json"), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		command(t, dir, nil, npm, "install", "--silent", "--no-audit", "--no-fund")
	})
	bin, work := filepath.Join(dir, "node_modules/.bin"), t.TempDir()
	api := definition(t, serve(t), work)
	command(t, work, nil, filepath.Join(bin, "openapi-typescript"), api, "-o", "api.d.ts")
	data, err := os.ReadFile("testdata/job.ts")
	if err == nil {
		err = os.WriteFile(filepath.Join(work, "job.ts"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	command(t, work, nil, filepath.Join(bin, "tsc"), "--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "job.ts")
}

// Programs of the STAC community load the main maps, from the service and from the folder of a run.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	bin := python(t, "testdata/requirements.txt")
	url := serve(t)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	server := []string{"EEMT_SERVER=" + url}
	command(t, ".", server, path, "submit", "sol", example+"dem.tif", "--step", "60", "--wait")
	command(t, ".", server, path, "submit", "eemt", example+"dem.tif", "--climate", "table:"+example+"climate.csv", "--step", "60", "--wait")
	alone := filepath.Join(t.TempDir(), "out")
	command(t, ".", nil, path, "run", "sol", example+"dem.tif", "--step", "60", "--quiet", "--output", alone)
	command(t, ".", nil, filepath.Join(bin, "python"), "testdata/catalogue.py", url, filepath.Join(alone, "item.json"))
}
