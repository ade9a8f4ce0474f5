package buckets_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
)

func TestOpen(t *testing.T) {
	for _, url := range []string{"file://" + t.TempDir(), "mem://"} {
		b, err := buckets.Open(t.Context(), url)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		if err := b.WriteAll(t.Context(), "a/b", []byte("c"), nil); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		_ = b.Close()
	}
	for url, want := range map[string]string{
		"nobody://bucket?key=secret": `bucket "nobody://bucket": unknown kind "nobody": want file:///DIR, gs://NAME`,
		"data":                       `unknown kind "": want file:///DIR`,
		"gs://":                      "bucket gs://: no name given; want gs://NAME",
		"s3:///x":                    "bucket s3://: no name given; want s3://NAME",
		"://":                        "bucket: not a URL: want file:///DIR",
		"file://":                    "no name given",
	} {
		b, err := buckets.Open(t.Context(), url)
		if err == nil {
			_ = b.Close()
			t.Errorf("%s was opened", url)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct{ url, name, prefix string }{
		{"gs://maps", "maps", ""},
		{"gs://maps?prefix=a/b/", "maps", "a/b/"},
		{"s3://maps?region=eu-west-1&endpoint=http://minio:9000", "maps", ""},
		{"azblob://maps?storage_account=x", "maps", ""},
		{"file:///maps", "", ""},
		{"mem://", "", ""},
		{"://", "", ""},
	} {
		if name, prefix := buckets.Place(c.url); name != c.name || prefix != c.prefix {
			t.Errorf("%s: %q, %q, want %q, %q", c.url, name, prefix, c.name, c.prefix)
		}
	}
}

// TestTags builds the package as the images do, and looks at what is linked.
func TestTags(t *testing.T) {
	modules := map[string]string{
		"gcs": "cloud.google.com/go/storage", "s3": "github.com/aws/aws-sdk-go-v2/service/s3",
		"azblob": "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob",
	}
	for _, tag := range []string{"", "gcs", "s3", "azblob"} {
		out, err := exec.Command("go", "list", "-deps", "-tags", tag, "github.com/cyverse-gis/eemt/cmd/compute").CombinedOutput()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, out)
		}
		for name, module := range modules {
			if linked := strings.Contains("\n"+string(out), "\n"+module+"\n"); linked != (tag == "" || tag == name) {
				t.Errorf("-tags %q: %s linked: %t", tag, module, linked)
			}
		}
	}
	if os.Getenv("EEMT_SLOW") == "" {
		return
	}
	if out, err := exec.Command("go", "test", "-tags", "s3", "-run", "TestUnlinked|TestOpen", ".").CombinedOutput(); err != nil {
		t.Errorf("go test -tags s3: %v\n%s", err, out)
	}
}
