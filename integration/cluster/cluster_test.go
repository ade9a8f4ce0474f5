// Package cluster tries the deployment on a real cluster with Knative, with the tools its operators use.
package cluster

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	root    = "../.."
	release = "eemt"
	bucket  = "maps"
)

// deployment is one release under test.
type deployment struct {
	namespace string
	values    string // file
	images    string // file
	store     string // address of the emulated store, from here
	broker    string // address of the broker's ingress, from here
	host      string // of submission
}

// requireCluster skips where no cluster with Knative answers, or fails where one is insisted on.
func requireCluster(t *testing.T) {
	t.Helper()
	for _, c := range [][]string{
		{"kubectl", "get", "crd", "services.serving.knative.dev", "brokers.eventing.knative.dev"},
		{"helm", "version"},
		{"kn", "version"},
	} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			if os.Getenv("EEMT_REQUIRE_CLUSTER") == "1" {
				t.Fatalf("EEMT_REQUIRE_CLUSTER=1, and %s: %v\n%s", strings.Join(c, " "), err, out)
			}
			t.Skipf("SKIPPED: no cluster with Knative: %s: %v", strings.Join(c, " "), err)
		}
	}
	webhooks(t)
}

// admitted are objects of each kind that a webhook of Knative looks at.
const admitted = `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: webhook-answers, namespace: default}
spec: {template: {spec: {containers: [{image: "example.com/none"}]}}}
---
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: webhook-answers, namespace: default}
---
apiVersion: sources.knative.dev/v1
kind: PingSource
metadata: {name: webhook-answers, namespace: default}
spec: {schedule: "0 0 1 1 *", sink: {uri: "http://example.com"}}
`

// webhooks waits until the webhooks of Knative answer. They come up after the API server does, and on a small machine
// they are restarted when their probes time out: an object made meanwhile would be refused for no fault of the test.
func webhooks(t testing.TB) {
	t.Helper()
	eventually(t, 3*time.Minute, "answered by Knative's webhooks", func() (bool, string) {
		c := exec.CommandContext(t.Context(), "kubectl", "create", "--dry-run=server", "-f", "-")
		c.Stdin = strings.NewReader(admitted)
		out, err := c.CombinedOutput()
		return err == nil, string(out)
	})
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := try(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// try runs a command. What the API server could not ask a webhook of Knative about was not done: it is tried once more
// when the webhooks answer.
func try(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	out, err := once(t, name, args...)
	if err != nil && name == "kubectl" && strings.Contains(out, "failed calling webhook") {
		t.Logf("kubectl %s: %s", strings.Join(args, " "), out)
		webhooks(t)
		return once(t, name, args...)
	}
	return out, err
}

func once(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.WaitDelay = 5 * time.Second
	out, err := c.CombinedOutput()
	return string(out), err
}

func kubectl(t testing.TB, args ...string) string {
	t.Helper()
	return strings.TrimSpace(run(t, "kubectl", args...))
}

// eventually asks until the answer is yes; it fails with the last reason.
func eventually(t testing.TB, limit time.Duration, what string, ask func() (bool, string)) {
	t.Helper()
	var why string
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		var yes bool
		if yes, why = ask(); yes {
			return
		}
	}
	t.Fatalf("after %s still not %s: %s", limit, what, why)
}

var forwarding = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)

// forward reaches a service of the cluster from here, however often its pod is replaced.
func forward(t *testing.T, namespace, service, port string) string {
	t.Helper()
	c := exec.Command("kubectl", "-n", namespace, "port-forward", "service/"+service, ":"+port)
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	line := make([]byte, 200)
	n, err := pipe.Read(line)
	m := forwarding.FindSubmatch(line[:n])
	if err != nil || m == nil {
		t.Fatalf("port-forward to %s says %q (%v)", service, line[:n], err)
	}
	go func() { _, _ = io.Copy(io.Discard, pipe) }()
	return "http://" + string(m[1])
}

// call sends a request; host names a Knative service where the ingress is reached by address.
func call(t testing.TB, method, address, host, contentType string, body []byte, header map[string]string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	client := http.Client{Timeout: 2 * time.Minute}
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, data
}

// ingress is where Knative's ingress listens: EEMT_CLUSTER_INGRESS, or the host itself.
func (d *deployment) ingress() string {
	if a := os.Getenv("EEMT_CLUSTER_INGRESS"); a != "" {
		return a
	}
	return "http://" + d.host
}

func (d *deployment) api(t testing.TB, method, path, contentType string, body []byte) []byte {
	t.Helper()
	status, data := call(t, method, d.ingress()+path, d.host, contentType, body, nil)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, status, data)
	}
	return data
}

func dem(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "examples", "maungawhau", "dem.tif"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// submit posts the example terrain.
func (d *deployment) submit(t testing.TB, fields map[string]string) string {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("fresh", "true"); err != nil {
		t.Fatal(err)
	}
	for k, v := range fields {
		if err := form.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("dem_file", "dem.tif")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(dem(t)); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		ID string `json:"job_id"`
	}
	decode(t, d.api(t, http.MethodPost, "/api/submit-job", form.FormDataContentType(), body.Bytes()), &answer)
	return answer.ID
}

func decode(t testing.TB, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%v in %.300s", err, data)
	}
}

type status struct {
	ID       string
	Status   string
	Progress int
	DEM      string `json:"dem_filename"`
	Error    string `json:"error_message"`
}

func (d *deployment) status(t testing.TB, id string) (s status) {
	t.Helper()
	decode(t, d.api(t, http.MethodGet, "/api/jobs/"+id, "", nil), &s)
	return s
}

func (d *deployment) wait(t testing.TB, id string, limit time.Duration) {
	t.Helper()
	eventually(t, limit, "completed: job "+id, func() (bool, string) {
		s := d.status(t, id)
		if s.Status == "failed" {
			t.Fatalf("job %s failed: %s", id, s.Error)
		}
		return s.Status == "completed", fmt.Sprintf("%s, %d %%", s.Status, s.Progress)
	})
}

// sums are the SHA-256 of all maps of a job.
func (d *deployment) sums(t testing.TB, id string) map[string]string {
	t.Helper()
	data := d.api(t, http.MethodGet, "/api/jobs/"+id+"/results", "", nil)
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, ".tif") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if _, err := io.Copy(h, r); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		out[f.Name] = hex.EncodeToString(h.Sum(nil))
	}
	return out
}

// local runs the same job with the command line and returns the sums of its maps.
func local(t testing.TB, eemt string, args ...string) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	run(t, eemt, append([]string{"run", "sol", filepath.Join(root, "examples", "maungawhau", "dem.tif"), "--output", dir}, args...)...)
	return mapsIn(t, dir)
}

// mapsIn are the SHA-256 of the maps in a folder.
func mapsIn(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() && e.Name() == ".eemt" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".tif") {
			return nil
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		sum := sha256.Sum256(data)
		out[filepath.ToSlash(name)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sameMaps(t testing.TB, got, want map[string]string) {
	t.Helper()
	if len(want) == 0 || len(got) != len(want) {
		t.Errorf("%d maps, want %d", len(got), len(want))
	}
	for name, sum := range want {
		if got[name] != sum {
			t.Errorf("%s: SHA-256 %q, want that of eemt run, %s", name, got[name], sum)
		}
	}
}

// replicas is how many replicas the deployments of a service are told to have.
func (d *deployment) replicas(t testing.TB, service string) int {
	t.Helper()
	n := 0
	out := kubectl(t, "-n", d.namespace, "get", "deployment", "-l", "serving.knative.dev/service="+release+"-"+service, "-o", "jsonpath={.items[*].spec.replicas}")
	for f := range strings.FieldsSeq(out) {
		var i int
		_, _ = fmt.Sscan(f, &i)
		n += i
	}
	return n
}

func (d *deployment) atRest(t testing.TB) {
	t.Helper()
	eventually(t, 3*time.Minute, "at rest", func() (bool, string) {
		left := d.replicas(t, "compute")
		return left == 0, fmt.Sprintf("%d replicas of compute", left)
	})
}

func (d *deployment) object(t testing.TB, method, key string, data []byte) (int, []byte) {
	t.Helper()
	switch method {
	case http.MethodPost:
		return call(t, method, d.store+"/upload/storage/v1/b/"+bucket+"/o?uploadType=media&name="+url.QueryEscape(key), "", "image/tiff", data, nil)
	case http.MethodDelete:
		return call(t, method, d.store+"/storage/v1/b/"+bucket+"/o/"+url.PathEscape(key), "", "", nil, nil)
	}
	return call(t, method, d.store+"/storage/v1/b/"+bucket+"/o/"+url.PathEscape(key)+"?alt=media", "", "", nil, nil)
}

func (d *deployment) list(t testing.TB, prefix string) []string {
	t.Helper()
	_, data := call(t, http.MethodGet, d.store+"/storage/v1/b/"+bucket+"/o?prefix="+url.QueryEscape(prefix), "", "", nil, nil)
	var answer struct{ Items []struct{ Name string } }
	decode(t, data, &answer)
	var names []string
	for _, i := range answer.Items {
		names = append(names, i.Name)
	}
	return names
}

// send gives the broker an event.
func (d *deployment) send(t testing.TB, id, typ, subject, data string, extensions map[string]string) {
	t.Helper()
	header := map[string]string{"Ce-Specversion": "1.0", "Ce-Id": id, "Ce-Source": "//test", "Ce-Type": typ, "Ce-Subject": subject}
	for k, v := range extensions {
		header["Ce-"+k] = v
	}
	if code, answer := call(t, http.MethodPost, d.broker+"/"+d.namespace+"/"+release, "", "application/json", []byte(data), header); code != http.StatusAccepted {
		t.Fatalf("the broker answers %d %s", code, answer)
	}
}

func (d *deployment) deploy(t testing.TB, args ...string) (string, error) {
	t.Helper()
	common := []string{"-n", d.namespace, "--values", d.values, "--images", d.images, "--timeout", "180"}
	if !slices.Contains(args, "--auth") {
		common = append(common, "--auth", "none", "--public")
	}
	return try(t, root+"/ko/deploy.sh", append(common, args...)...)
}

func (d *deployment) mustDeploy(t testing.TB, args ...string) {
	t.Helper()
	if out, err := d.deploy(t, args...); err != nil {
		t.Fatalf("deploy.sh %v: %v\n%s", args, err, out)
	}
}

func fill(t testing.TB, file string, pairs ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(data))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// imagesFile is where "make e2e" wrote the references of the services' images.
func imagesFile(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "bin", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: make e2e builds the images first", err)
	}
	return path
}

// testImage is the reference of an image of the tests, by the last part of its name.
func testImage(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "bin", "test-images"))
	if err != nil {
		t.Fatalf("%v: make e2e builds the images first", err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, "/"+name) {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("no image %s in bin/test-images: make e2e builds it", name)
	return ""
}

// fresh makes a namespace with an emulated Cloud Storage in it; both are gone after the test.
func fresh(t *testing.T, name string) *deployment {
	t.Helper()
	d := namespace(t, name)
	d.startStore(t, "fake-gcs-server", `-scheme=http, -port=4443, -backend=memory, "-external-url=http://`+d.storeHost()+`", "-public-host=`+d.storeHost()+`"`)
	if code, answer := call(t, http.MethodPost, d.store+"/storage/v1/b", "", "application/json", []byte(`{"name":"`+bucket+`"}`), nil); code != http.StatusOK {
		t.Fatalf("the store answers %d %s", code, answer)
	}
	return d
}

// namespace makes a namespace as deploy.sh does; it is gone after the test.
func namespace(t *testing.T, name string) *deployment {
	t.Helper()
	d := &deployment{namespace: fmt.Sprintf("%s-%d", name, time.Now().Unix()), images: imagesFile(t, "images.yaml")}
	d.values = fill(t, "values.yaml", "@NAMESPACE@", d.namespace)
	kubectl(t, "create", "namespace", d.namespace)
	kubectl(t, "label", "namespace", d.namespace, "pod-security.kubernetes.io/enforce=restricted", "app.kubernetes.io/managed-by=eemt-deploy")
	d.removed(t)
	return d
}

// removed takes the namespace away after the test.
func (d *deployment) removed(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("kubectl", "-n", d.namespace, "get", "pods,ksvc,trigger,broker,pingsource").CombinedOutput()
			t.Logf("%s", out)
		}
		// Services first: their pods may take their timeout to end.
		_ = exec.Command("kubectl", "-n", d.namespace, "delete", "pingsource,trigger,broker,ksvc", "--all", "--wait=false").Run()
		_ = exec.Command("kubectl", "delete", "namespace", d.namespace, "--wait=false").Run()
	})
}

// storeHost is the address of the emulated store in the cluster.
func (d *deployment) storeHost() string { return "store." + d.namespace + ".svc.cluster.local:4443" }

// startStore runs an emulated store and sets d.store.
func (d *deployment) startStore(t *testing.T, image, args string) {
	t.Helper()
	kubectl(t, "-n", d.namespace, "apply", "-f", fill(t, "store.yaml", "@IMAGE@", testImage(t, image), "@ARGS@", args))
	kubectl(t, "-n", d.namespace, "rollout", "status", "deployment/store", "--timeout=120s")
	d.store = forward(t, d.namespace, "store", "4443")
}

// findHost asks where submission can be reached.
func (d *deployment) findHost(t testing.TB) {
	t.Helper()
	u, err := url.Parse(kubectl(t, "-n", d.namespace, "get", "ksvc", release+"-submission", "-o", "jsonpath={.status.url}"))
	if err != nil {
		t.Fatal(err)
	}
	d.host = u.Host
}

// slow is a job of some ten seconds of CPU, in six tiles.
var slow = map[string]string{"workflow_type": "sol", "step": "60", "method": "reference"}

// begun waits until a job has a plan and a tile in work.
func (d *deployment) begun(t testing.TB, id string) {
	t.Helper()
	eventually(t, 2*time.Minute, "planned", func() (bool, string) {
		names := d.list(t, "jobs/"+id+"/plan.json")
		return len(names) == 1, fmt.Sprint(names)
	})
}

// commands are the blocks of a page of docs with a certain mark.
func commands(t testing.TB, page, mark string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range regexp.MustCompile("(?ms)^```sh "+mark+"\n(.*?)^```").FindAllSubmatch(text, -1) {
		list = append(list, string(b[1]))
	}
	if len(list) == 0 {
		t.Fatalf("no block \"sh %s\" in %s", mark, page)
	}
	return list
}

// program builds the command line under a name of its own.
func program(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	// The version is in the tags of the maps.
	run(t, "go", "-C", root, "build", "-ldflags", "-X main.version=e2e", "-o", path, "./cmd/eemt")
	return path
}

// steps runs the parts of a test one after the other, until one fails.
func steps(t *testing.T) func(name string, f func(t *testing.T)) {
	ok := true
	return func(name string, f func(t *testing.T)) {
		if ok {
			begin := time.Now()
			ok = t.Run(name, f)
			t.Logf("%s took %s", name, time.Since(begin).Round(time.Second))
		}
	}
}

func TestCluster(t *testing.T) {
	requireCluster(t)
	d := fresh(t, "e2e")
	want := local(t, program(t, "eemt"), "--step", "60", "--method", "reference")
	step := steps(t)

	step("installs", func(t *testing.T) {
		out, err := d.deploy(t, "--set", "cleanup.dryRun=true,cleanup.successRetentionDays=0")
		if err != nil || !strings.Contains(out, "network policies close the pods off: the cluster enforces them") {
			t.Fatalf("deploy.sh: %v\n%s", err, out)
		}
		d.findHost(t)
		out, err = d.deploy(t)
		if err == nil || !strings.Contains(out, "say --upgrade to change it") {
			t.Errorf("a second installation: %v\n%s", err, out)
		}
		if n := len(strings.Fields(kubectl(t, "-n", d.namespace, "get", "networkpolicy", "-o", "name"))); n != 5 {
			t.Errorf("%d network policies, want 5", n)
		}
	})
	d.broker = forward(t, "knative-eventing", "broker-ingress", "80")

	step("rests without pods", func(t *testing.T) {
		eventually(t, 3*time.Minute, "at rest", func() (bool, string) {
			// cleanup wakes up for a tick each minute.
			s, c := d.replicas(t, "submission"), d.replicas(t, "compute")
			return s+c == 0, fmt.Sprintf("submission %d, compute %d", s, c)
		})
	})

	step("scales from zero to many and back, with the numbers of eemt run", func(t *testing.T) {
		id := d.submit(t, slow)
		most := 0
		eventually(t, 8*time.Minute, "completed", func() (bool, string) {
			most = max(most, d.replicas(t, "compute"))
			s := d.status(t, id)
			if s.Status == "failed" {
				t.Fatal(s.Error)
			}
			return s.Status == "completed", s.Status
		})
		t.Logf("at most %d replicas of compute", most)
		if most < 2 {
			t.Errorf("at most %d replicas of compute", most)
		}
		sameMaps(t, d.sums(t, id), want)
		d.atRest(t)
	})

	step("helm test", func(t *testing.T) {
		out := run(t, "helm", "test", release, "-n", d.namespace, "--logs")
		if !strings.Contains(out, "as it must be") {
			t.Error(out)
		}
	})

	step("what podMonitor collects", func(t *testing.T) {
		pods := strings.Fields(kubectl(t, "-n", d.namespace, "get", "pods", "-l", "app.kubernetes.io/name=eemt,app.kubernetes.io/component=submission", "--field-selector=status.phase=Running", "-o", `jsonpath={range .items[*]}{.metadata.name}:{.spec.containers[*].ports[?(@.name=="http-usermetric")].containerPort} {end}`))
		if len(pods) == 0 {
			t.Fatal("no replica of submission")
		}
		text := kubectl(t, "get", "--raw", "/api/v1/namespaces/"+d.namespace+"/pods/"+pods[0]+"/proxy/metrics")
		if !regexp.MustCompile(`http_server_request_duration_seconds_count\{.*http_response_status_code="200".*\} [1-9]`).MatchString(text) {
			t.Errorf("no requests among %d bytes of metrics", len(text))
		}
	})

	step("uploads become jobs", func(t *testing.T) {
		jobs := func(name string) (list []status) {
			var all []status
			decode(t, d.api(t, http.MethodGet, "/api/jobs", "", nil), &all)
			for _, s := range all {
				if strings.HasSuffix(s.DEM, name) {
					list = append(list, s)
				}
			}
			return list
		}
		upload := func(name string) {
			if code, answer := d.object(t, http.MethodPost, "uploads/"+name, dem(t)); code != http.StatusOK {
				t.Fatalf("the store answers %d %s", code, answer)
			}
		}
		upload("told.tif")
		for i := range 3 { // told three times, one job
			d.send(t, fmt.Sprintf("told-%d", i), "google.cloud.storage.object.v1.finalized", "objects/uploads/told.tif", `{"bucket":"`+bucket+`","name":"uploads/told.tif"}`, nil)
		}
		eventually(t, 50*time.Second, "a job by event", func() (bool, string) {
			l := jobs("told.tif")
			return len(l) == 1, fmt.Sprint(l)
		})
		upload("quiet.tif")
		eventually(t, 2*time.Minute, "a job by tick", func() (bool, string) {
			l := jobs("quiet.tif")
			return len(l) == 1, fmt.Sprint(l)
		})
		for _, name := range []string{"told.tif", "quiet.tif"} {
			if l := jobs(name); len(l) != 1 {
				t.Errorf("%d jobs of %s", len(l), name)
			} else {
				d.wait(t, l[0].ID, 3*time.Minute)
			}
		}
	})

	step("a compute pod killed in a tile loses nothing", func(t *testing.T) {
		id := d.submit(t, slow)
		d.begun(t, id)
		pods := strings.Fields(kubectl(t, "-n", d.namespace, "get", "pods", "-l", "serving.knative.dev/service="+release+"-compute", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].metadata.name}"))
		if len(pods) == 0 {
			t.Fatal("no compute pod to kill")
		}
		// Some may end by themselves meanwhile.
		kubectl(t, append([]string{"-n", d.namespace, "delete", "pod", "--ignore-not-found", "--grace-period=0", "--force"}, pods...)...)
		t.Logf("killed %d pods", len(pods))
		d.wait(t, id, 8*time.Minute)
		sameMaps(t, d.sums(t, id), want)
	})

	step("a drained node loses nothing", func(t *testing.T) {
		node := kubectl(t, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
		id := d.submit(t, slow)
		d.begun(t, id)
		t.Cleanup(func() { _ = exec.Command("kubectl", "uncordon", node).Run() })
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			for _, block := range commands(t, "operate.md", "drain") {
				out, err := try(t, "sh", "-eux", "-c", strings.ReplaceAll(block, "NODE", node))
				if err != nil {
					t.Error(err)
				}
				if !strings.Contains(out, "evicting pod "+d.namespace+"/"+release+"-compute") {
					t.Errorf("no pod of compute was evicted:\n%s", out)
				}
			}
		}()
		// As soon as all must go, the node stands for another one that takes what comes in their place.
		eventually(t, time.Minute, "told to go", func() (bool, string) {
			out := kubectl(t, "-n", d.namespace, "get", "pods", "-l", "app.kubernetes.io/component=compute", "--field-selector=status.phase=Running", "-o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.deletionTimestamp}{"\n"}{end}`)
			for line := range strings.Lines(out) {
				if len(strings.Fields(line)) < 2 {
					return false, out
				}
			}
			return out != "", out
		})
		kubectl(t, "uncordon", node)
		d.wait(t, id, 8*time.Minute)
		<-drained
		sameMaps(t, d.sums(t, id), want)
	})

	step("evictions leave submission a replica", func(t *testing.T) {
		run(t, "kn", "service", "update", release+"-submission", "-n", d.namespace, "--scale-min", "2")
		latest := kubectl(t, "-n", d.namespace, "get", "ksvc", release+"-submission", "-o", "jsonpath={.status.latestReadyRevisionName}")
		ready := func() []string {
			return strings.Fields(kubectl(t, "-n", d.namespace, "get", "pods", "-l", "serving.knative.dev/service="+release+"-submission", "-o",
				`jsonpath={range .items[*]}{.metadata.name}/{.metadata.labels.serving\.knative\.dev/revision}/{.metadata.deletionTimestamp}/{range .status.conditions[?(@.type=="Ready")]}{.status}{end}{"\n"}{end}`))
		}
		var pods []string
		eventually(t, 2*time.Minute, "two replicas", func() (bool, string) {
			pods = nil
			all := ready()
			for _, p := range all {
				if f := strings.Split(p, "/"); f[1] == latest && f[2] == "" && f[3] == "True" {
					pods = append(pods, f[0])
				}
			}
			return len(pods) == 2, fmt.Sprint(all)
		})
		eventually(t, time.Minute, "guarded", func() (bool, string) {
			allowed := kubectl(t, "-n", d.namespace, "get", "pdb", release+"-submission", "-o", "jsonpath={.status.currentHealthy} healthy, {.status.disruptionsAllowed} may go")
			return allowed == "2 healthy, 1 may go", allowed
		})
		evict := func(pod string) (string, error) {
			body := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pod, d.namespace)
			file := filepath.Join(t.TempDir(), "eviction.json")
			if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
			return try(t, "kubectl", "create", "--raw", "/api/v1/namespaces/"+d.namespace+"/pods/"+pod+"/eviction", "-f", file)
		}
		// No replica can come in place of the first.
		node := kubectl(t, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
		t.Cleanup(func() { _ = exec.Command("kubectl", "uncordon", node).Run() })
		kubectl(t, "cordon", node)
		if out, err := evict(pods[0]); err != nil {
			t.Errorf("the first eviction: %v %s", err, out)
		}
		if out, err := evict(pods[1]); err == nil || !strings.Contains(out, "disruption budget") {
			t.Errorf("the second eviction at once: %v %s", err, out)
		}
		kubectl(t, "uncordon", node)
		run(t, "kn", "service", "update", release+"-submission", "-n", d.namespace, "--scale-min", "0")
	})

	step("a broker killed in a job loses nothing", func(t *testing.T) {
		id := d.submit(t, slow)
		d.begun(t, id)
		kubectl(t, "-n", "knative-eventing", "delete", "pod", "--grace-period=0", "--force", "-l", "messaging.knative.dev/role=dispatcher")
		kubectl(t, "-n", "knative-eventing", "delete", "pod", "--grace-period=0", "--force", "-l", "eventing.knative.dev/brokerRole=filter")
		d.wait(t, id, 8*time.Minute)
		sameMaps(t, d.sums(t, id), want)
	})

	step("forged events are refused", func(t *testing.T) {
		id := d.submit(t, slow)
		d.begun(t, id)
		d.forge(t, id)
		d.wait(t, id, 8*time.Minute)
		sameMaps(t, d.sums(t, id), want)
	})

	step("a poisoned event ends as a dead letter", func(t *testing.T) {
		d.atRest(t)
		id := d.submit(t, slow)
		// Before compute has started: what it cannot read is in front of all that it tries.
		d.object(t, http.MethodPost, "jobs/"+id+"/job.json", []byte("{"))
		var end struct{ State, Reason string }
		eventually(t, 3*time.Minute, "failed", func() (bool, string) {
			code, data := d.object(t, http.MethodGet, "jobs/"+id+"/end.json", nil)
			if code != http.StatusOK {
				return false, fmt.Sprint("end.json: ", code)
			}
			decode(t, data, &end)
			return true, ""
		})
		t.Logf("the job says: %s", end.Reason)
		if end.State != "failed" || !strings.HasPrefix(end.Reason, "planning failed repeatedly: ") || !strings.Contains(end.Reason, "damaged record") {
			t.Errorf("end %+v", end)
		}
		d.object(t, http.MethodDelete, "jobs/"+id+"/job.json", nil) // the steps after this have no damaged job
	})

	step("a file that is gone ends its job", func(t *testing.T) {
		d.atRest(t)
		before := map[string]bool{}
		for _, k := range d.list(t, "inputs/") {
			before[k] = true
		}
		id := d.submit(t, slow)
		for _, k := range d.list(t, "inputs/") {
			if !before[k] {
				d.object(t, http.MethodDelete, k, nil)
			}
		}
		var s status
		eventually(t, 3*time.Minute, "failed", func() (bool, string) {
			s = d.status(t, id)
			return s.Status == "failed", s.Status
		})
		t.Logf("the job says: %s", s.Error)
		if !strings.HasPrefix(s.Error, "planning failed twice the same way: open the DEM") {
			t.Errorf("reason %q", s.Error)
		}
	})

	step("canary and rollback while a job runs", func(t *testing.T) {
		service := release + "-compute"
		old := kubectl(t, "-n", d.namespace, "get", "ksvc", service, "-o", "jsonpath={.status.latestReadyRevisionName}")
		id := d.submit(t, slow)
		d.begun(t, id)
		d.mustDeploy(t, "--upgrade", "--canary", "50", "--set", "logLevel=info,cleanup.dryRun=true,cleanup.successRetentionDays=0")
		split := kubectl(t, "-n", d.namespace, "get", "ksvc", service, "-o", `jsonpath={range .status.traffic[*]}{.revisionName}={.percent} {end}`)
		t.Logf("traffic: %s", split)
		if !strings.Contains(split, old+"=50") {
			t.Errorf("traffic %q, want half on %s", split, old)
		}
		run(t, "kn", "service", "update", service, "-n", d.namespace, "--traffic", old+"=100")
		back := kubectl(t, "-n", d.namespace, "get", "ksvc", service, "-o", `jsonpath={range .status.traffic[?(@.percent==100)]}{.revisionName}{end}`)
		if back != old {
			t.Errorf("after rollback traffic is on %q, want %s", back, old)
		}
		d.wait(t, id, 8*time.Minute)
		sameMaps(t, d.sums(t, id), want)
	})

	step("commands of docs/operate.md", func(t *testing.T) {
		blocks := commands(t, "operate.md", "cluster")
		dir := filepath.Dir(program(t, "kn-eemt"))
		if err := os.WriteFile(filepath.Join(dir, "dem.tif"), dem(t), 0o600); err != nil {
			t.Fatal(err)
		}
		// The ingress as a proxy: services are called by the addresses that Knative gives them.
		env := "cd " + dir + "\nexport PATH=" + dir + ":$PATH http_proxy=" + d.ingress() + " no_proxy= NO_PROXY=\n"
		for _, b := range blocks {
			out, err := try(t, "sh", "-eux", "-c", env+strings.ReplaceAll(b, "-n eemt", "-n "+d.namespace))
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		}
		t.Logf("%d blocks", len(blocks))
		// What the commands changed by hand.
		if max := kubectl(t, "-n", d.namespace, "get", "ksvc", release+"-submission", "-o", `jsonpath={.spec.template.metadata.annotations.autoscaling\.knative\.dev/max-scale}`); max != "3" {
			t.Errorf("largest scale of submission is %s after kn service update", max)
		}
	})

	step("retention runs dry by tick, then for real", func(t *testing.T) {
		report := func(dry bool) map[string]any {
			var found map[string]any
			eventually(t, 2*time.Minute, fmt.Sprintf("a report with dry_run %v", dry), func() (bool, string) {
				for _, k := range d.list(t, "cleanup/") {
					_, data := d.object(t, http.MethodGet, k, nil)
					var r map[string]any
					decode(t, data, &r)
					if n, _ := r["successful_jobs_processed"].(float64); r["dry_run"] == dry && n > 0 {
						found = r
					}
				}
				return found != nil, fmt.Sprint(d.list(t, "cleanup/"))
			})
			return found
		}
		dry := report(true)
		results := len(d.list(t, "jobs/"))
		t.Logf("dry: %v jobs, %v MB", dry["successful_jobs_processed"], dry["total_size_freed_mb"])
		d.mustDeploy(t, "--upgrade", "--set", "cleanup.successRetentionDays=0")
		real := report(false)
		t.Logf("real: %v jobs, %v MB", real["successful_jobs_processed"], real["total_size_freed_mb"])
		eventually(t, time.Minute, "removed", func() (bool, string) {
			n := len(d.list(t, "jobs/"))
			return n < results/4, fmt.Sprintf("%d objects of %d", n, results)
		})
	})

	step("GPU", func(t *testing.T) {
		d.atRest(t)
		node := kubectl(t, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
		gpu := []string{"--upgrade", "--gpu", "--set", "gpu.type=test-gpu"}
		out, err := d.deploy(t, append(gpu, "--timeout", "20")...)
		if err == nil || !strings.Contains(out, "no node offers what gpu, spot or nodeSelector ask for") {
			t.Fatalf("without a GPU: %v\n%s", err, out)
		}
		t.Logf("without a GPU deploy.sh says:\n%s", out)
		patch := func(op string) error {
			body := fmt.Sprintf(`[{"op":%q,"path":"/status/capacity/nvidia.com~1gpu","value":"4"}]`, op)
			_, err := try(t, "kubectl", "patch", "node", node, "--subresource=status", "--type=json", "-p", body)
			return err
		}
		if err := patch("add"); err != nil {
			t.Fatal(err)
		}
		kubectl(t, "label", "node", node, "accelerator=test-gpu", "--overwrite")
		t.Cleanup(func() {
			_ = exec.Command("kubectl", "patch", "node", node, "--subresource=status", "--type=json", "-p", `[{"op":"remove","path":"/status/capacity/nvidia.com~1gpu"}]`).Run()
			_ = exec.Command("kubectl", "label", "node", node, "accelerator-").Run()
		})
		d.mustDeploy(t, gpu...)
		id := d.submit(t, map[string]string{"workflow_type": "sol", "step": "60"})
		d.wait(t, id, 3*time.Minute)
		landed := kubectl(t, "-n", d.namespace, "get", "pods", "-l", "serving.knative.dev/service="+release+"-compute", "-o", `jsonpath={range .items[*]}{.spec.nodeName} {.spec.nodeSelector.accelerator} {.spec.containers[0].resources.limits.nvidia\.com/gpu}{"\n"}{end}`)
		if !strings.Contains(landed, node+" test-gpu 1") {
			t.Errorf("compute landed on %q", landed)
		}
	})

	step("people log in and see their own jobs", func(t *testing.T) {
		d.loggedIn(t)
	})

	step("without a login it is there for the cluster alone", func(t *testing.T) {
		d.withinOnly(t)
	})

	step("cleanup.sh", func(t *testing.T) {
		script := root + "/ko/cleanup.sh"
		out, err := try(t, script, "-n", d.namespace)
		var e *exec.ExitError
		if !errors.As(err, &e) || e.ExitCode() != 2 || !strings.Contains(out, "say --force") {
			t.Errorf("without a terminal: %v\n%s", err, out)
		}
		if out := run(t, script, "-n", d.namespace, "--dry-run"); !strings.Contains(out, "remove service.serving.knative.dev/"+release+"-compute") || !strings.Contains(out, "keep gs://"+bucket) {
			t.Errorf("a dry run says\n%s", out)
		}
		if out := run(t, script, "-n", d.namespace, "-r", "other", "--dry-run"); strings.Contains(out, release+"-compute") || strings.Contains(out, "remove namespace") {
			t.Errorf("of another release it says\n%s", out)
		}
		if n := len(strings.Fields(kubectl(t, "-n", d.namespace, "get", "ksvc", "-o", "name"))); n != 3 {
			t.Errorf("%d services after a dry run", n)
		}
		run(t, script, "-n", d.namespace, "--force", "--keep-data", "--keep-namespace")
		if left := kubectl(t, "-n", d.namespace, "get", "ksvc,broker,trigger,pingsource,configmap,networkpolicy", "-l", "app.kubernetes.io/instance="+release, "-o", "name"); left != "" {
			t.Errorf("left behind: %s", left)
		}
		if len(d.list(t, "jobs/")) == 0 {
			t.Error("the bucket was emptied")
		}
		run(t, script, "-n", d.namespace, "--all", "--force")
		if phase := kubectl(t, "get", "namespace", d.namespace, "--ignore-not-found", "-o", "jsonpath={.status.phase}"); phase == "Active" {
			t.Errorf("namespace is %s", phase)
		}
	})
}
