package service_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
)

var update = flag.Bool("update", false, "rewrite docs/policies")

// policies are where the policies of each service are kept, for a bucket named BUCKET.
const policies = "../../../docs/policies"

// statement is one of a policy of S3.
type statement struct {
	Effect   string
	Action   []string
	Resource []string
}

// policy gives a service the rights of docs/security.md, in the words of S3, whose star stands for slashes too.
func policy(t *testing.T, all []right, service string) []byte {
	t.Helper()
	const bucket = "arn:aws:s3:::BUCKET"
	objects := func(op string) (list []string) {
		for _, r := range all {
			if r.service == service && r.op == op {
				key := regexp.MustCompile(`\bID\b`).ReplaceAllString(strings.ReplaceAll(r.pattern, "...", "*"), "*")
				list = append(list, bucket+"/"+key)
			}
		}
		return list
	}
	list := []statement{
		{"Allow", []string{"s3:ListBucket", "s3:GetBucketLocation"}, []string{bucket}},
		{"Allow", []string{"s3:GetObject"}, []string{bucket + "/*"}},
		{"Allow", []string{"s3:PutObject", "s3:AbortMultipartUpload"}, objects(faultbucket.Commit)},
		{"Allow", []string{"s3:DeleteObject"}, objects(faultbucket.Delete)},
	}
	if service == "cleanup" { // which ends uploads that were not finished
		list = append(list,
			statement{"Allow", []string{"s3:ListBucketMultipartUploads"}, []string{bucket}},
			statement{"Allow", []string{"s3:AbortMultipartUpload"}, []string{bucket + "/*"}})
	}
	if service != "submission" {
		list = append(list, statement{"Deny", []string{"s3:GetObject"}, []string{bucket + "/auth/*"}})
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetIndent("", "  ")
	if err := e.Encode(map[string]any{"Version": "2012-10-17", "Statement": list}); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// TestPolicies compares the policies beside the documents with the rights in docs/security.md.
func TestPolicies(t *testing.T) {
	for _, service := range []string{"submission", "compute", "cleanup"} {
		file, want := filepath.Join(policies, "s3-"+service+".json"), policy(t, documented(t), service)
		if *update {
			if err := os.MkdirAll(policies, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from the rights (%v); go test -run TestPolicies -update rewrites it", file, err)
		}
	}
}

// store is a MinIO that runs, with a bucket and a user for each service.
type store struct{ address string }

// startStore builds MinIO and its command line, which no program of the project links, and starts a server.
func startStore(t *testing.T) store {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"minio", "mc"} {
		c := exec.CommandContext(t.Context(), "go", "-C", "../../../integration/objectstore", "build", "-trimpath", "-o", filepath.Join(dir, name), "github.com/minio/"+name)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := store{l.Addr().String()}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(filepath.Join(dir, "minio"), "server", filepath.Join(dir, "data"), "--address", s.address)
	server.Env = append(os.Environ(), "MINIO_ROOT_USER=root", "MINIO_ROOT_PASSWORD="+secretOf("root"), "MINIO_BROWSER=off", "HOME="+dir)
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Logf("MinIO says\n%s", log.Bytes())
		}
	})
	for range 300 {
		if res, err := http.Get("http://" + s.address + "/minio/health/ready"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	mc := func(args ...string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), filepath.Join(dir, "mc"), append([]string{"--config-dir", filepath.Join(dir, "mc-config")}, args...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("mc %v: %v\n%s", args, err, out)
		}
	}
	mc("alias", "set", "store", "http://"+s.address, "root", secretOf("root"))
	mc("mb", "store/maps")
	for _, service := range []string{"submission", "compute", "cleanup"} {
		text, err := os.ReadFile(filepath.Join(policies, "s3-"+service+".json"))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, service+".json")
		if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte("BUCKET"), []byte("maps")), 0o600); err != nil {
			t.Fatal(err)
		}
		mc("admin", "user", "add", "store", service, secretOf(service))
		mc("admin", "policy", "create", "store", service, file)
		mc("admin", "policy", "attach", "store", service, "--user", service)
	}
	return s
}

func secretOf(user string) string { return "secret-of-" + user }

// open opens the bucket as a user, with the driver of the services.
func (s store) open(t *testing.T, user string) *blob.Bucket {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", user)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretOf(user))
	b, err := buckets.Open(t.Context(), s.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if ok, err := b.IsAccessible(t.Context()); err != nil || !ok {
		t.Fatalf("%s cannot list the bucket: %v", user, err)
	}
	return b
}

func (s store) url() string {
	return "s3://maps?region=us-east-1&use_path_style=true&endpoint=http://" + s.address
}

// TestStoreEnforcesRights runs the jobs of TestServicesNeedNoMore on a store that enforces the policies, with a user for each service,
// and has the users try what they must not do.
func TestStoreEnforcesRights(t *testing.T) {
	if os.Getenv("EEMT_NIGHTLY") != "1" {
		t.Skip("SKIPPED: EEMT_NIGHTLY=1 builds MinIO, for some minutes where nothing is in Go's cache")
	}
	s := startStore(t)
	root := s.open(t, "root")
	all := map[string]*blob.Bucket{}
	for _, service := range []string{"submission", "compute", "cleanup"} {
		all[service] = s.open(t, service)
	}
	exercise(t, root, func(service string) *blob.Bucket { return all[service] }, false)
	if err := buckets.Partial(t.Context(), s.url(), all["cleanup"], time.Now().Add(time.Hour), false, func(string, int64) {}); err != nil {
		t.Errorf("cleanup ends no unfinished uploads: %v", err)
	}
	for _, key := range []string{"jobs/01X/job.json", "jobs/01X/results/report.json", "jobs/01X/work/a.tif", "inputs/01X-1_dem.tif", "auth/ticket-key", "uploads/dem.tif"} {
		if err := root.WriteAll(t.Context(), key, []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ service, op, key string }{
		{"compute", faultbucket.Delete, "jobs/01X/job.json"},
		{"compute", faultbucket.Delete, "jobs/01X/results/report.json"},
		{"compute", faultbucket.Delete, "inputs/01X-1_dem.tif"},
		{"compute", faultbucket.Commit, "jobs/01X/job.json"},
		{"compute", faultbucket.Read, "auth/ticket-key"},
		{"submission", faultbucket.Commit, "jobs/01X/results/report.json"},
		{"submission", faultbucket.Delete, "uploads/dem.tif"},
		{"submission", faultbucket.Delete, "auth/ticket-key"},
		{"cleanup", faultbucket.Commit, "jobs/01X/results/report.json"},
		{"cleanup", faultbucket.Commit, "jobs/01X/job.json"},
		{"cleanup", faultbucket.Read, "auth/ticket-key"},
		{"cleanup", faultbucket.Delete, "uploads/dem.tif"},
	} {
		var err error
		switch b := all[c.service]; c.op {
		case faultbucket.Delete:
			err = b.Delete(t.Context(), c.key)
		case faultbucket.Commit:
			err = b.WriteAll(t.Context(), c.key, []byte("forged"), nil)
		default:
			_, err = b.ReadAll(t.Context(), c.key)
		}
		if gcerrors.Code(err) != gcerrors.PermissionDenied && (err == nil || !strings.Contains(err.Error(), "AccessDenied")) {
			t.Errorf("%s %s %s: %v", c.service, c.op, c.key, err)
		}
		if data, err := root.ReadAll(t.Context(), c.key); err != nil || string(data) != "x" {
			t.Errorf("after %s %s %s: %q (%v)", c.service, c.op, c.key, data, err)
		}
	}
	// What compute may do, it can.
	if err := all["compute"].Delete(t.Context(), "jobs/01X/work/a.tif"); err != nil {
		t.Errorf("compute and its own work: %v", err)
	}
}
