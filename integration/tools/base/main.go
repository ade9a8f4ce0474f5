// Command base pushes an image to build on where no other can be reached: no shell, no program, an unprivileged user, /tmp
// and the certificates of this machine, for amd64 and arm64.
//
//	go -C integration/tools run ./base REGISTRY/base:1
//	export KO_DEFAULTBASEIMAGE=REGISTRY/base:1
package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const certificates = "/etc/ssl/certs/ca-certificates.crt"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "base: give the reference to push to, for example localhost:5000/base:1")
		os.Exit(2)
	}
	if err := push(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "base:", err)
		os.Exit(1)
	}
}

func push(reference string) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return err
	}
	index, err := build()
	if err != nil {
		return err
	}
	return remote.WriteIndex(tag, index, remote.WithAuthFromKeychain(authn.DefaultKeychain))
}

func build() (v1.ImageIndex, error) {
	files, err := files()
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil })
	if err != nil {
		return nil, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64"} {
		image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
		if err != nil {
			return nil, err
		}
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		config = config.DeepCopy()
		config.OS, config.Architecture = "linux", arch
		config.Created = v1.Time{Time: time.Unix(0, 0)}
		config.Config = v1.Config{User: "65532:65532", WorkingDir: "/home/nonroot", Env: []string{"SSL_CERT_FILE=" + certificates}}
		if image, err = mutate.ConfigFile(image, config); err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	return index, nil
}

// files is the only layer, a tar archive.
func files() ([]byte, error) {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "tmp", Mode: 0o1777},
		{Typeflag: tar.TypeDir, Name: "etc", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "home", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "home/nonroot", Mode: 0o700, Uid: 65532, Gid: 65532},
	} {
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
	}
	texts := []struct {
		name string
		data []byte
	}{
		{"etc/passwd", []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n")},
		{"etc/group", []byte("root:x:0:\nnonroot:x:65532:\n")},
		{"etc/nsswitch.conf", []byte("hosts: files dns\n")},
	}
	trusted, err := os.ReadFile(certificates)
	if err != nil {
		return nil, fmt.Errorf("certificates, for calls to buckets (package ca-certificates): %w", err)
	}
	texts = append(texts, struct {
		name string
		data []byte
	}{certificates[1:], trusted})
	for _, f := range texts {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: int64(len(f.data))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	return buffer.Bytes(), w.Close()
}
