// Package build tells which build of the project runs.
package build

import (
	"cmp"
	_ "embed"
	"runtime"
	"runtime/debug"
	"strings"
)

// source is the one place that names the release. In a tarball of git archive it names the commit too.
//
//go:embed source.txt
var source string

// Info describes a build.
type Info struct {
	// Version is what git describe says of the commit, or else the release.
	Version string `json:"version"`
	// Commit is the hash of the commit; empty if nothing tells it.
	Commit string `json:"commit,omitempty"`
	Go     string `json:"go"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
}

// Of describes this build. given is the version that the linker or the environment names; it may be empty.
func Of(given string) Info {
	seen, _ := debug.ReadBuildInfo()
	i := from(given, source, seen)
	i.Go, i.OS, i.Arch = runtime.Version(), runtime.GOOS, runtime.GOARCH
	return i
}

// from prefers what is given, then what git archive wrote, then what the compiler saw, then the release.
func from(given, source string, compiled *debug.BuildInfo) Info {
	archive := map[string]string{}
	for _, line := range strings.Split(source, "\n") {
		if key, value, _ := strings.Cut(line, " "); !strings.HasPrefix(value, "$Format") {
			archive[key] = value
		}
	}
	seen, commit := stamp(compiled)
	if hash := archive["commit"]; hash != "" { // an archive that lies inside the tree of another project
		seen, commit = "", hash
	}
	tagged := archive["describe"]
	if strings.Contains(tagged, "%(") { // written by a git that does not know describe
		tagged = ""
	}
	return Info{Version: cmp.Or(given, tagged, short(archive["commit"]), seen, archive["release"]), Commit: commit}
}

// stamp is what the compiler saw of the repository or of the module's version.
func stamp(info *debug.BuildInfo) (version, commit string) {
	if info == nil {
		return "", ""
	}
	dirty := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "-dirty"
			}
		}
	}
	version = info.Main.Version
	if version == "(devel)" {
		version = ""
	}
	if len(commit) >= 12 && (version == "" || strings.Contains(version, commit[:12])) { // not a tag
		version = short(commit) + dirty
	}
	return version, commit
}

// short is a hash as git describe prints it.
func short(hash string) string { return hash[:min(len(hash), 7)] }
