package main

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func TestPin(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	image := strings.TrimPrefix(server.URL, "http://") + "/base:1"
	push := func() v1.Hash {
		tag, err := name.NewTag(image)
		if err != nil {
			t.Fatal(err)
		}
		i, err := random.Image(10, 1)
		if err == nil {
			err = remote.Write(tag, i)
		}
		if err != nil {
			t.Fatal(err)
		}
		digest, err := i.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	file := filepath.Join(t.TempDir(), "ko.yaml")
	write := func(image string) string { return "# A comment.\ndefaultBaseImage: " + image + "\ndefaultEnv: [A=b]\n" }
	if err := os.WriteFile(file, []byte(write(image)), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(said, want string) {
		t.Helper()
		got, err := pin(file)
		if err != nil || !strings.HasPrefix(got, said) {
			t.Errorf("it says %q (%v), want %q", got, err, said)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != write(want) {
			t.Errorf("the file is %q (%v), want %q", text, err, write(want))
		}
	}
	first := image + "@" + push().String()
	check("pinned "+first, first)
	check("already "+first, first)
	second := image + "@" + push().String()
	check("pinned "+second, second)
	server.Close()
	check(image+" is not pinned, and stays as it is", second)
	if err := os.WriteFile(file, []byte("defaultEnv: [A=b]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pin(file); err == nil {
		t.Error("a file without a base was taken")
	}
}
