package geotiff_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// A window of a file is read; cells without data are NaN.
func ExampleOpen() {
	f, err := os.Open(filepath.Join("testdata", "int16_lzw_tiled.tif"))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		panic(err)
	}
	m, err := geotiff.Open(f, info.Size())
	if err != nil {
		panic(err)
	}
	fmt.Printf("%d x %d cells of %s in %d bands, %s\n", m.Width, m.Height, m.Type, m.Bands, m.Compression)
	g, err := m.Grid(context.Background(), 0, raster.Window{Col: 3, Row: 2, Width: 4, Height: 2})
	if err != nil {
		panic(err)
	}
	fmt.Println(g.Cells)
	// Output:
	// 21 x 17 cells of Int16 in 2 bands, LZW
	// [28 25 29 33 27 32 30 NaN]
}

// A raster of 3 x 2 cells is written as a cloud-optimised file and read back.
func ExampleWrite() {
	g := raster.New[float32](3, 2)
	copy(g.Cells, []float32{2310, 2312.5, 2316, 2308, 2309.5, 2313})
	var file bytes.Buffer
	err := geotiff.Write(&file, geotiff.Options{
		Transform: raster.Transform{OriginX: 350000, OriginY: 3980000, StepX: 10, StepY: -10},
		GeoKeys:   raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 1025: 1, 3072: 26913}},
		Bands:     []geotiff.BandInfo{{Description: "elevation", Unit: "m"}},
	}, g)
	if err != nil {
		log.Fatal(err)
	}
	m, err := geotiff.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		log.Fatal(err)
	}
	back, err := m.Grid(context.Background(), 0, m.Bounds())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Band(0).Description, back.Cells, m.Band(0).Unit)
	fmt.Println("EPSG:", m.GeoKeys.Shorts[3072], "cells of", m.Transform.StepX, "m")
	// Output:
	// elevation [2310 2312.5 2316 2308 2309.5 2313] m
	// EPSG: 26913 cells of 10 m
}
