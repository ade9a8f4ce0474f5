package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/param"
)

// local reports whether a raster is a file of this machine.
func local(name string) bool { return !strings.Contains(name, "://") }

// checkInputFiles reports the first raster that is not there.
func checkInputFiles(p *param.Parameters) error {
	for _, in := range p.Inputs() {
		for _, name := range in.Files() {
			if !local(name) {
				continue
			}
			info, err := os.Stat(name)
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s: no file %s", in.Name, name)
			}
			if err == nil && !info.Mode().IsRegular() {
				err = fmt.Errorf("%s is not a file", name)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", in.Name, err)
			}
		}
	}
	return nil
}

// importInputs copies the rasters into the bucket, under names made of their
// content, and lets p name the copies.
func importInputs(ctx context.Context, b *blob.Bucket, p *param.Parameters) error {
	return renameInputs(p, func(path string) (string, error) { return importFile(ctx, b, path) })
}

// renameInputs lets p name, in place of each raster of this machine, the object that it is or becomes.
func renameInputs(p *param.Parameters, object func(path string) (key string, err error)) error {
	for _, in := range p.Inputs() {
		files := in.Files()
		if len(files) == 0 {
			continue
		}
		keys := make([]string, len(files))
		for i, name := range files {
			keys[i] = name
			if !local(name) {
				continue
			}
			var err error
			if keys[i], err = object(name); err != nil {
				return fmt.Errorf("%s: %w", in.Name, err)
			}
		}
		*in.Rasters = keys
	}
	return nil
}
