package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/job"
)

// inputFlags are the texts of the parameters that may be rasters, and of layers.
type inputFlags struct {
	inputs map[string]*string
	layers string
}

func (i *inputFlags) add(f *pflag.FlagSet, w job.Workflow) {
	index := ""
	if w == job.EEMT {
		index = ", or climate to take it from the radiation of a pixel:FILE.csv"
	}
	i.inputs = map[string]*string{}
	for _, v := range []struct{ name, value, usage string }{
		{"linke-value", "3.0", "Linke turbidity, 1 to 8: one `value`, 12 monthly ones separated by commas, or GeoTIFFs"},
		{"albedo-value", "0.2", "ground albedo, 0 to 1: one `value`, 12 monthly ones, or GeoTIFFs"},
		{"kb", "1", "real-sky factor of beam radiation, 0 to 1: one `value`, 12 monthly ones, or GeoTIFFs"},
		{"kd", "1", "real-sky factor of diffuse radiation, 0 to 1: one `value`, 12 monthly ones, or GeoTIFFs"},
		{"kc", "1", "clear-sky index, 0.2 to 1, of the final global radiation: one `value`, 12 monthly ones, or GeoTIFFs" + index},
	} {
		i.inputs[v.name] = f.String(v.name, v.value, v.usage)
	}
	f.StringVar(&i.layers, "layers", "", "more maps, `names` separated by commas: beam, diffuse, reflected, horizon, skyview")
}

// apply reads what was given into p.
func (i *inputFlags) apply(f *pflag.FlagSet, p *job.Parameters) error {
	for _, in := range p.Inputs() {
		if f.Changed(in.Name) {
			if err := p.SetInput(in.Name, *i.inputs[in.Name]); err != nil {
				return err
			}
		}
	}
	var err error
	p.Layers, err = job.ParseLayers(i.layers)
	return err
}

// local reports whether a raster is a file of this machine.
func local(name string) bool { return !strings.Contains(name, "://") }

// checkInputFiles reports the first raster that is not there.
func checkInputFiles(p *job.Parameters) error {
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
func importInputs(ctx context.Context, b *blob.Bucket, p *job.Parameters) error {
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
			if keys[i], err = importFile(ctx, b, name); err != nil {
				return fmt.Errorf("%s: %w", in.Name, err)
			}
		}
		*in.Rasters = keys
	}
	return nil
}
