package docs_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// The refusals of the guide are the program's words, with the exit codes it tells of.
func TestRefusals(t *testing.T) {
	bin, dir := build(t), workspace(t)
	guide := read(t, "docs/guide.md")
	utm, err := crs.FromEPSG(32613)
	if err != nil {
		t.Fatal(err)
	}
	nodata := -32768.0
	write := func(name string, keys raster.GeoKeys, at raster.Transform, cells map[int]float32) {
		g := raster.New[float32](8, 9)
		for i := range g.Cells {
			g.Cells[i] = 2000
		}
		for i, v := range cells {
			g.Cells[i] = v
		}
		var b bytes.Buffer
		if err := geotiff.Write(&b, geotiff.Options{Width: 8, Height: 9, GeoKeys: keys, Transform: at}, g); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	here := raster.Transform{OriginX: 352000, OriginY: 3964000, StepX: 10, StepY: -10}
	write("nowhere.tif", raster.GeoKeys{}, raster.Transform{}, nil)
	write("nosystem.tif", raster.GeoKeys{}, here, nil)
	write("mines.tif", raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 3072: 22300}}, here, nil)
	write("undeclared.tif", utm.GeoKeys(), here, map[int]float32{7*8 + 4: float32(nodata)})
	for name, text := range map[string]string{
		"x.csv":    "month,tmin,tmax,prcp,vp\n",
		"hot.csv":  "# name: x\n# elevation_m: 7\nmonth,tmin,tmax,prcp,vp\n1,5,9,20,700\n2,5,99,20,700\n",
		"lost.csv": strings.Replace(read(t, "examples/maungawhau/climate.csv"), "# elevation_m", "# height", 1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"run sol dem.tif --step 90", "step 90: must be 1 to 60 minutes", 2},
		{"run sol dem.tif --kc 0.1", "kc 0.1: must be 0.2 to 1", 2},
		{"run sol dem.tif --layers moon", `layer "moon": must be among`, 2},
		{"run sol dem.tif --kd undeclared.tif", "does not lie under the DEM", 1},
		{"run eemt dem.tif", "climate is missing", 2},
		{"run eemt dem.tif --climate x.csv", `climate "x.csv": must be "table:FILE.csv"`, 2},
		{"run eemt dem.tif --climate table:hot.csv", "line 5, column tmax:", 1},
		{"run eemt dem.tif --climate table:lost.csv", "elevation of the station is missing", 1},
		{"run sol station.csv", "not a TIFF file: it is a ", 1},
		{"run sol nowhere.tif", "the DEM has no georeferencing", 1},
		{"run sol nosystem.tif", "the DEM has no coordinate reference system", 1},
		{"run sol mines.tif", "is not supported", 1},
		{"run sol undeclared.tif", "elevation -32768 m at column 4, row 7, ", 1},
	} {
		t.Run(c.args, func(t *testing.T) {
			if !strings.Contains(guide, c.want) {
				t.Errorf("docs/guide.md says nothing of %q", c.want)
			}
			p := exec.Command(filepath.Join(bin, "eemt"), strings.Fields(c.args)...)
			p.Dir = dir
			out, err := p.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != c.code || !strings.Contains(string(out), c.want) {
				t.Errorf("%v, want exit code %d; printed %q, want %q", err, c.code, out, c.want)
			}
		})
	}
}
