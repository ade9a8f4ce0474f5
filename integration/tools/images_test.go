// Package tools_test builds the images of the services as a release does, into a registry of its own, and looks into them.
package tools_test

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"sigs.k8s.io/yaml"
)

// most is how large an image may be, layers compressed.
const most = 30 << 20

// sdk is the module that a bucket driver brings along.
var sdk = map[string]string{
	"gcs":    "cloud.google.com/go/storage",
	"s3":     "github.com/aws/aws-sdk-go-v2/service/s3",
	"azblob": "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob",
}

// TestImages builds every service with every bucket driver for both architectures. EEMT_DRIVERS names fewer of them.
func TestImages(t *testing.T) {
	if os.Getenv("EEMT_IMAGES") != "1" {
		t.Skip("SKIPPED: EEMT_IMAGES=1 builds the images, for some minutes where nothing is in Go's cache")
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	ko := filepath.Join(t.TempDir(), "ko")
	run(t, ".", nil, "go", "build", "-trimpath", "-o", ko, "github.com/google/ko")
	run(t, ".", nil, "go", "run", "./base", host+"/base:1")
	build := func(dir, driver, repository string) map[string]string {
		out := run(t, dir, []string{
			"EEMT_DRIVERS=" + driver, "KO_DOCKER_REPO=" + host + "/" + repository, "KO_DEFAULTBASEIMAGE=" + host + "/base:1",
		}, ko, "resolve", "--base-import-paths", "--platform", "linux/amd64,linux/arm64", "-f", "ko/images.yaml")
		var made struct{ Images map[string]string }
		if err := yaml.Unmarshal([]byte(out), &made); err != nil {
			t.Fatal(err)
		}
		return made.Images
	}
	drivers := []string{"gcs", "s3", "azblob"}
	if some := os.Getenv("EEMT_DRIVERS"); some != "" {
		drivers = strings.Split(some, ",")
	}
	for _, driver := range drivers {
		images := build(root, driver, driver)
		for _, service := range []string{"submission", "compute", "cleanup"} {
			t.Run(driver+"/"+service, func(t *testing.T) {
				reference, err := name.ParseReference(images[service])
				if err != nil {
					t.Fatal(err)
				}
				index, err := remote.Index(reference)
				if err != nil {
					t.Fatal(err)
				}
				manifest, err := index.IndexManifest()
				if err != nil {
					t.Fatal(err)
				}
				var platforms []string
				for _, m := range manifest.Manifests {
					platforms = append(platforms, m.Platform.String())
					image, err := index.Image(m.Digest)
					if err != nil {
						t.Fatal(err)
					}
					inspect(t, image, service, driver, m.Platform.Architecture)
					bill(t, reference.Context(), m.Digest, driver)
				}
				if slices.Sort(platforms); !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) {
					t.Errorf("built for %v", platforms)
				}
			})
		}
	}
	t.Run("the same bytes from another folder", func(t *testing.T) {
		here := build(root, drivers[0], "again")
		there := build(duplicate(t, root), drivers[0], "elsewhere")
		for service, reference := range here {
			_, a, _ := strings.Cut(reference, "@")
			if _, b, _ := strings.Cut(there[service], "@"); a != b || a == "" {
				t.Errorf("%s: %s here, %s there", service, a, b)
			}
		}
	})
}

func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), append(env, "CGO_ENABLED=0")...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, errs.Bytes())
	}
	return out.String()
}

// inspect holds one image against what docs/operate.md says of it.
func inspect(t *testing.T, image v1.Image, service, driver, arch string) {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if user, _, _ := strings.Cut(config.Config.User, ":"); user == "" || user == "0" || user == "root" {
		t.Errorf("%s: runs as %q", arch, config.Config.User)
	}
	if want := "/ko-app/" + service; !slices.Equal(config.Config.Entrypoint, []string{want}) {
		t.Errorf("%s: starts %v, want %s", arch, config.Config.Entrypoint, want)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, l := range layers {
		n, err := l.Size()
		if err != nil {
			t.Fatal(err)
		}
		size += n
		files, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for r := tar.NewReader(files); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag != tar.TypeReg || h.Mode&0o111 == 0 {
				continue
			}
			if path.Base(h.Name) != service {
				t.Errorf("%s: %s can be run", arch, h.Name)
				continue
			}
			program, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			static(t, program, driver, arch)
		}
		_ = files.Close()
	}
	t.Logf("%s: %.1f MiB", arch, float64(size)/(1<<20))
	if size > most {
		t.Errorf("%s: %d bytes, want at most %d", arch, size, most)
	}
}

// static looks at a program: its architecture, that it needs no loader, and which drivers it links.
func static(t *testing.T, program []byte, driver, arch string) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]; f.Machine != want {
		t.Errorf("%s: a program for %s", arch, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s: needs a loader", arch)
		}
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	for name, module := range sdk {
		linked := slices.ContainsFunc(info.Deps, func(m *debug.Module) bool { return m.Path == module })
		if linked != (name == driver) {
			t.Errorf("%s: links %s: %v", arch, module, linked)
		}
	}
}

// bill looks for the bill of materials of an image, which ko pushes beside it.
func bill(t *testing.T, repository name.Repository, digest v1.Hash, driver string) {
	t.Helper()
	image, err := remote.Image(repository.Tag(fmt.Sprintf("%s-%s.sbom", digest.Algorithm, digest.Hex)))
	if err != nil {
		t.Errorf("no bill of materials: %v", err)
		return
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("bill of materials of %d layers: %v", len(layers), err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var document struct {
		SPDXVersion string `json:"spdxVersion"`
		Packages    []struct{ Name string }
	}
	if err := json.NewDecoder(r).Decode(&document); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(document.SPDXVersion, "SPDX-2") || !slices.ContainsFunc(document.Packages, func(p struct{ Name string }) bool { return p.Name == sdk[driver] }) {
		t.Errorf("%s with %d packages does not name %s", document.SPDXVersion, len(document.Packages), sdk[driver])
	}
}

// duplicate copies the sources of the module.
func duplicate(t *testing.T, root string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", ".ko.yaml", "ko", "cmd", "functions", "eventing", "shared", "integration/smoke", "examples"} {
		err := filepath.WalkDir(filepath.Join(root, name), func(file string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if e.IsDir() && e.Name() == "node_modules" {
				return filepath.SkipDir
			}
			relative, err := filepath.Rel(root, file)
			if err != nil || e.IsDir() || strings.HasSuffix(file, "_test.go") {
				return err
			}
			to := filepath.Join(dir, relative)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			return os.WriteFile(to, data, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
