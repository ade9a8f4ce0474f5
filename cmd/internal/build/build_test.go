package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestFrom(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef01234567"
	const tree = "release 0.1.0\ndescribe $Format:%(describe:tags=true)$\ncommit $Format:%H$\n"
	stamped := &debug.BuildInfo{
		Main:     debug.Module{Version: "v0.0.0-20260504120000-0123456789ab+dirty"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: hash}, {Key: "vcs.modified", Value: "true"}},
	}
	for _, c := range []struct {
		name, given, source string
		build               *debug.BuildInfo
		version, commit     string
	}{
		{"the linker's", "v0.2.0-3-g0123456", tree, stamped, "v0.2.0-3-g0123456", hash},
		{"a clone without make", "", tree, stamped, "0123456-dirty", hash},
		{"a module by its tag", "", tree, &debug.BuildInfo{Main: debug.Module{Version: "v0.3.1"}}, "v0.3.1", ""},
		{"an archive of a tag", "", "release 0.1.0\ndescribe v0.2.0\ncommit " + hash + "\n", nil, "v0.2.0", hash},
		{"an archive without tags", "", "release 0.1.0\ndescribe \ncommit " + hash + "\n", nil, "0123456", hash},
		{"an archive of an old git", "", "release 0.1.0\ndescribe %(describe:tags=true)\ncommit " + hash + "\n", nil, "0123456", hash},
		{"an archive inside another repository", "", "release 0.1.0\ndescribe \ncommit fedcba9876543210\n", stamped, "fedcba9", "fedcba9876543210"},
		{"a copy without anything", "", tree, &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "0.1.0", ""},
		{"no build information", "", tree, nil, "0.1.0", ""},
	} {
		got := from(c.given, c.source, c.build)
		if got.Version != c.version || got.Commit != c.commit {
			t.Errorf("%s: %q of commit %q, want %q of %q", c.name, got.Version, got.Commit, c.version, c.commit)
		}
	}
	if v := Of("").Version; v == "" || strings.Contains(v, "dev") || strings.Contains(v, "$") {
		t.Errorf("this build has the version %q", v)
	}
}

// The release is that of the chart.
func TestReleaseIsTheCharts(t *testing.T) {
	chart, err := os.ReadFile(filepath.Join("..", "..", "..", "charts", "eemt", "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if release := from("", source, nil).Version; !strings.Contains(string(chart), "appVersion: "+release+"\n") && strings.Contains(source, "$Format") {
		t.Errorf("the chart's appVersion is not the release %s", release)
	}
}

// git archive writes the commit into the file that the program embeds.
func TestArchiveNamesItsCommit(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("SKIPPED: git is not installed")
	}
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skip("SKIPPED: the tests do not run in a clone")
	}
	work := t.TempDir()
	run := func(dir string, args ...string) string {
		t.Helper()
		c := exec.Command("git", args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	attributes, err := os.ReadFile(filepath.Join(root, ".gitattributes"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(work, "cmd", "internal", "build", "source.txt")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{file: source, filepath.Join(work, ".gitattributes"): string(attributes)} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(work, "init", "-q")
	run(work, "add", ".")
	run(work, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "a")
	hash := run(work, "rev-parse", "HEAD")
	archived := run(work, "archive", "--format=tar", "HEAD")
	i := strings.Index(archived, "release ")
	if i < 0 {
		t.Fatal("the archive does not hold the file")
	}
	text, _, _ := strings.Cut(archived[i:], "\x00")
	if got := from("", text, nil); got.Version != hash[:7] || got.Commit != hash {
		t.Errorf("the archive of %s says %+v, from %q", hash, got, text)
	}
}
