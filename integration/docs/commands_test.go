// Package docs_test runs what the documentation says.
package docs_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// root is the top of the project.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// pages are the Markdown files that make up the documentation, by path from the root.
func pages(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(root(t), "docs", "*.md"))
	if err != nil || len(list) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	names := []string{"README.md", "CONTRIBUTING.md"}
	for _, p := range list {
		names = append(names, "docs/"+filepath.Base(p))
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// block is a fenced block of a page.
type block struct {
	info string // what follows the opening fence
	line int    // of its first line, from 1
	text string
}

func blocks(t *testing.T, page string) []block {
	t.Helper()
	var list []block
	var open *block
	for i, line := range strings.Split(read(t, page), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{info: strings.TrimSpace(fence), line: i + 2}
		case isFence:
			if open.info == "" {
				t.Errorf("%s line %d: a block without a language", page, open.line-1)
			}
			list = append(list, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		t.Errorf("%s line %d: block is not closed", page, open.line-1)
	}
	return list
}

// Blocks a shell runs: "sh" anywhere, "sh gdal" where GDAL's tools are installed,
// "sh serve" with a server on localhost:5000, "sh go" at the top of the project. A block "output" holds lines that
// the commands before it print. The targets of a block "sh make" are looked up, the blocks "sh cluster",
// "sh backup", "sh restore" and "sh drain" are left to integration/cluster, "sh sign" and "sh verify" to integration/signing,
// "sh clients" to integration/clients.
func TestCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short, and the commands run in processes of their own")
	}
	if runtime.GOOS == "windows" {
		t.Skip("the commands are for a POSIX shell")
	}
	bin := build(t)
	for _, page := range pages(t) {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			dir := workspace(t)
			var server, printed string
			for _, b := range blocks(t, page) {
				words := strings.Fields(b.info)
				if b.info == "output" {
					checkOutput(t, page, b, printed)
				}
				if len(words) == 0 || words[0] != "sh" {
					continue
				}
				script, run, in := b.text, true, dir
				for _, w := range words[1:] {
					switch w {
					case "gdal":
						run = run && !missing(t, "gdalinfo")
					case "serve":
						if run = run && !missing(t, "curl"); run && server == "" {
							server = serve(t, bin, dir)
						}
						script = strings.ReplaceAll(script, "localhost:5000", server)
					case "go":
						in = root(t)
					case "make":
						checkTargets(t, page, b)
						run = false
					case "cluster", "backup", "restore", "drain", "sign", "verify", "clients": // integration/cluster, signing and clients run these
						run = false
					default:
						t.Errorf("%s line %d: block of kind %q is not known here", page, b.line, b.info)
						run = false
					}
				}
				if run {
					printed = shell(t, page, b.line, bin, in, script)
				}
			}
		})
	}
}

// missing reports that a tool is not installed, which is fatal where all tools are required.
func missing(t *testing.T, tool string) bool {
	t.Helper()
	_, err := exec.LookPath(tool)
	if err == nil {
		return false
	}
	if os.Getenv("EEMT_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is not installed, and EEMT_REQUIRE_TOOLS=1", tool)
	}
	t.Run(tool, func(t *testing.T) { t.Skipf("SKIPPED: %s is not installed, its commands are not run", tool) })
	return true
}

// build compiles the program and returns its directory.
func build(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	c := exec.Command("go", "build", "-o", filepath.Join(bin, "eemt"), "./cmd/eemt")
	c.Dir = root(t)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// workspace is a directory with the files the commands read: examples as in the
// project, dem.tif, station.csv.
func workspace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(root(t), "examples"))); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"dem.tif": "dem.tif", "climate.csv": "station.csv"} {
		data, err := os.ReadFile(filepath.Join(dir, "examples", "maungawhau", from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func environment(bin string) []string {
	return append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func shell(t *testing.T, page string, line int, bin, dir, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-eux", "-c", script)
	c.Dir, c.Env = dir, environment(bin)
	c.WaitDelay = 10 * time.Second
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s line %d: %v\n%s", page, line, err, out)
	}
	if testing.Verbose() {
		t.Logf("%s line %d:\n%s", page, line, out)
	}
	return string(out)
}

// checkOutput looks for each line of a block among the lines printed: words
// equal, numbers within 1 % (the picture they give, not their digits, is what a page promises).
func checkOutput(t *testing.T, page string, b block, printed string) {
	t.Helper()
	for i, want := range strings.Split(b.text, "\n") {
		found := strings.TrimSpace(want) == ""
		for _, got := range strings.Split(printed, "\n") {
			found = found || alike(got, want)
		}
		if !found {
			t.Errorf("%s line %d: not printed: %q; printed:\n%s", page, b.line+i, want, printed)
		}
	}
}

func alike(got, want string) bool {
	g, w := strings.Fields(got), strings.Fields(want)
	if len(g) != len(w) {
		return false
	}
	for i := range g {
		x, errX := strconv.ParseFloat(g[i], 64)
		y, errY := strconv.ParseFloat(w[i], 64)
		if g[i] != w[i] && (errX != nil || errY != nil || math.Abs(x-y) > 1e-2*math.Abs(y)) {
			return false
		}
	}
	return true
}

var target = regexp.MustCompile(`(?m)^make ([a-z-]+)`)

func checkTargets(t *testing.T, page string, b block) {
	t.Helper()
	makefile := "\n" + read(t, "Makefile")
	for _, m := range target.FindAllStringSubmatch(b.text, -1) {
		if !strings.Contains(makefile, "\n"+m[1]+":") {
			t.Errorf("%s line %d: Makefile has no target %s", page, b.line, m[1])
		}
	}
}

var listening = regexp.MustCompile(`url=http://(\S+)`)

// serve starts eemt serve on a free port, and stops it with the test.
func serve(t *testing.T, bin, dir string) (address string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "serve.log"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(filepath.Join(bin, "eemt"), "serve", "--address", "localhost:0", "--data", filepath.Join(dir, "eemt-data"))
	c.Stderr, c.Dir, c.Env = log, dir, environment(bin)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		if err := c.Wait(); err != nil {
			data, _ := os.ReadFile(log.Name())
			t.Errorf("eemt serve: %v\n%s", err, data)
		}
		_ = log.Close()
	})
	for range 200 {
		data, err := os.ReadFile(log.Name())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if m := listening.FindSubmatch(data); m != nil {
			address = string(m[1])
			if r, err := http.Get("http://" + address + "/healthz"); err == nil {
				_ = r.Body.Close()
				return address
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	data, _ := os.ReadFile(log.Name())
	t.Fatalf("eemt serve does not answer\n%s", data)
	return ""
}
