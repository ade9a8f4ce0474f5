package local

import (
	"context"
	"fmt"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/inputfile"
	"github.com/cyverse-gis/eemt/shared/param"
)

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
			if !inputfile.IsLocal(name) {
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
