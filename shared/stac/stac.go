// Package stac describes results as SpatioTemporal Asset Catalog 1.1.0 records.
package stac

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/geojson"

	"github.com/cyverse-gis/eemt/shared/footprint"
)

// Version of the specification.
const Version = "1.1.0"

// Version 1.2.0 of projection has both proj:code and proj:epsg. GDAL's STACIT driver before 3.7 and other clients of its age
// read proj:epsg.
var extensions = []string{
	"https://stac-extensions.github.io/projection/v1.2.0/schema.json",
	"https://stac-extensions.github.io/processing/v1.2.0/schema.json",
}

// Prefix is where the static catalogue lies in a bucket.
const Prefix = "stac/"

// RootKey is the object of the catalogue's root.
const RootKey = Prefix + "catalog.json"

// CollectionKey is the object of the collection of a process.
func CollectionKey(process string) string { return Prefix + process + "/collection.json" }

// DayKey is the object that links to the items of the jobs of a process that were
// submitted on a day (UTC).
func DayKey(process string, day time.Time) string {
	return Prefix + process + "/" + day.UTC().Format(time.DateOnly) + "/catalog.json"
}

// Source is what an item is made of.
type Source struct {
	ID       string
	Process  string // sol or eemt
	Title    string
	Created  time.Time
	Finished time.Time
	// FirstYear and LastYear bound the time that the maps are of.
	FirstYear, LastYear int
	// Outline is that of the maps (footprint.Outline).
	Outline orb.Ring
	// EPSG code, 0 when there is none.
	EPSG          int
	Width, Height int
	// Transform is origin and step: x, y of the upper-left corner, cell width, cell height (negative: north up).
	OriginX, OriginY, StepX, StepY float64
	DEMName, DEMSHA256             string
	Software                       string
	Products                       []Product
	// Previews and Report are names beside the maps.
	Previews []string
	Report   string
	// Alone says that the item is in no catalogue: it then has no links.
	Alone bool
}

// Product is one map.
type Product struct {
	Name, Description, Unit string
	Mean, Minimum, Maximum  float64
}

// Link leads to a related record.
type Link struct {
	Href  string `json:"href"`
	Rel   string `json:"rel"`
	Type  string `json:"type,omitempty"`
	Title string `json:"title,omitempty"`
	// Covers is what the record that a link of a static catalogue leads to covers; nil where that is not known.
	Covers *Coverage `json:"eemt:covers,omitempty"`
}

// Asset is a file of an item.
type Asset struct {
	Href  string   `json:"href"`
	Type  string   `json:"type"`
	Title string   `json:"title"`
	Roles []string `json:"roles"`
	Bands []Band   `json:"bands,omitempty"`
}

// Band describes the numbers of a map.
type Band struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	DataType    string     `json:"data_type"`
	NoData      string     `json:"nodata"`
	Unit        string     `json:"unit,omitempty"`
	Statistics  Statistics `json:"statistics"`
}

// Statistics of a band.
type Statistics struct {
	Minimum float64 `json:"minimum"`
	Maximum float64 `json:"maximum"`
	Mean    float64 `json:"mean"`
}

// Item is one job's results. Its links and assets are relative to its own place, so
// that the folder may be moved.
type Item struct {
	Type       string            `json:"type"`
	Version    string            `json:"stac_version"`
	Extensions []string          `json:"stac_extensions"`
	ID         string            `json:"id"`
	Collection string            `json:"collection,omitempty"`
	Geometry   *geojson.Geometry `json:"geometry"`
	BBox       [4]float64        `json:"bbox"`
	Properties map[string]any    `json:"properties"`
	Links      []Link            `json:"links"`
	Assets     map[string]Asset  `json:"assets"`
}

// COG is the media type of a map, a cloud-optimised GeoTIFF.
const COG = "image/tiff; application=geotiff; profile=cloud-optimized"

// NewItem describes a job, for an item that lies beside the maps in
// jobs/ID/results of the bucket and of the service.
func NewItem(s Source) (Item, error) {
	if len(s.Outline) < 4 {
		return Item{}, fmt.Errorf("item %s: the outline has %d corners, needs 4 at least", s.ID, len(s.Outline))
	}
	geometry, box := footprint.GeoJSON(s.Outline)
	var code, epsg any
	if s.EPSG != 0 {
		code, epsg = fmt.Sprintf("EPSG:%d", s.EPSG), s.EPSG
	}
	const root = "../../../" // of the bucket, or of the service, from jobs/ID/results/
	day := func(year int, month time.Month, d, h, m, sec int) string {
		return time.Date(year, month, d, h, m, sec, 0, time.UTC).Format(time.RFC3339)
	}
	it := Item{
		Type: "Feature", Version: Version, Extensions: extensions, ID: s.ID, Collection: s.Process,
		Geometry: geometry, BBox: box,
		Properties: map[string]any{
			"title": s.Title, "datetime": nil,
			"start_datetime": day(s.FirstYear, time.January, 1, 0, 0, 0), "end_datetime": day(s.LastYear, time.December, 31, 23, 59, 59),
			"created": s.Created.UTC().Format(time.RFC3339), "updated": s.Finished.UTC().Format(time.RFC3339),
			"proj:code": code, "proj:epsg": epsg, "proj:shape": []int{s.Height, s.Width},
			"proj:transform":      []float64{s.StepX, 0, s.OriginX, 0, s.StepY, s.OriginY},
			"processing:software": map[string]string{"eemt": s.Software},
			"eemt:dem":            s.DEMName, "eemt:dem_sha256": s.DEMSHA256,
		},
		Links: []Link{
			{Href: root + RootKey, Rel: "root", Type: "application/json"},
			{Href: root + DayKey(s.Process, s.Created), Rel: "parent", Type: "application/json"},
			{Href: root + CollectionKey(s.Process), Rel: "collection", Type: "application/json"},
			{Href: "../../" + s.ID, Rel: "via", Type: "application/json", Title: "the job"},
		},
		Assets: map[string]Asset{},
	}
	if s.Alone {
		it.Links, it.Collection = []Link{}, "" // an item that names a collection must link to it
	}
	for _, l := range s.Products {
		// A map has the role data alone, since clients leave out assets that are an overview too.
		key := strings.TrimSuffix(path.Base(l.Name), ".tif")
		it.Assets[key] = Asset{Href: "./" + l.Name, Type: COG, Title: l.Description, Roles: []string{"data"}, Bands: []Band{{
			Name: key, Description: l.Description, DataType: "float32", NoData: "nan", Unit: l.Unit,
			Statistics: Statistics{l.Minimum, l.Maximum, l.Mean},
		}}}
	}
	for i, p := range s.Previews {
		role := []string{"overview"}
		if i == 0 {
			role = append(role, "thumbnail")
		}
		it.Assets["preview_"+strings.TrimSuffix(path.Base(p), ".png")] = Asset{Href: "./" + p, Type: "image/png", Title: "picture", Roles: role}
	}
	if s.Report != "" {
		it.Assets["report"] = Asset{Href: "./" + s.Report, Type: "application/json", Title: "parameters, statistics, checksums, findings", Roles: []string{"metadata"}}
	}
	return it, nil
}

// Catalog is a catalogue: the root, or that of a day.
type Catalog struct {
	Type        string `json:"type"`
	Version     string `json:"stac_version"`
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Links       []Link `json:"links"`
}

// Collection holds the items of one process.
type Collection struct {
	Catalog
	License string `json:"license"`
	Extent  Extent `json:"extent"`
}

// Extent in space and time.
type Extent struct {
	Spatial struct {
		BBox [][4]float64 `json:"bbox"`
	} `json:"spatial"`
	Temporal struct {
		Interval [][2]any `json:"interval"`
	} `json:"temporal"`
}

// World is the extent of a collection whose coverage is not known.
func World() Extent {
	var e Extent
	e.Spatial.BBox = [][4]float64{{-180, -90, 180, 90}}
	e.Temporal.Interval = [][2]any{{"1900-01-01T00:00:00Z", nil}}
	return e
}
