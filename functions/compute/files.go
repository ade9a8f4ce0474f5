package compute

import (
	"context"
	"os"
	"sync"

	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
)

// workOptions are for files that only this package reads: quick to write.
func (s *Service) workOptions(d *dem.DEM, w raster.Window, bands []geotiff.BandInfo) geotiff.Options {
	return geotiff.Options{
		Width: w.Width, Height: w.Height, Transform: d.Image.Transform.Sub(w), GeoKeys: d.Image.GeoKeys,
		Bands: bands, Compression: geotiff.ZSTD, Level: 1, BlockSize: workBlock, Software: s.software(), Plain: true,
	}
}

// workBlock is the side of the blocks of work files. Tiles begin and end at
// multiples of it, so that maps made in strips of this height decode each once.
const workBlock = 128

// resultOptions are for a map that users get.
func (s *Service) resultOptions(d *dem.DEM, m mapInfo, block int, spool func() (geotiff.Spool, error)) geotiff.Options {
	return geotiff.Options{
		Width: d.Image.Width, Height: d.Image.Height, Transform: d.Image.Transform, GeoKeys: d.Image.GeoKeys,
		Bands: m.bandInfos(), Metadata: m.metadata(), BlockSize: block,
		Overviews: true, Software: s.software(), Spool: spool, Held: mapHeld,
	}
}

// resultBlock is the side of the blocks of maps. Where tiles lie in blocks of
// their own size, each block of a map is then made of one block of tiles.
func resultBlock(plan *job.Plan) int {
	const usual, least, most = 512, 256, 1024
	if f := plan.Far; f != nil && f.Block%16 == 0 && f.Block >= least && f.Block <= most {
		return f.Block
	}
	return usual
}

func (s *Service) software() string { return "eemt " + s.Version }

func dailyFile(layer string) string { return dailyPrefix + layer + ".tif" }

// putDaily writes one work file per quantity, a band for each day. index is the
// clear-sky index, nil for a clear sky.
func (p *piece) putDaily(ctx context.Context, d *dem.DEM, tile job.Tile, engine solar.Engine, surface solar.Surface, params solar.Parameters, index *clearness) error {
	days := make([]int, 365)
	for i := range days {
		days[i] = i + 1
	}
	quantities := radiations(p.request.Parameters)
	spools := newSpools(p.Temp)
	defer spools.remove()
	writers := make([]*geotiff.Writer, len(quantities))
	for i := range writers {
		opts := p.workOptions(d, tile.Window, make([]geotiff.BandInfo, len(days)))
		opts.Spool = spools.open
		var err error
		if writers[i], err = geotiff.NewWriter(opts); err != nil {
			return err
		}
	}
	err := engine.Days(ctx, surface, params, days, p.Threads, func(day int, v *solar.Daily) error {
		index.scale(solar.MonthOf(day), v.Global, v.Flat)
		grids := map[string]*raster.Grid[float32]{
			dailyFile("global"): v.Global, dailyFile("flat"): v.Flat, dailyFile("hours"): v.Hours,
			dailyFile(string(job.Beam)): v.Beam, dailyFile(string(job.Diffuse)): v.Diffuse, dailyFile(string(job.Reflected)): v.Reflected,
		}
		for i, q := range quantities {
			if err := writers[i].WriteRows(day-1, grids[q.daily].Cells); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return p.solarError(err)
	}
	for i, q := range quantities {
		if err := p.put(ctx, tileKey(p.request.ID, tile.Task, q.daily), tiffType, writers[i].Close); err != nil {
			return err
		}
	}
	return nil
}

// spools are the temporary files of some writers.
type spools struct {
	dir   string
	mu    sync.Mutex
	files []*os.File
}

func newSpools(dir string) *spools { return &spools{dir: dir} }

func (s *spools) open() (geotiff.Spool, error) {
	f, err := os.CreateTemp(s.dir, "eemt-spool-*")
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
}
