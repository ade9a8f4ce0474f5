package chart_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFlags is the list of all flags of deploy.sh and cleanup.sh, those of the former suite first: what each does, and the
// tests that show it. A flag without a line here, or a line that names a test that is not there, fails.
func TestFlags(t *testing.T) {
	const (
		dry     = "deploy_test.go"             // rendered, without a cluster
		charts  = "chart_test.go"              // the chart's values behind a flag
		cluster = "../cluster/cluster_test.go" // on a cluster
		modes   = "../cluster/modes_test.go"
		restore = "../cluster/restore_test.go"
	)
	type shown struct{ file, by string }
	rows := []struct {
		script, flag, effect string
		where                []shown
	}{
		{"deploy.sh", "--help", "usage with examples", []shown{{dry, `{"help", "deploy.sh"`}}},
		{"deploy.sh", "--namespace", "all of the release is in that namespace, which is made", []shown{{dry, `{"elsewhere"`}, {modes, `TestDev`}}},
		{"deploy.sh", "--release", "prefix of all names and the instance label", []shown{{dry, `{"elsewhere"`}}},
		{"deploy.sh", "--mode", "distributed; hybrid leaves submission here; local is eemt serve", []shown{{modes, `TestHybrid`}, {dry, `TestLocalMode`}, {charts, `TestTakenApart`}}},
		{"deploy.sh", "--strategy", "sizes, largest scale and tile of the services", []shown{{charts, `TestStrategies`}, {dry, `{"precedence"`}}},
		{"deploy.sh", "--values", "own values, under the flags and over the preset", []shown{{dry, `{"precedence"`}, {cluster, `"--values", d.values`}}},
		{"deploy.sh", "--upgrade", "changes a release that exists, which is refused without it", []shown{{cluster, `say --upgrade to change it`}, {cluster, `"canary and rollback while a job runs"`}}},
		{"deploy.sh", "--dry-run", "prints the manifests, the same each time, without a cluster", []shown{{dry, `TestDryRun`}}},
		{"deploy.sh", "--debug", "services and script say more", []shown{{dry, `{"cleanup-only"`}, {modes, `debug file:///bucket`}}},
		{"deploy.sh", "--gpu", "compute asks for GPUs, on nodes that have them", []shown{{cluster, `"GPU"`}, {charts, `TestPlacement`}}},
		{"deploy.sh", "--ingress", "an own host name for submission", []shown{{dry, `{"eks-ingress"`}, {charts, `TestCombinations`}}},
		{"deploy.sh", "--dev", "one machine: a volume as bucket, two replicas, debug messages", []shown{{modes, `TestDev`}, {dry, `{"dev"`}}},
		{"deploy.sh", "--cleanup-only", "cleanup and its ticks alone", []shown{{dry, `{"cleanup-only"`}, {charts, `cleanup only`}}},

		{"deploy.sh", "--auth", "who may use submission; refused without it", []shown{{charts, `TestAuth`}, {dry, `{"no auth"`}, {cluster, `"--auth", "none", "--public"`}}},
		{"deploy.sh", "--auth-issuer", "whose tokens count", []shown{{dry, `{"eks-ingress"`}, {charts, `TestAuth`}}},
		{"deploy.sh", "--auth-audience", "what they must be made for", []shown{{dry, `{"eks-ingress"`}, {charts, `TestAuth`}}},
		{"deploy.sh", "--auth-client", "what the page and the command line log in with", []shown{{dry, `{"eks-ingress"`}}},
		{"deploy.sh", "--public", "lets everybody in from outside", []shown{{dry, `{"elsewhere"`}, {charts, `TestAuth`}, {cluster, `"--auth", "none", "--public"`}}},
		{"deploy.sh", "--bucket", "where all state is", []shown{{dry, `{"no bucket"`}, {modes, `TestS3`}}},
		{"deploy.sh", "--preset", "values of a cloud", []shown{{charts, `TestPresets`}, {dry, `{"gke-gpu-spot"`}}},
		{"deploy.sh", "--set", "one value", []shown{{dry, `{"typo in a value"`}, {cluster, `"--set", "cleanup.dryRun=true`}}},
		{"deploy.sh", "--spot", "compute on nodes that may go", []shown{{charts, `TestPlacement`}, {dry, `{"gke-gpu-spot"`}}},
		{"deploy.sh", "--network-policy", "closes the pods off; by default where two pods find that the cluster enforces it", []shown{{charts, `TestNetworkPolicies`}, {dry, `{"gke-gpu-spot"`}, {cluster, `the cluster enforces them`}}},
		{"deploy.sh", "--images", "images that exist, instead of building them", []shown{{cluster, `"--images", d.images`}}},
		{"deploy.sh", "--canary", "a part of the traffic for the new revisions", []shown{{cluster, `"canary and rollback while a job runs"`}, {dry, `{"canary of nothing"`}}},
		{"deploy.sh", "--print-values", "what follows from all flags", []shown{{dry, `{"print values"`}}},
		{"deploy.sh", "--timeout", "how long to wait for Ready; the failing condition after that", []shown{{cluster, `"--timeout", "20"`}}},

		{"cleanup.sh", "--help", "usage with examples", []shown{{dry, `{"cleanup help"`}}},
		{"cleanup.sh", "--namespace", "where the release is", []shown{{cluster, `"cleanup.sh"`}}},
		{"cleanup.sh", "--release", "which release; others stay", []shown{{cluster, `"-r", "other", "--dry-run"`}}},
		{"cleanup.sh", "--force", "does not ask; refuses without it where there is no terminal", []shown{{cluster, `say --force`}}},
		{"cleanup.sh", "--keep-namespace", "leaves the namespace", []shown{{cluster, `"--keep-data", "--keep-namespace"`}}},
		{"cleanup.sh", "--keep-data", "leaves the volume with all jobs", []shown{{modes, `"cleanup.sh --keep-data keeps the volume"`}, {modes, `"a new deployment has the old job"`}}},
		{"cleanup.sh", "--all", "removes namespace and volume", []shown{{modes, `"cleanup.sh --all removes the volume"`}, {restore, `"everything is lost"`}}},
		{"cleanup.sh", "--dry-run", "only tells what would go", []shown{{cluster, `"--dry-run"`}}},
	}
	listed := map[string][]string{}
	for _, r := range rows {
		listed[r.script] = append(listed[r.script], r.flag)
		for _, w := range r.where {
			text, err := os.ReadFile(w.file)
			if err != nil || !strings.Contains(string(text), w.by) {
				t.Errorf("%s %s (%s): %s does not have %s: %v", r.script, r.flag, r.effect, w.file, w.by, err)
			}
		}
	}
	for name, flags := range listed {
		help, _, _ := script(t, name, "--help")
		offered := regexp.MustCompile(`(?m)^ {2,}(?:-\w, )?(--[a-z-]+)|^  -h, (--help)`).FindAllStringSubmatch(help, -1)
		if len(offered) < len(flags) {
			t.Errorf("%s offers %d flags, %d are listed here", name, len(offered), len(flags))
		}
		for _, f := range offered {
			if !slices.Contains(flags, f[1]+f[2]) {
				t.Errorf("%s %s: no test is named for it", name, f[1]+f[2])
			}
		}
	}
}
