// Command picture draws the picture of the README from the maps of make run:
//
//	go run ./integration/docs/picture eemt-out docs/images/maungawhau.png
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/preview"
	"github.com/cyverse-gis/eemt/shared/raster"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: picture DIRECTORY_OF_MAPS PICTURE.png")
		os.Exit(2)
	}
	if err := draw(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func draw(ctx context.Context, maps, to string) error {
	relief, cell, err := read(ctx, "examples/maungawhau/dem.tif")
	if err != nil {
		return err
	}
	labels := []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	var grids []*raster.Grid[float32]
	for _, m := range []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"} {
		g, _, err := read(ctx, filepath.Join(maps, "global", "monthly", "total_sun_"+m+"_average.tif"))
		if err != nil {
			return err
		}
		kilo := raster.New[float32](g.Width, g.Height)
		for i, v := range g.Cells {
			kilo.Cells[i] = float32(v / 1000)
		}
		grids = append(grids, kilo)
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	err = preview.Panel(f, grids, labels, preview.Options{
		Title: "Maunga Whau: sun on the ground", Unit: "kWh m-2 d-1", Ramp: "sun",
		Relief: relief, CellSize: cell, MaxSide: 600,
	})
	return errors.Join(err, f.Close())
}

// read returns a raster's first band, with the side of its cells.
func read(ctx context.Context, name string) (*raster.Grid[float64], float64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	img, err := geotiff.Open(f, info.Size())
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", name, err)
	}
	g, err := img.Grid(ctx, 0, img.Bounds())
	return g, img.Transform.StepX, err
}
