package ogc_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// The catalogue leads to the collection, the collection to the item, the item to
// maps, all by relative or absolute links.
func TestSTAC(t *testing.T) {
	id := completed(t)
	landing := get(t, "/").object(t)
	root := get(t, follow(t, landing["links"], "data")).want(t, http.StatusOK).object(t)
	var collection string
	for _, l := range links(t, root["links"]) {
		if l.Rel == "child" && strings.HasSuffix(l.Href, "/sol") {
			collection = l.Href
		}
	}
	c := get(t, collection).want(t, http.StatusOK).object(t)
	// The extent is that of the items: all of these tests are on one DEM of one year.
	if e := sprint(c["extent"]); !strings.Contains(e, "[2020-01-01T00:00:00Z 2020-12-31T23:59:59Z]") || strings.Contains(e, "-180") {
		t.Errorf("the extent is %s", e)
	}
	if c["type"] != "Collection" || c["stac_version"] != "1.1.0" || c["license"] == nil || c["extent"] == nil {
		t.Errorf("%v", c)
	}
	var at string
	for _, l := range links(t, c["links"]) {
		if l.Rel == "item" && strings.Contains(l.Href, id) {
			at = l.Href
		}
	}
	if at == "" {
		t.Fatalf("the collection does not lead to job %s", id)
	}
	item := get(t, at).want(t, http.StatusOK).object(t)
	p, _ := item["properties"].(object)
	if item["type"] != "Feature" || item["id"] != id || item["collection"] != "sol" || p["datetime"] != nil || p["start_datetime"] == nil || p["end_datetime"] == nil ||
		p["proj:code"] != "EPSG:32613" || sprint(p["proj:shape"]) != "[20 24]" || sprint(p["proj:transform"]) != "[30 0 327000 0 -30 4.32e+06]" {
		t.Errorf("%v", item)
	}
	base, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	resolve := func(href string) string {
		u, err := base.Parse(href)
		if err != nil {
			t.Fatal(err)
		}
		return u.String()
	}
	for _, l := range links(t, item["links"]) {
		get(t, resolve(l.Href)).want(t, http.StatusOK)
	}
	box, _ := item["bbox"].([]any)
	g, _ := item["geometry"].(object)
	rings, _ := g["coordinates"].([]any)
	ring, _ := rings[0].([]any)
	area := 0.0
	for i := range len(ring) - 1 {
		a, _ := ring[i].([]any)
		b, _ := ring[i+1].([]any)
		area += a[0].(float64)*b[1].(float64) - b[0].(float64)*a[1].(float64)
	}
	if len(box) != 4 || sprint(ring[0]) != sprint(ring[len(ring)-1]) || area <= 0 {
		t.Errorf("bbox %v, ring of area %g: must be closed and run counter-clockwise", box, area/2)
	}
	assets, _ := item["assets"].(object)
	data := 0
	for name, a := range assets {
		m, _ := a.(object)
		roles, _ := m["roles"].([]any)
		if !slices.Contains(roles, any("data")) {
			continue
		}
		if len(roles) != 1 {
			t.Errorf("%s has roles %v: clients leave out data that is an overview too", name, roles)
		}
		data++
		if data > 5 {
			continue
		}
		if m["type"] != "image/tiff; application=geotiff; profile=cloud-optimized" {
			t.Errorf("%s is %v", name, m["type"])
		}
		file := get(t, resolve(sprint(m["href"]))).want(t, http.StatusOK)
		if file.header.Get("Content-Type") != m["type"] {
			t.Errorf("%s is %s, the item says %v", name, file.header.Get("Content-Type"), m["type"])
		}
		checkRaster(t, file.body)
	}
	if data != 82 {
		t.Errorf("%d maps in the item, want 82", data)
	}
	get(t, "/stac/collections/moon").problem(t, http.StatusNotFound, "")
}
