package tile

import (
	"context"
	"math"

	"github.com/cyverse-gis/eemt/functions/compute/arithmetic"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/product"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
)

// putLayers writes a tile's work files of the layers on request.
func (p *part) putLayers(ctx context.Context, surface solar.Surface, params solar.Parameters, sun *solar.Monthly) error {
	user := p.job.Request.Parameters
	for layer, monthly := range map[param.Layer]*[12]*raster.Grid[float32]{param.Beam: &sun.Beam, param.Diffuse: &sun.Diffuse, param.Reflected: &sun.Reflected} {
		if !user.Has(layer) {
			continue
		}
		bands, grids := p.sunOf(string(layer), "Wh m-2", monthly)
		if err := p.files.addAll(workfile.LayerFile(layer), bands, p.window, grids); err != nil {
			return err
		}
	}
	params.Shadows = true // both show the terrain, whether or not it shades
	if user.Has(param.SkyView) {
		view, err := solar.SkyView(ctx, surface, params, p.job.Threads)
		if err != nil {
			return solarError(err)
		}
		if err := p.files.addAll(workfile.LayerFile(param.SkyView), []geotiff.BandInfo{{Description: "sky view", Unit: "1"}}, p.window, []*raster.Grid[float32]{view}); err != nil {
			return err
		}
	}
	if user.Has(param.Horizon) {
		return p.putHorizons(ctx, surface, params)
	}
	return nil
}

func (p *part) putHorizons(ctx context.Context, surface solar.Surface, params solar.Parameters) error {
	bands := arithmetic.Bands(product.Map{Bands: product.Keyed("horizon")[0].Bands})
	azimuths := make([]float64, len(bands))
	for i := range azimuths {
		azimuths[i] = float64(i*product.HorizonStep) * math.Pi / 180
	}
	err := solar.Horizons(ctx, surface, params, azimuths, p.job.Threads, func(i int, h *raster.Grid[float32]) error {
		for k, v := range h.Cells {
			h.Cells[k] = v * 180 / math.Pi
		}
		return p.files.add(workfile.LayerFile(param.Horizon), bands, i, p.window, h.Cells)
	})
	if err != nil {
		return solarError(err)
	}
	return nil
}
