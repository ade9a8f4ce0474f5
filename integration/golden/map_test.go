package golden

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/cost"

	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/product"
)

// TestAMapIsAddedInOnePlace: a row of the table is all that a map takes whose arithmetic is there: it is computed, estimated,
// reported with what a page needs, drawn, listed in the catalogue, coloured in tiles and offered by OGC API - Processes.
func TestAMapIsAddedInOnePlace(t *testing.T) {
	p := param.DefaultParameters()
	p.Step, p.Climate, p.StartYear, p.EndYear = 60, "table:inputs/station.csv", 2018, 2018
	const name = "wetness_again.tif"
	before := cost.Cost{}.Estimate(param.EEMT, p, 1000, 1000)
	was := product.Table
	t.Cleanup(func() { product.Table = was })
	product.Table = append(product.Table[:len(product.Table):len(product.Table)], product.Quantity{
		Key: "twi", Stem: "wetness_again", What: "wetness once more", Unit: "ln m", Workflow: param.EEMT,
		Group: product.Terrain, Ramp: "wet", Bytes: 3.9, Summary: true, Output: "again", Title: "Wetness again",
	})
	if after := (cost.Cost{}).Estimate(param.EEMT, p, 1000, 1000); after.Results != before.Results+3900000 {
		t.Errorf("estimated: %d bytes before, %d after", before.Results, after.Results)
	}
	process, err := ogc.Catalogue{}.Process("eemt", "")
	if err != nil {
		t.Fatal(err)
	}
	if file, ok := process.File("again", job.Request{Workflow: param.EEMT, Parameters: p}); !ok || file != name || process.Outputs["again"].Title != "Wetness again" {
		t.Errorf("output: %q, %+v", file, process.Outputs["again"])
	}
	if got := product.RampOf(name); got != "wet" {
		t.Errorf("ramp of tiles: %q", got)
	}

	dir, root := t.TempDir(), t.TempDir()
	inputs(t, dir)
	b, err := dirbucket.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	for _, file := range []string{"large.tif", "station.csv"} {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.WriteAll(t.Context(), "inputs/"+file, data, nil); err != nil {
			t.Fatal(err)
		}
	}
	const id = "01JTESTG00DEN0000000000002"
	s := compute.Service{Climate: climateOf(b), Threads: 2, Version: "golden", Temp: t.TempDir()}
	work(t, b, &s, job.Request{
		ID: id, Workflow: param.EEMT, Parameters: p, Created: time.Now(), DEM: job.DEM{Key: "inputs/large.tif", Name: "large.tif"},
	})
	results := filepath.Join(root, "jobs", id, "results")
	first, err := os.ReadFile(filepath.Join(results, "twi.tif"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(results, name))
	if err != nil || len(again) < len(first)/2 {
		t.Errorf("map: %d bytes (%v), twi.tif has %d", len(again), err, len(first))
	}
	var report struct {
		Layers []struct {
			Name, Title, Group, Ramp string
			Summary                  bool
		}
		Previews []string
	}
	data, err := os.ReadFile(filepath.Join(results, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, l := range report.Layers {
		if l.Name == name {
			found = l.Title == "Wetness once more" && l.Group == "Terrain" && l.Ramp == "wet" && l.Summary
		}
	}
	if !found || !strings.Contains(strings.Join(report.Previews, " "), "wetness_again") {
		t.Errorf("report: found as it should be %t, previews %v", found, report.Previews)
	}
	if item, err := os.ReadFile(filepath.Join(results, "item.json")); err != nil || !strings.Contains(string(item), name) {
		t.Errorf("catalogue: the item does not list it (%v)", err)
	}
}
