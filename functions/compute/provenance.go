package compute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
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
	together := int64(0)
	for _, s := range plan.Sources {
		together += s.Bytes
	}
	all := true
	for i, name := range files {
		if slices.Contains(files[:i], name) {
			continue
		}
		s := record.Source{Input: input, File: name}
		if !strings.Contains(name, "://") {
			sum, size, err := checksumUpTo(ctx, p.kind.climate, name, min(checkedBytes, checkedTogether-together))
			if err := ctx.Err(); err != nil {
				return err
			}
			if err != nil {
				p.job.Log.Info("a source has no checksum", "file", name, "error", err)
			}
			s.SHA256, s.Bytes = sum, size
			together += size
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
	return p.sources(ctx, plan, "climate", spec.Files(ctx, user.Years(), p.kind.climate), kept)
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

// putMap stores a map, and keeps the checksum of what was written.
func (m *mosaic) putMap(ctx context.Context, info mapInfo, write func(io.Writer) error) error {
	h := sha256.New()
	err := m.job.Objects.PutUpTo(ctx, m.mostBytes(info), job.ResultKey(m.job.Request.ID, info.Name), objects.TIFF, func(to io.Writer) error {
		h.Reset()
		return write(io.MultiWriter(to, h))
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.checksums == nil {
		m.checksums = map[string]string{}
	}
	m.checksums[info.Name] = hex.EncodeToString(h.Sum(nil))
	return nil
}

// checksumKey is where the checksum of a map waits for the report.
func checksumKey(id, name string) string { return job.WorkKey(id, "checksums/"+name+".sha256") }

// noteChecksums leaves the checksums of the maps that a task made for who writes the report: one object for each map, so
// that a task that is done again, and finds half of its maps made, writes over none. Without the note the map is read again.
func (m *mosaic) noteChecksums(ctx context.Context) {
	for name, sum := range m.checksums {
		if err := m.job.Objects.PutBytes(ctx, checksumKey(m.job.Request.ID, name), []byte(sum)); err != nil {
			m.job.Log.Debug("the checksum of a map is not noted", "map", name, "error", err)
		}
	}
}

// gatherChecksums reads what others noted of the maps that they made.
func (a *assembly) gatherChecksums(ctx context.Context) error {
	if a.checksums == nil {
		a.checksums = map[string]string{}
	}
	var missing []string
	for _, g := range a.groups {
		for _, pr := range g.products {
			for _, info := range pr.maps {
				if a.checksums[info.Name] == "" {
					missing = append(missing, info.Name)
				}
			}
		}
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(a.job.Objects.Calls())
	for _, name := range missing {
		work.Go(func() error {
			sum, err := a.job.Store.Bucket.ReadAll(ctx, checksumKey(a.job.Request.ID, name))
			if err != nil || len(sum) != hex.EncodedLen(sha256.Size) {
				return context.Cause(ctx) // without the note the map itself is read
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			a.checksums[name] = string(sum)
			return nil
		})
	}
	return work.Wait()
}

// noteClearness adds the clear-sky index of a part's cells to the record of the tile, where cells
// have their own.
func (p *tilePart) noteClearness(w raster.Window, c *clearness, sun *solar.Monthly) error {
	if c == nil || c.grids[0] == nil {
		return nil
	}
	if p.record.ClearSky == nil {
		p.record.ClearSky = record.NewClearSky()
	}
	cell := p.dem.Cell.Rows(w.Row, w.Height)
	var index [12]float64
	for i, v := range sun.Global[0].Cells {
		if v != v {
			continue
		}
		row := i / w.Width
		c.at(i, &index)
		p.record.ClearSky.Add(cell.DX[row]*cell.DY[row], &index)
	}
	return p.record.ClearSky.Err()
}

// ClearSky is the clear-sky index that a job applied, by month, over the cells with a result.
type ClearSky struct {
	// From is values, raster or climate.
	From    string      `json:"from"`
	Mean    [12]float64 `json:"mean"`
	Minimum [12]float64 `json:"minimum"`
	Maximum [12]float64 `json:"maximum"`
}

// clearSky is nil for a job without a clear-sky index, and where no tile noted any.
func clearSky(p param.Parameters, tiles []record.TileResult) (*ClearSky, error) {
	c := &ClearSky{From: "values"}
	switch {
	case p.KCClimate:
		c.From = "climate"
	case p.KCRaster != nil:
		c.From = "raster"
	case p.KC != nil:
		c.Mean = param.Factor(p.KC)
		c.Minimum, c.Maximum = c.Mean, c.Mean
		return c, nil
	default:
		return nil, nil
	}
	all := record.NewClearSky()
	for _, t := range tiles {
		if t.ClearSky != nil {
			all.AddAll(t.ClearSky)
		}
	}
	if err := all.Err(); err != nil { // no tile records such sums
		return nil, fmt.Errorf("%w: clear-sky index of tiles: %w", job.ErrDamaged, err)
	}
	var ok bool
	if c.Mean, ok = all.Mean(); !ok {
		return nil, nil
	}
	c.Minimum, c.Maximum = all.Minimum, all.Maximum
	return c, nil
}

// noData is the number that marks cells of a DEM without elevation, as text; empty where none does.
func noData(d *dem.DEM) string {
	if !d.Image.HasNoData {
		return ""
	}
	return strconv.FormatFloat(d.Image.NoData, 'g', -1, 64)
}
