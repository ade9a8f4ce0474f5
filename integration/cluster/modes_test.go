package cluster

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// through is the address of a proxy that gives requests another host, so that programs that only know addresses reach a
// service by name.
func through(t *testing.T, target, host string) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	var own string
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = host
		},
		ModifyResponse: func(r *http.Response) error {
			if l := r.Header.Get("Location"); l != "" {
				r.Header.Set("Location", strings.Replace(l, "http://"+host, own, 1))
			}
			return nil
		},
	})
	t.Cleanup(proxy.Close)
	own = proxy.URL
	return own
}

// kn runs a command of Knative's command line with the plugin.
func (d *deployment) kn(t *testing.T, plugin, server string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "kn", append([]string{"eemt"}, args...)...)
	c.Env = append(os.Environ(), "PATH="+filepath.Dir(plugin)+":"+os.Getenv("PATH"), "EEMT_SERVER="+server)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("kn eemt %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.Bytes())
	}
	return string(out)
}

// TestDev deploys with --dev, whose bucket is a directory on a volume, and looks after its jobs with kn eemt. The volume
// outlives cleanup.sh --keep-data, and a deployment after it has the old jobs.
func TestDev(t *testing.T) {
	t.Parallel()
	requireCluster(t)
	d := &deployment{namespace: fmt.Sprintf("dev-%d", time.Now().Unix()), images: imagesFile(t, "images.yaml")}
	d.removed(t)
	d.volume(t)
	plugin := program(t, "kn-eemt")
	want := local(t, plugin, "--step", "60")
	step := steps(t)
	deploy := func(t *testing.T) string {
		run(t, root+"/ko/deploy.sh", "-n", d.namespace, "--dev", "--public", "--images", d.images, "--timeout", "180", "--set", "version=e2e")
		d.findHost(t)
		return through(t, d.ingress(), d.host)
	}
	step("what is missing is named before anything changes", func(t *testing.T) {
		const flag = "kubernetes.podspec-persistent-volume-write"
		set := func(value string) {
			kubectl(t, "-n", "knative-serving", "patch", "configmap", "config-features", "--type=merge", "-p", `{"data":{"`+flag+`":"`+value+`"}}`)
		}
		before := kubectl(t, "-n", "knative-serving", "get", "configmap", "config-features", "-o", "jsonpath={.data.kubernetes\\.podspec-persistent-volume-write}")
		set("disabled")
		out, err := try(t, root+"/ko/deploy.sh", "-n", d.namespace, "--dev", "--images", d.images, "--set", "podMonitor.enabled=true")
		set(before)
		sentences := []string{
			"missing: feature flag " + flag + ", which a bucket on a volume needs; set it with: kubectl -n knative-serving patch",
			" missing, nothing was changed",
		}
		if _, err := try(t, "kubectl", "get", "crd", "podmonitors.monitoring.coreos.com"); err != nil {
			sentences = append(sentences, "missing: the Prometheus operator, for podMonitor.enabled")
		}
		for _, sentence := range sentences {
			if err == nil || !strings.Contains(out, sentence) {
				t.Errorf("it does not say %q: %v\n%s", sentence, err, out)
			}
		}
		if out, err := try(t, "kubectl", "get", "namespace", d.namespace); err == nil {
			t.Errorf("the namespace is there: %s", out)
		}
	})
	var id string
	// result fetches one map of the job and compares it with that of eemt run.
	result := func(t *testing.T, server string) {
		const name = "global/annual/total_sun_sum.tif"
		dir := t.TempDir()
		d.kn(t, plugin, server, "results", id, name, "--output", dir)
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want[name] {
			t.Errorf("%s: SHA-256 %x, want that of eemt run, %s", name, sum, want[name])
		}
	}
	step("kn eemt submit, watch, jobs, results", func(t *testing.T) {
		server := deploy(t)
		if level := kubectl(t, "-n", d.namespace, "get", "configmap", release, "-o", "jsonpath={.data.EEMT_LOG_LEVEL} {.data.EEMT_BUCKET}"); level != "debug file:///bucket" {
			t.Errorf("level and bucket %q", level)
		}
		id = strings.TrimSpace(d.kn(t, plugin, server, "submit", "sol", filepath.Join(root, "examples", "maungawhau", "dem.tif"), "--step", "60", "--quiet"))
		d.kn(t, plugin, server, "watch", id)
		if out := d.kn(t, plugin, server, "jobs"); !strings.Contains(out, id) || !strings.Contains(out, "completed") {
			t.Errorf("kn eemt jobs:\n%s", out)
		}
		result(t, server)
	})
	step("cleanup.sh --keep-data keeps the volume", func(t *testing.T) {
		out := run(t, root+"/ko/cleanup.sh", "-n", d.namespace, "--force", "--keep-data")
		if !strings.Contains(out, "keep persistentvolumeclaim/eemt-bucket") || !strings.Contains(out, "keep namespace "+d.namespace) {
			t.Errorf("it says\n%s", out)
		}
		if phase := kubectl(t, "-n", d.namespace, "get", "persistentvolumeclaim", "eemt-bucket", "-o", "jsonpath={.status.phase}"); phase != "Bound" {
			t.Errorf("the claim is %s", phase)
		}
		if left := kubectl(t, "-n", d.namespace, "get", "ksvc,broker,trigger,pingsource,configmap", "-l", "app.kubernetes.io/instance="+release, "-o", "name"); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})
	step("a new deployment has the old job", func(t *testing.T) {
		server := deploy(t)
		if out := d.kn(t, plugin, server, "jobs", id); !strings.Contains(out, "completed") {
			t.Errorf("kn eemt jobs %s:\n%s", id, out)
		}
		result(t, server)
	})
	step("cleanup.sh --all removes the volume", func(t *testing.T) {
		run(t, root+"/ko/cleanup.sh", "-n", d.namespace, "--force", "--all")
		eventually(t, 2*time.Minute, "removed", func() (bool, string) {
			left := kubectl(t, "-n", d.namespace, "get", "persistentvolumeclaim", "-o", "name")
			return left == "", left
		})
	})
}

// volume gives the preset's claim a directory of the node, unless the cluster makes volumes by itself.
func (d *deployment) volume(t *testing.T) {
	t.Helper()
	if classes := kubectl(t, "get", "storageclass", "-o", `jsonpath={.items[*].metadata.annotations.storageclass\.kubernetes\.io/is-default-class}`); strings.Contains(classes, "true") {
		return
	}
	t.Log("the cluster makes no volumes: a directory of the node it is")
	other := d.namespace + "-volume"
	kubectl(t, "create", "namespace", other)
	pod := func(verb string) error {
		file := fill(t, "volume.yaml", "@VERB@", verb, "@NAME@", d.namespace, "@IMAGE@", testImage(t, "volume"))
		for _, args := range [][]string{
			{"apply", "-f", file},
			{"wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s", "pod/volume-" + verb},
		} {
			if out, err := exec.Command("kubectl", append([]string{"-n", other}, args...)...).CombinedOutput(); err != nil {
				return fmt.Errorf("%v: %w: %s", args, err, out)
			}
		}
		return nil
	}
	t.Cleanup(func() {
		_ = exec.Command("kubectl", "delete", "persistentvolume", d.namespace).Run()
		if err := pod("remove"); err != nil {
			t.Log(err)
		}
		_ = exec.Command("kubectl", "delete", "namespace", other, "--wait=false").Run()
	})
	if err := pod("make"); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "apply", "-f", fill(t, "persistent.yaml", "@NAME@", d.namespace))
}

// TestHybrid runs compute and cleanup in the cluster, and submission here, as deploy.sh says. Whatever can be
// split into tasks is.
func TestHybrid(t *testing.T) {
	t.Parallel()
	requireCluster(t)
	d := fresh(t, "hybrid")
	out, err := d.deploy(t, "--mode", "hybrid", "--set", "compute.longestStep=0s")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if left, err := try(t, "kubectl", "-n", d.namespace, "get", "ksvc", release+"-submission"); err == nil {
		t.Errorf("submission is in the cluster too: %s", left)
	}
	_, said, ok := strings.Cut(out, "Start submission on this machine:\n")
	if !ok {
		t.Fatalf("deploy.sh does not say how to go on:\n%s", out)
	}
	// Ports that are free, and the emulated store in place of the cloud's.
	port, events := freePort(t), freePort(t)
	said = strings.NewReplacer("8081", events, "PORT=5000", "PORT="+port, "\n  ", "\n").Replace(strings.TrimSpace(said))
	t.Logf("as deploy.sh says:\n%s", said)
	c := exec.Command("sh", "-c", said)
	c.Dir = root
	c.Env = append(os.Environ(), "EEMT_VERSION=e2e", "STORAGE_EMULATOR_HOST="+strings.TrimPrefix(through(t, d.store, d.storeHost()), "http://"))
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s", text)
		}
	})
	here := "http://127.0.0.1:" + port
	eventually(t, 3*time.Minute, "serving", func() (bool, string) {
		res, err := http.Get(here + "/healthz")
		if err != nil {
			return false, err.Error()
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK, res.Status
	})
	plugin := program(t, "kn-eemt")
	example := func(name string) string { return filepath.Join(root, "examples", "maungawhau", name) }
	job := []string{"eemt", example("dem.tif"), "--climate", "table:" + example("climate.csv"), "--step", "60", "--output"}
	alone, there := t.TempDir(), t.TempDir()
	run(t, plugin, append(append([]string{"run"}, job...), alone)...)
	d.kn(t, plugin, here, append(append([]string{"submit"}, job...), there, "--wait")...)
	sameMaps(t, mapsIn(t, there), mapsIn(t, alone))
	records := strings.Join(d.list(t, "jobs/"), "\n")
	for _, want := range []string{"/phases/0001/r0000c0000.json", "/phases/0003/r0000c0000.json"} {
		if !strings.Contains(records, want) {
			t.Errorf("nothing ends in %s among\n%s", want, records)
		}
	}
	t.Logf("a job that was taken here and computed by %d pods of the cluster", len(strings.Fields(kubectl(t, "-n", d.namespace, "get", "pods", "-l", "serving.knative.dev/service="+release+"-compute", "-o", "name"))))
}

// TestAzure installs the images with the driver of Blob Storage, against Azurite on this machine, which pods must reach.
func TestAzure(t *testing.T) {
	t.Parallel()
	requireCluster(t)
	machine := os.Getenv("EEMT_CLUSTER_MACHINE")
	azurite, err := exec.LookPath("azurite-blob")
	if err != nil || machine == "" {
		t.Skip("SKIPPED: azurite-blob (npm install -g azurite) is not installed, or EEMT_CLUSTER_MACHINE does not say how pods reach this machine")
	}
	port := freePort(t)
	c := exec.Command(azurite, "--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry", "--blobHost", machine, "--blobPort", port)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("Azurite says\n%s", said.Bytes())
		}
	})
	store := net.JoinHostPort(machine, port)
	// The account and the key of the emulator, which everybody knows.
	const account, key = "devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	eventually(t, time.Minute, "a container", func() (bool, string) {
		status, err := createContainer(t.Context(), "http://"+store, account, key, bucket)
		return status == http.StatusCreated, fmt.Sprint(status, err)
	})
	d := namespace(t, "azure")
	d.images = imagesFile(t, "images-azblob.yaml")
	kubectl(t, "-n", d.namespace, "create", "secret", "generic", "keys", "--from-literal=AZURE_STORAGE_ACCOUNT="+account, "--from-literal=AZURE_STORAGE_KEY="+key)
	d.mustDeploy(t, "--bucket", "azblob://"+bucket+"?protocol=http&localemu=true&domain="+store, "--set", "bucket.secret=keys")
	d.findHost(t)
	id := d.submit(t, map[string]string{"workflow_type": "sol", "step": "60"})
	d.wait(t, id, 3*time.Minute)
	sameMaps(t, d.sums(t, id), local(t, program(t, "eemt"), "--step", "60"))
}

// createContainer signs with a shared key, as the documentation of Blob Storage has it.
func createContainer(ctx context.Context, service, account, key, name string) (int, error) {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, service+"/"+account+"/"+name+"?restype=container", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-Ms-Date", time.Now().UTC().Format(http.TimeFormat))
	req.Header.Set("X-Ms-Version", "2021-08-06")
	mac := hmac.New(sha256.New, secret)
	_, _ = fmt.Fprintf(mac, "PUT%sx-ms-date:%s\nx-ms-version:%s\n/%s/%s/%s\nrestype:container", strings.Repeat("\n", 12),
		req.Header.Get("X-Ms-Date"), req.Header.Get("X-Ms-Version"), account, account, name)
	req.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestS3 installs the images with the driver of S3, against an emulator with credentials from a Secret.
func TestS3(t *testing.T) {
	t.Parallel()
	requireCluster(t)
	d := namespace(t, "s3")
	d.images = imagesFile(t, "images-s3.yaml")
	d.startStore(t, "gofakes3", "-quiet, -host=:4443, -backend=memory, -initialbucket="+bucket)
	kubectl(t, "-n", d.namespace, "create", "secret", "generic", "keys", "--from-literal=AWS_ACCESS_KEY_ID=test", "--from-literal=AWS_SECRET_ACCESS_KEY=test")
	address := "s3://" + bucket + "?region=us-east-1&use_path_style=true&endpoint=http://" + d.storeHost()
	d.mustDeploy(t, "--bucket", address, "--set", "bucket.secret=keys")
	d.findHost(t)
	id := d.submit(t, map[string]string{"workflow_type": "sol", "step": "60"})
	d.wait(t, id, 3*time.Minute)
	sameMaps(t, d.sums(t, id), local(t, program(t, "eemt"), "--step", "60"))
	_, listing := call(t, http.MethodGet, d.store+"/"+bucket+"?prefix=jobs/"+id+"/end.json", "", "", nil, nil)
	if !regexp.MustCompile(`<Key>jobs/` + id + `/end.json</Key>`).Match(listing) {
		t.Errorf("the emulated S3 does not have the job's end: %s", listing)
	}
}
