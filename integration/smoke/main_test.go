package main

import (
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTry runs the smoke test against a server, with the mean it knows and with one that it must not take.
func TestTry(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short, and it computes a year")
	}
	dir := t.TempDir()
	eemt := filepath.Join(dir, "eemt")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", eemt, "github.com/cyverse-gis/eemt/cmd/eemt").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	server := exec.CommandContext(t.Context(), eemt, "serve", "--address", address, "--data", filepath.Join(dir, "data"))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var said strings.Builder
	if err := try(ctx, "http://"+address, mean, &said); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	if !strings.Contains(said.String(), "as it must be") {
		t.Errorf("it says\n%s", said.String())
	}
	if err := try(ctx, "http://"+address, mean*1.02, &said); err == nil || !strings.Contains(err.Error(), "want 2216629 within 1 %") {
		t.Errorf("with a mean that is 2 %% off: %v", err)
	}
}
