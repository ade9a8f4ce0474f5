package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cyverse-gis/eemt/functions/compute/assembly"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/outdir"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
	"github.com/cyverse-gis/eemt/shared/param"
)

// claim takes the output directory for this run, unless it holds what the run may not replace.
func (o *runOptions) claim(w param.Workflow, dem string, stderr io.Writer) (*outdir.Dir, error) {
	dir, err := outdir.Claim(o.output, outdir.StateDir)
	if err != nil {
		return nil, err
	}
	origin := func() (outdir.Origin, error) { return originOf(w, o.params, dem) }
	notes, err := dir.Allow(origin, cli.Version, workfile.ResultNames(w, o.params), o.overwrite)
	if err != nil {
		_ = dir.Release()
		return nil, err
	}
	for _, n := range notes {
		o.note(stderr)(n)
	}
	return dir, nil
}

// note prints a sentence for the user, unless nothing but errors is wanted.
func (o *runOptions) note(stderr io.Writer) func(sentence string) {
	return func(sentence string) {
		if !o.quiet {
			_, _ = fmt.Fprintln(stderr, "note:", sentence)
		}
	}
}

// originOf is what the record of the job will say, found without a copy of its files.
func originOf(w param.Workflow, params param.Parameters, dem string) (outdir.Origin, error) {
	if kind, path, ok := strings.Cut(params.Climate, ":"); ok && (kind == climate.KindTable || kind == climate.KindPixel) {
		key, _, err := keyOf(path)
		if err != nil {
			return outdir.Origin{}, err
		}
		params.Climate = kind + ":" + key
	}
	err := renameInputs(&params, func(path string) (string, error) {
		key, _, err := keyOf(path)
		return key, err
	})
	if err != nil {
		return outdir.Origin{}, err
	}
	_, checksum, err := keyOf(dem)
	return outdir.Origin{Workflow: w, DEM: filepath.Base(dem), SHA256: checksum, Parameters: params}, err
}

func keyOf(path string) (key, checksum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = f.Close() }()
	return importKey(f, path)
}

// export places the results of a job in the output directory, under the old suite's names, in the stead of those of a
// former run, of which the data go too.
func (p *platform) export(ctx context.Context, id string, dir *outdir.Dir, note func(sentence string)) (*assembly.Report, error) {
	r, err := p.store.Request(ctx, id)
	if err != nil {
		return nil, err
	}
	m := outdir.Mark{
		Origin:  outdir.Origin{Workflow: r.Workflow, DEM: r.DEM.Name, SHA256: r.DEM.SHA256, Parameters: r.Parameters},
		Version: cli.Version, Job: id,
	}
	prefix := job.ResultKey(id, "")
	it := p.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		m.Files = append(m.Files, outdir.File{Name: strings.TrimPrefix(o.Key, prefix), Size: o.Size, Modified: o.ModTime})
	}
	former := dir.FormerJob()
	notes, err := dir.Place(m, func(name string) error {
		file := filepath.FromSlash(name)
		return place(ctx, p.bucket, prefix+name, dir.Path(outdir.StateDir, filepath.FromSlash(prefix), file), dir.Path(file))
	})
	for _, n := range notes {
		note(n)
	}
	if err != nil {
		return nil, err
	}
	if former != "" && former != id {
		if err := p.forget(ctx, former); err != nil {
			note(fmt.Sprintf("the data of the former run could not be removed from %s: %v", dir.Path(outdir.StateDir), err))
		}
	}
	data, err := p.bucket.ReadAll(ctx, prefix+workfile.ReportName)
	if err != nil {
		return nil, err
	}
	report := new(assembly.Report)
	return report, json.Unmarshal(data, report)
}

// forgetSpoiled removes a finished job of which somebody changed results, so that they are made anew.
func (p *platform) forgetSpoiled(ctx context.Context, dir *outdir.Dir) error {
	if !dir.Spoiled() {
		return nil
	}
	return p.forget(ctx, dir.FormerJob())
}

// forget removes a job with its data; one that is not there is forgotten already.
func (p *platform) forget(ctx context.Context, id string) error {
	r, err := p.store.Request(ctx, id)
	if errors.Is(err, job.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = inuse.Remover{Store: p.store}.All(ctx, r)
	return err
}
