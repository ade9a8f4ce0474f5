package local

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestUnseenFilesAreTold drops files that the bucket does not see as what they are: each gives one line in the log.
func TestUnseenFilesAreTold(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("SKIPPED: not all of the names can be had here")
	}
	dir := t.TempDir()
	for _, name := range []string{"dem.tif", "100%.tif", "site/a b.tif", ".hidden.tif", "site/.git/x", "latin\xff1.tif", "%2Edot.tif", "%", ".dem.tif.1a-2b.attrs"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("dem.tif", filepath.Join(dir, "link.tif")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	u := newUnseen(dir, slog.New(slog.NewTextHandler(&out, nil)))
	u.look(t.Context())
	if out.Len() > 0 {
		t.Errorf("told at once: %s", out.String())
	}
	u.now = func() time.Time { return time.Now().Add(time.Hour) }
	u.look(t.Context())
	u.look(t.Context())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 6 {
		t.Errorf("%d lines, want 6: %s", len(lines), out.String())
	}
	for _, want := range []string{".hidden.tif", ".git", "latin", "%2Edot.tif", "link.tif", "is no file but a link", "not in UTF-8"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing of %s: %s", want, out.String())
		}
	}
}
