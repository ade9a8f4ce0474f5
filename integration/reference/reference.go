// Package reference finds what tests compare with: other programs, the data that stand beside the project.
package reference

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Data returns the folder of reference data beside the project, named by
// EEMT_SHARED or found above the working directory. Without it the test skips,
// or fails under EEMT_REQUIRE_SHARED=1.
func Data(t testing.TB) string {
	t.Helper()
	candidates := []string{os.Getenv("EEMT_SHARED")}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		candidates = append(candidates, filepath.Join(filepath.Dir(dir), "shared"))
	}
	for _, c := range candidates {
		if _, err := os.Stat(filepath.Join(c, "oracle", "README.md")); c != "" && err == nil {
			return c
		}
	}
	if os.Getenv("EEMT_REQUIRE_SHARED") == "1" {
		t.Fatal("the reference data are absent, and EEMT_REQUIRE_SHARED=1")
	}
	t.Skip("SKIPPED: the reference data are absent (folder shared beside the project, or EEMT_SHARED)")
	return ""
}

// Program returns the path of a program. Without it the test skips, or fails
// under EEMT_REQUIRE_TOOLS=1.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("EEMT_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is not installed, and EEMT_REQUIRE_TOOLS=1", name)
	}
	t.Skipf("SKIPPED: %s is not installed", name)
	return ""
}
