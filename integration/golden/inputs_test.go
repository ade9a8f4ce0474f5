package golden

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// terrain is the elevation, in metres, of a cell of a DEM that is made by a formula: ridges, a valley that runs out of
// the map, and a cone high enough to cast far shadows.
func terrain(col, row, width, height int) float64 {
	x, y := float64(col)/float64(width), float64(row)/float64(height)
	ridges := 60*math.Sin(11*x+3*y) + 35*math.Cos(17*y-5*x)
	valley := 180 * (1 - y) * math.Abs(x-0.5-0.1*math.Sin(7*y))
	cone := 400 * math.Exp(-40*((x-0.7)*(x-0.7)+(y-0.3)*(y-0.3)))
	return math.Round(100*(900+ridges+valley+cone+120*(1-y))) / 100
}

// grid describes an ESRI ASCII grid.
type grid struct {
	width, height int
	west, south   float64
	cell          float64
	scale         float64 // elevations are multiplied by it
	hole          bool    // some cells are missing
}

func (g grid) write(t *testing.T, file string) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "ncols %d\nnrows %d\nxllcorner %v\nyllcorner %v\ncellsize %v\nNODATA_value -9999\n", g.width, g.height, g.west, g.south, g.cell)
	for row := range g.height {
		for col := range g.width {
			z := g.scale * terrain(col, row, g.width, g.height)
			if g.hole && (col-20)*(col-20)+(row-30)*(row-30) < 60 || g.hole && col > 42 && row > 44 {
				z = -9999
			}
			fmt.Fprintf(&b, "%.2f ", z)
		}
		b.WriteByte('\n')
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// station is a climate with a season, of three years, beside the DEM in UTM zone 13.
func station(years ...int) string {
	var b strings.Builder
	b.WriteString("# name: made up\n# elevation_m: 800\n# latitude: 39.7\n# longitude: -105.0\n")
	b.WriteString("year,month,tmin,tmax,prcp,vp\n")
	for _, y := range years {
		for m := 1; m <= 12; m++ {
			s := math.Cos(2 * math.Pi * float64(m-7) / 12)
			fmt.Fprintf(&b, "%d,%d,%.1f,%.1f,%.0f,%.0f\n", y, m, -4+9*s+0.3*float64(y%5), 8+11*s, 45+20*math.Sin(float64(m+y)), 520+300*s)
		}
	}
	return b.String()
}

// pixel is a year of days as Daymet's single-pixel service gives it, but with temperatures in kelvin.
func pixel(year int) string {
	var b strings.Builder
	b.WriteString("Latitude: 39.7  Longitude: -105.0\nElevation: 1200 meters\n")
	b.WriteString("year,yday,dayl (s),prcp (mm/day),srad (W/m^2),swe (kg/m^2),tmax (deg c),tmin (deg c),vp (Pa)\n")
	for day := 1; day <= 365; day++ {
		s := math.Cos(2 * math.Pi * float64(day-200) / 365)
		fmt.Fprintf(&b, "%d,%d,%.0f,%d,%.1f,0,%.2f,%.2f,%.0f\n", year, day, 43200+9000*s, day%5, 300+90*s, 281.15+11*s, 269.15+9*s, 520+300*s)
	}
	return b.String()
}

// degrees writes a GeoTIFF over the DEM in degrees: bands of value(band, longitude, latitude).
func degrees(t *testing.T, file string, bands int, value func(band int, lon, lat float64) float64) {
	t.Helper()
	at := raster.Transform{OriginX: -105.1, OriginY: 39.85, StepX: 0.01, StepY: -0.01}
	grids := make([]*raster.Grid[float64], bands)
	for b := range grids {
		grids[b] = raster.New[float64](25, 25)
		for i := range grids[b].Cells {
			lon, lat := at.Center(i%25, i/25)
			grids[b].Cells[i] = value(b, lon, lat)
		}
	}
	tiff(t, file, at, raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}, grids...)
}

// utm writes the terrain as a GeoTIFF, which a job reads from a bucket.
func (g grid) utm(t *testing.T, file string) {
	t.Helper()
	z := raster.New[float64](g.width, g.height)
	for i := range z.Cells {
		z.Cells[i] = terrain(i%g.width, i/g.width, g.width, g.height)
	}
	at := raster.Transform{OriginX: g.west, OriginY: g.south + g.cell*float64(g.height), StepX: g.cell, StepY: -g.cell}
	tiff(t, file, at, raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 1025: 1, 3072: 32613}}, z)
}

func tiff(t *testing.T, file string, at raster.Transform, keys raster.GeoKeys, grids ...*raster.Grid[float64]) {
	t.Helper()
	var out bytes.Buffer
	if err := geotiff.Write(&out, geotiff.Options{Transform: at, GeoKeys: keys, Type: geotiff.Float64}, grids...); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// inputs writes all that the jobs read into a directory.
func inputs(t *testing.T, dir string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	utm := grid{width: 60, height: 56, west: 500000, south: 4394000, cell: 30, scale: 1}
	utm.write(t, at("utm.asc"))
	holes := utm
	holes.hole = true
	holes.write(t, at("holes.asc"))
	feet := utm
	feet.scale = 1 / 0.3048
	feet.write(t, at("feet.asc"))
	grid{width: 48, height: 48, west: -105, south: 39.69, cell: 1. / 3600, scale: 1}.write(t, at("degrees.asc"))
	south := utm
	south.south = 6000000
	south.write(t, at("south.asc"))
	large := grid{width: 120, height: 110, west: 500000, south: 4394000, cell: 10, scale: 1}
	large.write(t, at("large.asc"))
	large.utm(t, at("large.tif"))
	missing, err := os.ReadFile(at("holes.asc"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		// Holes of a value that the file does not declare.
		"voids.asc": strings.ReplaceAll(string(missing), "-9999.00", "-500.00"), "pixel.csv": pixel(2020),
		"station.csv": station(2018, 2019, 2020), "normals.csv": strings.ReplaceAll(strings.Replace(station(2020), "year,", "", 1), "2020,", ""),
	} {
		if err := os.WriteFile(at(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	degrees(t, at("linke.tif"), 12, func(m int, lon, lat float64) float64 {
		return 2.5 + 0.1*float64(m%6) + 2*(lon+105) + lat - 39.7
	})
	degrees(t, at("albedo.tif"), 1, func(_ int, lon, _ float64) float64 { return 0.2 + (lon + 105) })
	degrees(t, at("kb.tif"), 12, func(m int, _, lat float64) float64 { return 0.6 + 0.02*float64(m) - (lat - 39.7) })
	degrees(t, at("elevation.tif"), 1, func(_ int, lon, lat float64) float64 { return 1000 + 500*(lon+105) + 300*(lat-39.7) })
	for year := 2019; year <= 2020; year++ {
		for variable, v := range map[string]func(m int) float64{
			"tmin": func(m int) float64 { return -5 + 9*math.Cos(2*math.Pi*float64(m-6)/12) },
			"tmax": func(m int) float64 { return 7 + 11*math.Cos(2*math.Pi*float64(m-6)/12) },
			"prcp": func(m int) float64 { return 50 + 3*float64(m) + float64(year-2018) },
			"vp":   func(m int) float64 { return 500 + 300*math.Cos(2*math.Pi*float64(m-6)/12) },
		} {
			degrees(t, at(fmt.Sprintf("climate/%s_%d.tif", variable, year)), 12, func(m int, lon, lat float64) float64 {
				return v(m) + (lon + 105) - (lat - 39.7)
			})
		}
	}
}
