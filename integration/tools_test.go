package integration

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/integration/oracle"
	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
)

// station is the climate of the example that ships with the project.
const station = "../examples/maungawhau/climate.csv"

// elsewhere takes that climate where it is not at home.
var elsewhere = []string{"--accept", "climate-place,climate-hemisphere"}

// needGDAL skips, visibly, where GDAL or its Python module is missing.
func needGDAL(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("gdalinfo")
	if err == nil {
		err = exec.Command("/usr/bin/python3", "-c", "from osgeo_utils.samples import validate_cloud_optimized_geotiff").Run()
	}
	if err == nil {
		return
	}
	if os.Getenv("EEMT_REQUIRE_TOOLS") == "1" {
		t.Fatalf("GDAL is missing: %v", err)
	}
	t.Skipf("GDAL is missing: %v", err)
}

// mapsOf lists the GeoTIFFs of a run.
func mapsOf(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	for name := range files(t, dir) {
		if strings.HasSuffix(name, ".tif") {
			list = append(list, filepath.Join(dir, filepath.FromSlash(name)))
		}
	}
	return list
}

// validator prints one line for every file that GDAL's own check finds fault with.
const validator = `
import sys
from osgeo import gdal
from osgeo_utils.samples.validate_cloud_optimized_geotiff import validate
gdal.UseExceptions()
for name in sys.stdin.read().split('\n'):
    if not name: continue
    try:
        warnings, errors, details = validate(name, full_check=True)
    except Exception as e:
        warnings, errors = [], [str(e)]
    for x in list(warnings) + list(errors): print(name, x)
`

// gdalAccepts opens maps with GDAL's COG validator, and every map of so many with gdalinfo -checksum.
func gdalAccepts(t *testing.T, dir string, of int) {
	t.Helper()
	list := mapsOf(t, dir)
	if len(list) < 70 {
		t.Errorf("%d maps in %s", len(list), dir)
	}
	v := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", validator)
	v.Stdin = strings.NewReader(strings.Join(list, "\n"))
	if out, err := v.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("COG validator: %v\n%.2000s", err, out)
	}
	for i, name := range list {
		if i%of != 0 {
			continue
		}
		info := gdalinfo(t, name)
		for _, want := range []string{"Checksum=", "LAYOUT=COG", "NoData Value=nan", "Unit Type:", "STATISTICS_MEAN"} {
			if !strings.Contains(info, want) && (want != "STATISTICS_MEAN" || !strings.Contains(name, "F_BIO")) {
				t.Errorf("gdalinfo %s does not show %s:\n%.1500s", name, want, info)
			}
		}
	}
}

// allIf is 1 where a variable of the environment is set, else 10.
func allIf(variable string) int {
	if os.Getenv(variable) != "" {
		return 1
	}
	return 10
}

func gdalinfo(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "gdalinfo", "-checksum", name).CombinedOutput()
	if err != nil || strings.Contains(string(out), "ERROR") || strings.Contains(string(out), "Warning") {
		t.Errorf("gdalinfo %s: %v\n%.1500s", name, err, out)
	}
	return string(out)
}

func TestGDALAcceptsEveryMap(t *testing.T) {
	needGDAL(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dem.tif"), demtest.Encode(t, demtest.Holes(demtest.Hills(600, 40))), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := filepath.Abs(station)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := command(t, dir, append([]string{
		"run", "eemt", "dem.tif", "--climate", "table:" + table, "--step", "60", "-o", "out", "-q", "--layers", layers,
	}, elsewhere...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	gdalAccepts(t, filepath.Join(dir, "out"), allIf("EEMT_SLOW"))
	info := gdalinfo(t, filepath.Join(dir, "out", "horizon.tif"))
	for _, want := range []string{"Band 36", "Description = azimuth 350", "AZIMUTH_DEGREES=350", "Unit Type: degree", "DESCRIPTION=altitude of the terrain's horizon"} {
		if !strings.Contains(info, want) {
			t.Errorf("gdalinfo horizon.tif does not show %q", want)
		}
	}
	if out, err := command(t, dir, "run", "sol", "dem.tif", "--step", "60", "--daily", "-o", "days", "-q").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"global/daily/total_sun.tif", "global/daily/flat_total_sun.tif", "insol/daily/hours_sun.tif"} {
		info := gdalinfo(t, filepath.Join(dir, "days", name))
		if !strings.Contains(info, "Band 365") || !strings.Contains(info, "Description = day 60, 1 mar") || !strings.Contains(info, " d-1") || !strings.Contains(info, "LAYOUT=COG") {
			t.Errorf("gdalinfo %s does not show 365 days:\n%.1500s", name, info)
		}
	}
	v := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", validator)
	v.Stdin = strings.NewReader(filepath.Join(dir, "days", "global", "daily", "total_sun.tif"))
	if out, err := v.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("COG validator: %v\n%.2000s", err, out)
	}
}

// layers are all maps on request.
const layers = "beam,diffuse,reflected,horizon,skyview"

var checksum = regexp.MustCompile(`Checksum=(\d+)`)

// TestGDALReadsFromServe opens a result by range requests, as QGIS does.
func TestGDALReadsFromServe(t *testing.T) {
	needGDAL(t)
	s := serve(t, t.TempDir())
	id := s.submit(t, demtest.Encode(t, demtest.Hills(700, 60)), map[string]string{"step": "60"})
	if !s.wait(t, id, time.Minute) {
		t.Fatal("the job does not end")
	}
	const name = "global/annual/total_sun_sum.tif"
	local := filepath.Join(t.TempDir(), "local.tif")
	if err := os.WriteFile(local, s.results(t, id)[name], 0o600); err != nil {
		t.Fatal(err)
	}
	want, got := gdalinfo(t, local), gdalinfo(t, "/vsicurl/"+s.url+"/jobs/"+id+"/results/"+name)
	a, b := checksum.FindString(want), checksum.FindString(got)
	if a == "" || a != b {
		t.Errorf("checksum over HTTP is %q, of the file %q\n%s", b, a, got)
	}
}

// TestRealTerrain runs both workflows on real DEMs: 10 m UTM, 1/3 arc second
// degrees, 30 m UTM in the Alps, Albers.
func TestRealTerrain(t *testing.T) {
	if os.Getenv("EEMT_SLOW") != "1" {
		t.Skip("minutes of work; set EEMT_SLOW=1")
	}
	needGDAL(t)
	shared := reference.Data(t)
	table, err := filepath.Abs(station)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mcn_10m", "bigtujunga", "oetztal", "mammoth_albers"} {
		found, err := filepath.Glob(filepath.Join(shared, "data", name, "*.tif"))
		if err != nil || len(found) == 0 {
			t.Errorf("%s: no DEM (%v)", name, err)
			continue
		}
		for _, workflow := range []string{"sol", "eemt"} {
			t.Run(fmt.Sprint(name, " ", workflow), func(t *testing.T) {
				dir := t.TempDir()
				args := []string{"run", workflow, found[0], "--step", "60", "-o", "out", "--layers", layers}
				if workflow == "eemt" {
					args = append(append(args, "--climate", "table:"+table), elsewhere...)
				}
				begun := time.Now()
				out, err := command(t, dir, args...).CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				t.Logf("%s in %v\n%s", filepath.Base(found[0]), time.Since(begun).Round(100*time.Millisecond), out)
				gdalAccepts(t, filepath.Join(dir, "out"), allIf("EEMT_NIGHTLY"))
			})
		}
	}
}

// TestRealTerrainInTiles computes real terrain as one tile with one thread,
// as 16 tiles with eight, and compares every map.
func TestRealTerrainInTiles(t *testing.T) {
	dem := filepath.Join(reference.Data(t), "data", "mcn_10m", "mcn_10m.tif")
	table, err := filepath.Abs(station)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for out, flags := range map[string][]string{
		"whole": {"--tile-size", "4096", "--num-threads", "1"},
		"tiles": {"--tile-size", "64", "--num-threads", "8"},
	} {
		args := append([]string{"run", "eemt", dem, "--climate", "table:" + table, "--step", "60", "-o", out}, append(flags, elsewhere...)...)
		if msg, err := command(t, dir, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, msg)
		}
	}
	names := mapsOf(t, filepath.Join(dir, "whole"))
	if len(names) != 188 {
		t.Fatalf("%d maps, want 188", len(names))
	}
	for _, name := range names {
		relative, err := filepath.Rel(filepath.Join(dir, "whole"), name)
		if err != nil {
			t.Fatal(err)
		}
		want := oracle.Open(t, name)
		got := oracle.Open(t, filepath.Join(dir, "tiles", relative))
		for i, w := range want.Cells {
			g := got.Cells[i]
			if math.IsNaN(w) != math.IsNaN(g) || math.Abs(g-w) > 1e-6*math.Abs(w) {
				t.Errorf("%s: cell %d is %v in 16 tiles, %v in one", relative, i, g, w)
				break
			}
		}
	}
}
