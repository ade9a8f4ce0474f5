package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/geotiff"
)

// TestGDALReadsTilesAndValues holds values at places against gdallocationinfo, and
// reads the tiles through GDAL's own driver for them.
func TestGDALReadsTilesAndValues(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	needGDAL(t)
	s := serve(t, t.TempDir())
	id := s.submit(t, demtest.Encode(t, demtest.Hills(60, 50)), map[string]string{"workflow_type": "sol", "step": "60"})
	if !s.wait(t, id, 2*time.Minute) {
		t.Fatalf("job does not end:\n%s", s.log)
	}
	const layer = "global/annual/total_sun_sum.tif"
	var tiles struct {
		Tiles            []string
		Bounds           [4]float64
		MinZoom, MaxZoom int
	}
	read := func(path string, to any) {
		t.Helper()
		status, body := s.get(t, path)
		if err := json.Unmarshal(body, to); err != nil || status != 200 {
			t.Fatalf("%s: %d %s", path, status, body)
		}
	}
	read("/jobs/"+id+"/tiles", &tiles)
	b := tiles.Bounds
	raster := "/vsicurl/" + s.url + "/jobs/" + id + "/results/" + layer
	for i := range 25 {
		lon, lat := b[0]+(b[2]-b[0])*(0.05+0.9*float64(i%5)/4), b[1]+(b[3]-b[1])*(0.05+0.9*float64(i/5)/4)
		var got struct{ Values []struct{ Value *float64 } }
		read(fmt.Sprintf("/jobs/%s/value?lon=%.10f&lat=%.10f", id, lon, lat), &got)
		out, err := exec.Command("gdallocationinfo", "-wgs84", "-valonly", raster, fmt.Sprintf("%.10f", lon), fmt.Sprintf("%.10f", lat)).Output()
		if err != nil {
			t.Fatalf("gdallocationinfo: %v", err)
		}
		want, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			t.Fatalf("gdallocationinfo printed %q", out)
		}
		v := got.Values[0].Value
		if math.IsNaN(want) != (v == nil) || v != nil && math.Abs(*v-want) > 1e-3*math.Abs(want) {
			t.Errorf("at %.6f, %.6f: %v, gdallocationinfo %g", lon, lat, v, want)
		}
	}
	dir := t.TempDir()
	xml := filepath.Join(dir, "tiles.xml")
	address := strings.NewReplacer("{z}", "${z}", "{x}", "${x}", "{y}", "${y}", "&", "&amp;").Replace(tiles.Tiles[0])
	err := os.WriteFile(xml, fmt.Appendf(nil, `<GDAL_WMS><Service name="TMS"><ServerUrl>%s</ServerUrl></Service>
<DataWindow><UpperLeftX>-20037508.34</UpperLeftX><UpperLeftY>20037508.34</UpperLeftY><LowerRightX>20037508.34</LowerRightX><LowerRightY>-20037508.34</LowerRightY>
<TileLevel>%d</TileLevel><TileCountX>1</TileCountX><TileCountY>1</TileCountY><YOrigin>top</YOrigin></DataWindow>
<Projection>EPSG:3857</Projection><BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>4</BandsCount></GDAL_WMS>`, address, tiles.MaxZoom), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	drawn := filepath.Join(dir, "drawn.tif")
	if out, err := exec.Command("gdal_translate", "-q", "-projwin_srs", "EPSG:4326", "-projwin", fmt.Sprint(b[0]), fmt.Sprint(b[3]), fmt.Sprint(b[2]), fmt.Sprint(b[1]), xml, drawn).CombinedOutput(); err != nil {
		t.Fatalf("gdal_translate: %v\n%s", err, out)
	}
	data, err := os.ReadFile(drawn)
	if err != nil {
		t.Fatal(err)
	}
	img, err := geotiff.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil || img.Bands != 4 {
		t.Fatalf("%v %+v", err, img)
	}
	red, err := img.Grid(t.Context(), 0, img.Bounds())
	if err != nil {
		t.Fatal(err)
	}
	alpha, err := img.Grid(t.Context(), 3, img.Bounds())
	if err != nil {
		t.Fatal(err)
	}
	opaque, colours := 0, map[float64]bool{}
	for i, a := range alpha.Cells {
		if a > 0 {
			opaque++
			colours[red.Cells[i]] = true
		}
	}
	if opaque < len(alpha.Cells)/2 || len(colours) < 20 {
		t.Errorf("%d of %d pixels are drawn, in %d reds", opaque, len(alpha.Cells), len(colours))
	}
}

// TestGDALReadsItems opens a map by the STAC item of its job, through GDAL's own driver for items.
func TestGDALReadsItems(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	needGDAL(t)
	s := serve(t, t.TempDir())
	id := s.submit(t, demtest.Encode(t, demtest.Hills(60, 50)), map[string]string{"workflow_type": "sol", "step": "60"})
	if !s.wait(t, id, 2*time.Minute) {
		t.Fatalf("job does not end:\n%s", s.log)
	}
	type info struct {
		Size         [2]int
		GeoTransform [6]float64
		Metadata     map[string]map[string]string
		Bands        []struct{ Minimum, Maximum, Mean float64 }
	}
	read := func(name string) info {
		t.Helper()
		out, err := exec.Command("gdalinfo", "-json", "-stats", name).CombinedOutput()
		var i info
		if err == nil {
			err = json.Unmarshal(out, &i)
		}
		if err != nil {
			t.Fatalf("gdalinfo %s: %v\n%s", name, err, out)
		}
		return i
	}
	items := fmt.Sprintf(`STACIT:"/vsicurl/%s/stac/collections/sol/items?ids=%s"`, s.url, id)
	if n := len(read(items).Metadata["SUBDATASETS"]); n < 2*80 {
		t.Errorf("%d maps in the item", n/2)
	}
	for asset, file := range map[string]string{"total_sun_sum": "global/annual/total_sun_sum.tif", "slope_dec": "slope_dec.tif", "hours_sun_jul_average": "insol/monthly/hours_sun_jul_average.tif"} {
		got, want := read(items+":asset="+asset), read("/vsicurl/"+s.url+"/jobs/"+id+"/results/"+file)
		if got.Size != want.Size || got.GeoTransform != want.GeoTransform || len(got.Bands) != 1 || got.Bands[0] != want.Bands[0] || want.Bands[0].Maximum <= want.Bands[0].Minimum {
			t.Errorf("%s: %+v, the file %+v", asset, got, want)
		}
	}
}
