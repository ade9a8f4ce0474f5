package compute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
)

// Options are for work files: quick to write.
func (j *Job) Options(d *dem.DEM, w raster.Window, bands []geotiff.BandInfo) geotiff.Options {
	return geotiff.Options{
		Width: w.Width, Height: w.Height, Transform: d.Image.Transform.Sub(w), GeoKeys: d.Image.GeoKeys,
		Bands: bands, Compression: geotiff.ZSTD, Level: 1, BlockSize: workBlock, Software: j.software(), Plain: true, Threads: j.Threads,
	}
}

// workBlock is the side of the blocks of work files. Tiles begin and end at
// multiples of it, so that maps made in strips of this height decode each once.
const workBlock = 128

// resultOptions are for a map that users get.
func (m *mosaic) resultOptions(d *dem.DEM, info mapInfo, block int, spool func() (geotiff.Spool, error)) geotiff.Options {
	return geotiff.Options{
		Width: d.Image.Width, Height: d.Image.Height, Transform: d.Image.Transform, GeoKeys: d.Image.GeoKeys,
		Bands: bandInfos(info), Metadata: metadata(info), BlockSize: block,
		Overviews: true, Software: m.job.software(), Spool: spool, Held: mapHeld, Threads: m.job.Threads,
	}
}

// resultBlock is the side of the blocks of maps. Where tiles lie in blocks of
// their own size, each block of a map is then made of one block of tiles.
func resultBlock(plan *record.Plan) int {
	const usual, least, most = 512, 256, 1024
	if f := plan.Far; f != nil && f.Block%16 == 0 && f.Block >= least && f.Block <= most {
		return f.Block
	}
	return usual
}

func (j *Job) software() string { return "eemt " + j.Version }

func dailyFile(layer string) string { return dailyPrefix + layer + ".tif" }

// putDaily adds to a work file per quantity, a band for each day. index is the
// clear-sky index, nil for a clear sky.
func (p *tilePart) putDaily(ctx context.Context, engine solar.Engine, surface solar.Surface, params solar.Parameters, index *clearness) error {
	days := make([]int, 365)
	for i := range days {
		days[i] = i + 1
	}
	bands := make([]geotiff.BandInfo, len(days))
	err := engine.Days(ctx, surface, params, days, p.job.Threads, func(day int, v *solar.Daily) error {
		index.scale(solar.MonthOf(day), v.Global, v.Flat)
		grids := map[string]*raster.Grid[float32]{
			dailyFile("global"): v.Global, dailyFile("flat"): v.Flat, dailyFile("hours"): v.Hours,
			dailyFile(string(param.Beam)): v.Beam, dailyFile(string(param.Diffuse)): v.Diffuse, dailyFile(string(param.Reflected)): v.Reflected,
		}
		for _, q := range radiations(p.job.Request.Parameters) {
			if err := p.files.add(q.daily, bands, day-1, p.window, grids[q.daily].Cells); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return solarError(err)
	}
	return nil
}

// tileFiles are the work files of a tile while its parts come.
type tileFiles struct {
	job     *Job
	dem     *dem.DEM
	tile    record.Tile
	spools  *spools
	writers map[string]*geotiff.Writer
}

func newTileFiles(j *Job, d *dem.DEM, tile record.Tile) *tileFiles {
	return &tileFiles{job: j, dem: d, tile: tile, spools: newSpools(j.Temp), writers: map[string]*geotiff.Writer{}}
}

// add puts the cells of a window of the DEM into a band of a file, which is begun now if it is new.
// Its error is of the kind fault.Unavailable: that there is no room here for temporary files says nothing of the DEM.
func (f *tileFiles) add(name string, bands []geotiff.BandInfo, band int, at raster.Window, cells []float32) error {
	w := f.writers[name]
	if w == nil {
		opts := f.job.Options(f.dem, f.tile.Window, bands)
		opts.Spool, opts.Held = f.spools.open, mapHeld
		var err error
		if w, err = geotiff.NewWriter(opts); err != nil {
			return fault.New(fault.Unavailable, fmt.Errorf("file %s: %w", name, err))
		}
		f.writers[name] = w
	}
	at.Col -= f.tile.Window.Col
	at.Row -= f.tile.Window.Row
	if err := w.WriteWindow(band, at, cells); err != nil {
		return fault.New(fault.Unavailable, fmt.Errorf("file %s: %w", name, err))
	}
	return nil
}

// addAll adds to all bands of a file.
func (f *tileFiles) addAll(name string, bands []geotiff.BandInfo, at raster.Window, grids []*raster.Grid[float32]) error {
	for b, g := range grids {
		if err := f.add(name, bands, b, at, g.Cells); err != nil {
			return err
		}
	}
	return nil
}

// put stores the files, which are whole.
func (f *tileFiles) put(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(f.writers)) {
		if err := f.job.Objects.Put(ctx, tileKey(f.job.Request.ID, f.tile.Task, name), objects.TIFF, f.writers[name].Close); err != nil {
			return err
		}
	}
	return nil
}

func (f *tileFiles) remove() { f.spools.remove() }

// spoolPrefix begins the name of a temporary file.
const spoolPrefix = "eemt-spool-"

// SweepTemp removes the temporary files that killed processes left in a directory, the system's
// place for them if it is empty, and nobody touched since before. It returns how many there
// were. A process at work goes on with the files that it has open.
func SweepTemp(dir string, before time.Time) (int, error) {
	dir = cmp.Or(dir, os.TempDir())
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	removed := 0
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), spoolPrefix) {
			continue
		}
		info, lost := e.Info()
		if lost != nil || !info.ModTime().Before(before) {
			continue
		}
		switch failed := os.Remove(filepath.Join(dir, e.Name())); {
		case failed == nil:
			removed++
		case !errors.Is(failed, fs.ErrNotExist) && !errors.Is(failed, fs.ErrPermission): // gone, or of another user
			err = errors.Join(err, failed)
		}
	}
	return removed, err
}

// spools are the temporary files of some writers.
type spools struct {
	dir   string
	mu    sync.Mutex
	files []*os.File
}

func newSpools(dir string) *spools { return &spools{dir: dir} }

func (s *spools) open() (geotiff.Spool, error) {
	f, err := os.CreateTemp(s.dir, spoolPrefix+"*")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, f)
	return f, nil
}

func (s *spools) remove() {
	for _, f := range s.files {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
	s.files = nil
}
