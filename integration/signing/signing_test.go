// Package signing_test signs the images that were pushed to a registry, and verifies them, as docs/operate.md says.
package signing_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// block is the block of docs/operate.md with a mark.
func block(t *testing.T, mark string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "operate.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?ms)^```sh " + mark + "\n(.*?)^```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("no block \"sh %s\" in docs/operate.md", mark)
	}
	return string(m[1])
}

// pushed reads a file that make e2e writes, with references of images in the cluster's registry.
func pushed(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "bin", name))
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("EEMT_REQUIRE_CLUSTER") != "1" {
		t.Skip("SKIPPED: no images were pushed: make e2e does it")
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestSignatures: all images verify with the key that signed them, and with no other; an image that nobody signed does not.
func TestSignatures(t *testing.T) {
	images, others := pushed(t, "images.yaml"), pushed(t, "test-images")
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(dir, "cosign"), "github.com/sigstore/cosign/v3/cmd/cosign")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build cosign: %v\n%s", err, out)
	}
	sh := func(in, script string) (string, error) {
		c := exec.CommandContext(t.Context(), "sh", "-eux", "-c", script)
		c.Dir = in
		c.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "COSIGN_PASSWORD=test", "HOME="+in)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	// A folder for each key.
	folder := func(name string, list []byte) string {
		in := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Join(in, "bin"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(in, "bin", "images.yaml"), list, 0o600); err != nil {
			t.Fatal(err)
		}
		return in
	}
	own, other := folder("own", images), folder("other", images)
	if out, err := sh(own, block(t, "sign")); err != nil {
		t.Fatalf("sign: %v\n%s", err, out)
	}
	out, err := sh(own, block(t, "verify"))
	if n := strings.Count(out, "The signatures were verified against the specified public key"); err != nil || n != 4 {
		t.Errorf("%d images verified, want 4 (%v)\n%s", n, err, out)
	}
	if out, err := sh(other, "cosign generate-key-pair"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := sh(other, block(t, "verify")); err == nil {
		t.Errorf("the images verify with another key:\n%s", out)
	}
	var unsigned string
	for line := range strings.Lines(string(others)) {
		if strings.Contains(line, "/waiter@") {
			unsigned = line
		}
	}
	if err := os.WriteFile(filepath.Join(own, "bin", "images.yaml"), []byte("images:\n  waiter: "+unsigned), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := sh(own, block(t, "verify")); err == nil || !strings.Contains(out, "no signatures found") || unsigned == "" {
		t.Errorf("an image that nobody signed: %v\n%s", err, out)
	}
}
