package crs_test

import (
	"fmt"
	"log"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// A cell of a raster in UTM is placed on the Earth.
func ExampleCRS_Inverse() {
	system, err := crs.FromEPSG(26913)
	if err != nil {
		log.Fatal(err)
	}
	transform := raster.Transform{OriginX: 350000, OriginY: 3980000, StepX: 10, StepY: -10}
	lon, lat := system.Inverse(transform.Center(120, 80))
	fmt.Printf("%s: %.5f %.5f\n", system.Name(), lon, lat)
	// Output:
	// NAD83 / UTM zone 13N: -106.64974 35.94580
}

// A position in degrees is found on the map, with the direction of grid north there.
func ExampleCRS_Forward() {
	system, err := crs.Parse("EPSG:32613")
	if err != nil {
		log.Fatal(err)
	}
	x, y := system.Forward(-106.6, 35.9)
	fmt.Printf("%.1f %.1f, grid north at %.4f radians\n", x, y, system.Convergence(-106.6, 35.9))
	// Output:
	// 355608.1 3974039.4, grid north at -0.0164 radians
}

// The keys of a GeoTIFF state its system; what was assumed of it is said in sentences.
func ExampleFromGeoKeys() {
	system, err := crs.FromGeoKeys(raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 1025: 1, 3072: 26913}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(system.Name(), system.EPSG())
	for _, note := range system.Notes() {
		fmt.Println(note)
	}
	// Output:
	// NAD83 / UTM zone 13N 26913
	// datum NAD83 treated as equal to WGS84 (differs by up to 2 m)
}

// Cells of a raster in degrees are shorter the farther they are from the equator.
func ExampleCRS_CellSizes() {
	system, err := crs.FromEPSG(4326)
	if err != nil {
		log.Fatal(err)
	}
	size := system.CellSizes(raster.Transform{OriginX: -106, OriginY: 75, StepX: 0.001, StepY: -30}, 100, 3)
	for row := range size.DX {
		fmt.Printf("%.2f m\n", size.DX[row])
	}
	// Output:
	// 55.80 m
	// 96.49 m
	// 111.32 m
}
