package climate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
)

func onDisk(_ context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, nil, err
	}
	return f, info.Size(), f, nil
}

func run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	c := exec.Command(reference.Program(t, name), args...)
	c.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, stderr.String())
	}
	return string(out)
}

// Rasters made by GDAL in Daymet's projection, Float32 with a nodata value,
// tiled, in metres and in kilometres, against the bilinear samples of
// gdalwarp at the same places. Both round to float32: tolerance 1e-5 of a value.
func TestRastersAgainstGDAL(t *testing.T) {
	reference.Program(t, "gdalwarp")
	for name, c := range map[string]struct {
		units string
		size  float64
	}{"metres": {"m", 1000}, "kilometres": {"km", 1}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lcc := "+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +x_0=0 +y_0=0 +datum=WGS84 +units=" + c.units + " +no_defs"
			const width, height = 24, 20
			x0, y0 := -1020*c.size, -1080*c.size
			for v, variable := range variables {
				for month := range Months {
					var ascii strings.Builder
					fmt.Fprintf(&ascii, "ncols %d\nnrows %d\nxllcorner %g\nyllcorner %g\ncellsize %g\nNODATA_value -9999\n", width, height, x0, y0-height*c.size, c.size)
					for r := range height {
						for col := range width {
							x := [...]float64{2, 14, 60, 800}[v] + float64(month) + 3*math.Sin(float64(col)*0.7+float64(r*v))
							if r == 0 && col == 0 {
								x = -9999
							}
							fmt.Fprintf(&ascii, "%.4f ", x)
						}
						ascii.WriteByte('\n')
					}
					write(t, filepath.Join(dir, fmt.Sprintf("%s%02d.asc", variable.name, month)), ascii.String())
				}
				args := []string{"-separate", "-a_srs", lcc, filepath.Join(dir, variable.name+".vrt")}
				for month := range Months {
					args = append(args, filepath.Join(dir, fmt.Sprintf("%s%02d.asc", variable.name, month)))
				}
				run(t, "", "gdalbuildvrt", args...)
				run(t, "", "gdal_translate", "-q", "-ot", "Float32", "-co", "TILED=YES", "-co", "BLOCKXSIZE=16", "-co", "BLOCKYSIZE=16", "-co", "COMPRESS=DEFLATE", "-co", "PREDICTOR=3",
					filepath.Join(dir, variable.name+".vrt"), filepath.Join(dir, variable.name+"_2019.tif"))
			}
			// Mean elevations could be anything here: that of the first month of vp.
			run(t, "", "gdal_translate", "-q", "-b", "1", "-co", "BIGTIFF=YES", "-co", "ENDIANNESS=BIG", filepath.Join(dir, "vp_2019.tif"), filepath.Join(dir, "z.tif"))
			// A UTM grid inside; gdalwarp samples the centres bilinearly.
			const n, step, utmX, utmY = 20, 300.0, 500000.0, 3505000.0
			extent := []string{
				"-q", "-overwrite", "-t_srs", "EPSG:32612", "-r", "bilinear", "-et", "0", "-of", "ENVI", "-ot", "Float32",
				"-te", ftoa(utmX), ftoa(utmY - n*step), ftoa(utmX + n*step), ftoa(utmY), "-tr", ftoa(step), ftoa(step),
			}
			var points strings.Builder
			for r := range n {
				for col := range n {
					fmt.Fprintf(&points, "%.3f %.3f\n", utmX+(float64(col)+0.5)*step, utmY-(float64(r)+0.5)*step)
				}
			}
			lonlat := strings.Fields(run(t, points.String(), "gdaltransform", "-s_srs", "EPSG:32612", "-t_srs", "+proj=longlat +datum=WGS84", "-output_xy"))
			var cells Cells
			for i := 0; i < len(lonlat); i += 2 {
				cells.Lon = append(cells.Lon, atof(t, lonlat[i]))
				cells.Lat = append(cells.Lat, atof(t, lonlat[i+1]))
			}
			source, err := Open(context.Background(), parse(t, "raster:"+dir+"/{var}_{year}.tif", filepath.Join(dir, "z.tif")), onDisk)
			if err != nil {
				t.Fatal(err)
			}
			m, err := source.Months(context.Background(), 2019, cells)
			if err != nil {
				t.Fatal(err)
			}
			var worst float64
			for v, series := range m.series() {
				out := filepath.Join(dir, "out.bin")
				run(t, "", "gdalwarp", append(extent[:len(extent):len(extent)], filepath.Join(dir, variables[v].name+"_2019.tif"), out)...)
				bands := floats(t, out)
				for month := range Months {
					for i := range n * n {
						got, want := series[month][i], bands[month*n*n+i]
						worst = max(worst, math.Abs(got-want)/math.Abs(want))
					}
				}
			}
			for i, z := range m.ZRef {
				worst = max(worst, math.Abs(z-m.VP[0][i])/z)
			}
			t.Logf("largest relative difference to gdalwarp: %.2g", worst)
			if !(worst < 1e-5) {
				t.Errorf("largest relative difference to gdalwarp %g, allowed 1e-5", worst)
			}
		})
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func ftoa(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func atof(t *testing.T, s string) float64 {
	t.Helper()
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// floats reads little-endian float32 numbers.
func floats(t *testing.T, name string) []float64 {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float64, len(b)/4)
	for i := range out {
		out[i] = float64(math.Float32frombits(uint32(b[4*i]) | uint32(b[4*i+1])<<8 | uint32(b[4*i+2])<<16 | uint32(b[4*i+3])<<24))
	}
	return out
}
