package cluster

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRestore copies the bucket of a deployment with a completed job and one in work, removes the deployment with its bucket,
// and restores it in an empty namespace, whose quota first allows too little.
func TestRestore(t *testing.T) {
	t.Parallel()
	requireCluster(t)
	eemt := program(t, "eemt")
	d := fresh(t, "backup")
	backup := filepath.Join(t.TempDir(), "backup")
	want := local(t, eemt, "--step", "60", "--method", "reference")
	step := steps(t)
	// documented runs the commands of docs/operate.md with a mark, in a folder that holds the backup.
	documented := func(t *testing.T, d *deployment, mark string) {
		env := "export STORAGE_EMULATOR_HOST=" + strings.TrimPrefix(through(t, d.store, d.storeHost()), "http://") + " PATH=" + filepath.Dir(eemt) + ":$PATH\ncd " + filepath.Dir(backup) + "\n"
		for _, block := range commands(t, "operate.md", mark) {
			text := strings.NewReplacer("gs://my-maps", "gs://"+bucket, "-n eemt", "-n "+d.namespace).Replace(block)
			t.Logf("%s", run(t, "sh", "-eux", "-c", env+text))
		}
	}
	var done, open string
	var sums map[string]string
	step("one job completed, one in work", func(t *testing.T) {
		d.mustDeploy(t)
		d.findHost(t)
		done = d.submit(t, map[string]string{"workflow_type": "sol", "step": "60"})
		d.wait(t, done, 3*time.Minute)
		sums = d.sums(t, done)
		open = d.submit(t, slow)
		d.begun(t, open)
	})
	step("backup", func(t *testing.T) {
		documented(t, d, "backup")
	})
	step("everything is lost", func(t *testing.T) {
		run(t, root+"/ko/cleanup.sh", "-n", d.namespace, "--all", "--force")
	})
	old := d
	d = fresh(t, "restored")
	step("a quota that is too small is named before anything changes", func(t *testing.T) {
		kubectl(t, "-n", d.namespace, "create", "quota", "site", "--hard=requests.cpu=30m,requests.memory=100Mi,pods=3")
		out, err := d.deploy(t)
		for _, sentence := range []string{
			"CPU in quota site of namespace " + d.namespace + ": it allows 30m requests.cpu, 4 replicas of compute ask for 40m; raise it, or lower compute.maxScale",
			"memory in quota site of namespace " + d.namespace + ": it allows 100Mi requests.memory, 4 replicas of compute ask for 256Mi; raise it, or lower compute.maxScale",
			"pods in quota site of namespace " + d.namespace + ": it allows 3, compute alone has up to 4; raise it, or lower compute.maxScale",
			"give --set limitRange.enabled=true",
			"4 things are missing, nothing was changed",
		} {
			if err == nil || !strings.Contains(out, sentence) {
				t.Errorf("it does not say %q: %v\n%s", sentence, err, out)
			}
		}
		if out, err := try(t, "helm", "status", release, "-n", d.namespace); err == nil {
			t.Errorf("something was installed: %s", out)
		}
		kubectl(t, "-n", d.namespace, "patch", "quota", "site", "--type=merge", "-p", `{"spec":{"hard":{"requests.cpu":"2","requests.memory":"4Gi","pods":"40"}}}`)
	})
	step("restore into an empty cluster", func(t *testing.T) {
		documented(t, d, "restore")
		if plan, end := d.list(t, "jobs/"+open+"/plan.json"), d.list(t, "jobs/"+open+"/end.json"); len(plan) != 1 || len(end) != 0 {
			t.Fatalf("the copy is not one of a job in work: %v %v", plan, end)
		}
		d.mustDeploy(t, "--set", "limitRange.enabled=true")
		d.findHost(t)
		sameMaps(t, d.sums(t, done), sums)
		d.wait(t, open, 8*time.Minute)
		sameMaps(t, d.sums(t, open), want)
		if d.namespace == old.namespace {
			t.Error("that is the old namespace")
		}
		if status, _ := call(t, http.MethodGet, d.ingress()+"/api/jobs/"+open, old.host, "", nil, nil); status == http.StatusOK {
			t.Error("the old deployment still answers")
		}
	})
}
