package compute

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
)

// layerFile is the work file of a layer on request.
func layerFile(l job.Layer) string { return string(l) + ".tif" }

// horizonStep is the angle between the azimuths of the horizon map, degrees.
const horizonStep = 10

func horizonBands() []geotiff.BandInfo {
	bands := make([]geotiff.BandInfo, 360/horizonStep)
	for i := range bands {
		bands[i] = geotiff.BandInfo{
			Description: fmt.Sprintf("azimuth %03d", i*horizonStep), Unit: "degree",
			Metadata: map[string]string{"AZIMUTH_DEGREES": fmt.Sprint(i * horizonStep)},
		}
	}
	return bands
}

// metadata describes a map of several bands as a whole.
func (m mapInfo) metadata() map[string]string {
	if m.bands == nil {
		return nil
	}
	return map[string]string{"DESCRIPTION": m.description}
}

// putLayers writes a tile's work files of the layers on request.
func (p *piece) putLayers(ctx context.Context, d *dem.DEM, tile job.Tile, surface solar.Surface, params solar.Parameters, sun *solar.Monthly) error {
	user := p.request.Parameters
	for layer, grids := range map[job.Layer]*[12]*raster.Grid[float32]{job.Beam: &sun.Beam, job.Diffuse: &sun.Diffuse, job.Reflected: &sun.Reflected} {
		if !user.Has(layer) {
			continue
		}
		bands := make([]geotiff.BandInfo, 12)
		for m := range bands {
			bands[m] = geotiff.BandInfo{Description: string(layer) + " " + months[m], Unit: "Wh m-2" + perMonth}
		}
		if err := p.putGrids(ctx, d, tile, layerFile(layer), bands, grids[:]); err != nil {
			return err
		}
	}
	params.Shadows = true // both show the terrain, whether or not it shades
	if user.Has(job.SkyView) {
		view, err := solar.SkyView(ctx, surface, params, p.Threads)
		if err != nil {
			return p.solarError(err)
		}
		if err := p.putGrids(ctx, d, tile, layerFile(job.SkyView), []geotiff.BandInfo{{Description: "sky view", Unit: "1"}}, []*raster.Grid[float32]{view}); err != nil {
			return err
		}
	}
	if user.Has(job.Horizon) {
		return p.putHorizons(ctx, d, tile, surface, params)
	}
	return nil
}

func (p *piece) putGrids(ctx context.Context, d *dem.DEM, tile job.Tile, name string, bands []geotiff.BandInfo, grids []*raster.Grid[float32]) error {
	return p.put(ctx, tileKey(p.request.ID, tile.Task, name), tiffType, func(w io.Writer) error {
		return geotiff.Write(w, p.workOptions(d, tile.Window, bands), grids...)
	})
}

func (p *piece) putHorizons(ctx context.Context, d *dem.DEM, tile job.Tile, surface solar.Surface, params solar.Parameters) error {
	bands := horizonBands()
	azimuths := make([]float64, len(bands))
	for i := range azimuths {
		azimuths[i] = float64(i*horizonStep) * math.Pi / 180
	}
	spools := newSpools(p.Temp)
	defer spools.remove()
	opts := p.workOptions(d, tile.Window, bands)
	opts.Spool = spools.open
	w, err := geotiff.NewWriter(opts)
	if err != nil {
		return err
	}
	err = solar.Horizons(ctx, surface, params, azimuths, p.Threads, func(i int, h *raster.Grid[float32]) error {
		for k, v := range h.Cells {
			h.Cells[k] = v * 180 / math.Pi
		}
		return w.WriteRows(i, h.Cells)
	})
	if err != nil {
		return p.solarError(err)
	}
	return p.put(ctx, tileKey(p.request.ID, tile.Task, layerFile(job.Horizon)), tiffType, w.Close)
}
