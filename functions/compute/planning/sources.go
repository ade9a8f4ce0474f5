package planning

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
)

// A file that is read in parts is read whole for its checksum only up to so many bytes, and
// the files of a job up to so many together. Beyond, what the job kept of it has one.
const (
	checkedBytes    = 256 << 20
	checkedTogether = 2 << 30
)

// sources takes the checksums of the files of an input, which the job keeps the part
// under its DEM of in kept. A file that cannot be read whole is listed without.
func (p *planner) sources(ctx context.Context, plan *record.Plan, input string, files, kept []string) error {
	plan.Sources = slices.DeleteFunc(plan.Sources, func(s record.Source) bool { return s.Input == input })
	total := int64(0)
	for _, s := range plan.Sources {
		total += s.Bytes
	}
	all := true
	for i, name := range files {
		if slices.Contains(files[:i], name) {
			continue
		}
		s := record.Source{Input: input, File: name}
		if !strings.Contains(name, "://") {
			sum, size, err := checksumUpTo(ctx, p.kind.Climate, name, min(checkedBytes, checkedTogether-total))
			if err := ctx.Err(); err != nil {
				return err
			}
			if err != nil {
				p.job.Log.Info("a source has no checksum", "file", name, "error", err)
			}
			s.SHA256, s.Bytes = sum, size
			total += size
		}
		all = all && s.SHA256 != ""
		plan.Sources = append(plan.Sources, s)
	}
	if all {
		return nil
	}
	for _, key := range kept {
		sum, size, err := p.job.Objects.Checksum(ctx, key)
		if err != nil {
			return err
		}
		plan.Sources = append(plan.Sources, record.Source{Input: input, File: strings.TrimPrefix(key, job.WorkKey(p.job.Request.ID, "")), Bytes: size, SHA256: sum, Kept: true})
	}
	return nil
}

// climateSources takes the checksums of the files of the climate.
func (p *planner) climateSources(ctx context.Context, plan *record.Plan) error {
	user := p.job.Request.Parameters
	spec, err := climate.ParseSpec(user.Climate, user.ClimateElevation, user.ClimateUnits)
	if err != nil {
		return fault.New(fault.Invalid, err)
	}
	kept, err := p.job.Objects.Keys(ctx, job.WorkKey(p.job.Request.ID, "climate/"))
	if err != nil {
		return err
	}
	kept = slices.DeleteFunc(kept, func(key string) bool { return strings.HasSuffix(key, ".json") })
	return p.sources(ctx, plan, "climate", spec.Files(ctx, user.Years(), p.kind.Climate), kept)
}

// checksumUpTo reads a file of at most so many bytes; a larger one has no checksum.
func checksumUpTo(ctx context.Context, open climate.Opener, name string, most int64) (sum string, size int64, err error) {
	r, size, c, err := open(ctx, name)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = c.Close() }()
	if size > most {
		return "", 0, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, size)); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}
