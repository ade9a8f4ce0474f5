package submission_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// mapped is a completed job with maps of which each cell holds its own number, plus
// 1000 times the month.
func mapped(t *testing.T, s *service) string {
	t.Helper()
	id := s.submit(t)
	write := func(name string, plus float64) {
		var b bytes.Buffer
		narrow := raster.New[float32](12, 10)
		for i := range narrow.Cells {
			narrow.Cells[i] = float32(float64(i) + plus)
		}
		if err := geotiff.Write(&b, geotiff.Options{
			Width: 12, Height: 10, Transform: demtest.Transform(), GeoKeys: demtest.UTM(), Overviews: true,
			Bands: []geotiff.BandInfo{{Description: "global radiation", Unit: "Wh m-2 yr-1"}},
		}, narrow); err != nil {
			t.Fatal(err)
		}
		s.put(t, job.ResultKey(id, name), b.String())
	}
	for _, name := range []string{"global/annual/total_sun_sum.tif", "slope_dec.tif", "aspect_dec.tif", "aspect_rad.tif", "skyview.tif", "catchment.tif", "eemt/F_BIO_Topo_2020.tif", "other.tif"} {
		write(name, 0)
	}
	for i, m := range []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"} {
		write("global/monthly/total_sun_"+m+"_sum.tif", 1000*float64(i+1))
	}
	s.end(t, id, job.Completed)
	return id
}

func TestTiles(t *testing.T) {
	s := newService(t, nil)
	id := mapped(t, s)
	m := s.get(t, "/jobs/"+id+"/tiles?ramp=viridis").json(t)
	tiles, _ := m["tiles"].([]any)
	bounds, _ := m["bounds"].([]any)
	if m["tilejson"] != "3.0.0" || len(tiles) != 1 || m["unit"] != "Wh m-2 yr-1" || m["min"] != 0.0 || m["max"] != 119.0 {
		t.Fatalf("%v", m)
	}
	z, _ := m["maxzoom"].(float64)
	_, query, _ := strings.Cut(tiles[0].(string), "?")
	at := "/jobs/" + id + tileOver(bounds, z) + "?" + query
	if want := s.http.URL + "/jobs/" + id + "/tiles/{z}/{x}/{y}.png?" + query; tiles[0] != want {
		t.Fatalf("tiles at %v, want %s", tiles[0], want)
	}
	a := s.get(t, at)
	img, err := png.Decode(strings.NewReader(a.body))
	if err != nil || a.status != http.StatusOK || a.header.Get("Content-Type") != "image/png" {
		t.Fatalf("%s: %d %v", at, a.status, err)
	}
	colours := map[string]bool{}
	for py := range 256 {
		for px := range 256 {
			colours[fmt.Sprint(img.At(px, py))] = true
		}
	}
	if len(colours) < 20 {
		t.Errorf("%d colours in the tile", len(colours))
	}
	if again := s.get(t, at); again.body != a.body {
		t.Error("a tile from memory is another")
	}
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/tiles/0/1/0.png", 400, "2^z-1"},
		{"/tiles/21/0/0.png", 400, "0 to 20"},
		{"/tiles/x/0/0.png", 400, "z"},
		{"/tiles/0/0/-1.png", 400, "y"},
		{"/tiles/0/0/0.png?layer=none.tif", 400, "no map"},
		{"/tiles/0/0/0.png?layer=" + url.QueryEscape("../job.json"), 400, "layer"},
		{"/tiles/0/0/0.png?layer=" + url.QueryEscape("../../x/results/a.tif"), 400, "layer"},
		{"/tiles/0/0/0.png?ramp=jet", 400, "viridis"},
		{"/tiles/0/0/0.png?min=NaN", 400, "number"},
		{"/tiles/0/0/0.png?min=5&max=1", 400, "max"},
		{"/tiles/0/0/0.png", 200, ""},
	} {
		a := s.get(t, "/jobs/"+id+c.path)
		if a.status != c.status || !strings.Contains(a.body, c.want) {
			t.Errorf("%s: %d %.200s, want %d, %q", c.path, a.status, a.body, c.status, c.want)
		}
	}
	if a := s.get(t, "/jobs/01JTEST0000000000000000099/tiles"); a.status != http.StatusNotFound {
		t.Errorf("no job: %d", a.status)
	}
	// A job that is removed takes its tiles along.
	if a := s.do(t, http.MethodDelete, "/jobs/"+id, nil); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := s.get(t, at); a.status != http.StatusNotFound {
		t.Errorf("a tile of a removed job: %d", a.status)
	}
}

// Without a word of the client tiles have the colours of the table of maps, and the range that it gives.
func TestTilesHaveTheColoursOfTheTable(t *testing.T) {
	s := newService(t, nil)
	id := mapped(t, s)
	for _, c := range []struct {
		layer, ramp string
		most        float64
	}{
		{"global/annual/total_sun_sum.tif", "sun", 119},
		{"global/monthly/total_sun_jan_sum.tif", "sun", 1119},
		{"slope_dec.tif", "grey", 119},
		{"aspect_dec.tif", "wheel", 360},
		{"aspect_rad.tif", "wheel", 2 * math.Pi},
		{"skyview.tif", "grey", 119},
		{"catchment.tif", "wet", 119},
		{"eemt/F_BIO_Topo_2020.tif", "viridis", 119},
		{"other.tif", "viridis", 119},
	} {
		query := "?layer=" + url.QueryEscape(c.layer)
		m := s.get(t, "/jobs/"+id+"/tiles"+query).json(t)
		if m["ramp"] != c.ramp || m["max"] != c.most {
			t.Errorf("%s: ramp %v to %v, want %s to %g", c.layer, m["ramp"], m["max"], c.ramp, c.most)
		}
		b := m["bounds"].([]any)
		at := tileOver(b, m["maxzoom"].(float64))
		if got, want := s.get(t, "/jobs/"+id+at+query), s.get(t, "/jobs/"+id+at+query+"&ramp="+c.ramp); got.status != http.StatusOK || got.body != want.body {
			t.Errorf("%s: the tile is not drawn in %s (%d, %d)", c.layer, c.ramp, got.status, want.status)
		}
		if other := s.get(t, "/jobs/"+id+at+query+"&ramp=terrain"); other.body == s.get(t, "/jobs/"+id+at+query).body {
			t.Errorf("%s: the tile has the same colours by another ramp", c.layer)
		}
	}
}

// tileOver is the path of the tile at a zoom over the middle of bounds.
func tileOver(bounds []any, z float64) string {
	n := math.Exp2(z)
	lon := (bounds[0].(float64) + bounds[2].(float64)) / 2
	sin := math.Sin((bounds[1].(float64) + bounds[3].(float64)) / 2 * math.Pi / 180)
	return fmt.Sprintf("/tiles/%.0f/%d/%d.png", z, int((lon+180)/360*n), int((0.5-math.Log((1+sin)/(1-sin))/(4*math.Pi))*n))
}

func TestValues(t *testing.T) {
	s := newService(t, nil)
	id := mapped(t, s)
	bbox, _ := s.get(t, "/jobs/"+id+"/tiles").json(t)["bounds"].([]any)
	west, north := bbox[0].(float64), bbox[3].(float64)
	var got struct {
		Values []struct {
			Layer, Unit string
			Value       *float64
			Inside      bool
			Col, Row    int
		}
	}
	query := func(lon, lat float64, layer string) {
		t.Helper()
		got.Values = nil
		a := s.get(t, fmt.Sprintf("/jobs/%s/value?lon=%.9f&lat=%.9f&layer=%s", id, lon, lat, url.QueryEscape(layer)))
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	query(west+0.0015, north-0.0012, "global/annual/total_sun_sum.tif,global/monthly/total_sun_{mon}_sum.tif")
	if len(got.Values) != 13 {
		t.Fatalf("%d values", len(got.Values))
	}
	cell := float64(got.Values[0].Row*12 + got.Values[0].Col)
	for i, v := range got.Values {
		want := cell + 1000*float64(i)
		if v.Value == nil || *v.Value != want || v.Unit != "Wh m-2 yr-1" || !v.Inside {
			t.Errorf("%s: %+v, want %g", v.Layer, v, want)
		}
	}
	query(10, 10, "global/annual/total_sun_sum.tif")
	if v := got.Values[0]; v.Value != nil || v.Inside {
		t.Errorf("elsewhere: %+v", v)
	}
	for _, bad := range []string{"?lon=1", "?lon=x&lat=1", "?lon=NaN&lat=1", "?lon=1&lat=91", "?lon=1&lat=1&layer=none.tif", "?lon=1&lat=1&layer=" + strings.Repeat("a.tif,", 70)} {
		if a := s.get(t, "/jobs/"+id+"/value"+bad); a.status != http.StatusBadRequest {
			t.Errorf("%.60s: %d %s", bad, a.status, a.body)
		}
	}
	st := s.get(t, "/jobs/"+id+"/statistics").json(t)
	if st["min"] != 0.0 || st["max"] != 119.0 || st["mean"] != 59.5 || st["valid"] != 1.0 || st["unit"] != "Wh m-2 yr-1" {
		t.Errorf("%v", st)
	}
}
