package compute_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestUnitDoubtInReport: a map in feet whose elevations state no unit carries the doubt into the report, until the unit is
// stated; then elevations are converted.
func TestUnitDoubtInReport(t *testing.T) {
	tiff, err := os.ReadFile(filepath.Join("..", "..", "shared", "dem", "testdata", "feet_map_unit_unstated.tif"))
	if err != nil {
		t.Fatal(err)
	}
	const doubt = "the map is in feet and the file does not state the unit of elevations"
	params := quick(param.Sol)
	params.Maps = param.AnnualMaps
	report := calm(t, param.Sol, params, tiff)["report.json"]
	if !strings.Contains(string(report), doubt) {
		t.Errorf("%s", report)
	}
	params.ElevationUnit = "us-ft"
	report = calm(t, param.Sol, params, tiff)["report.json"]
	if strings.Contains(string(report), doubt) || !strings.Contains(string(report), "elevations are read in us-ft") {
		t.Errorf("%s", report)
	}
	slope := regexp.MustCompile(`"slope_dec.tif"[^}]*?"maximum": ([0-9.]+)`).FindSubmatch(report)
	if slope == nil || !strings.HasPrefix(string(slope[1]), "38.8") {
		t.Errorf("steepest slope %q, want 38.8 degrees", slope)
	}
}

// TestNoDataOfParameters: undeclared missing data ends the job; stated, its cells have no result.
func TestNoDataOfParameters(t *testing.T) {
	g := demtest.Hills(12, 10)
	for i := range 3 {
		g.Set(4+i, 5, -9999)
	}
	tiff := demtest.Encode(t, g)
	wd := newWorld(t, newBucket(t), options{})
	wd.submit(t, param.Sol, quick(param.Sol), tiff)
	wd.settle(t)
	st, err := wd.store.Status(t.Context(), jobID)
	if err != nil || st.State != job.Failed {
		t.Fatalf("job is %s (%v), want failed", st.State, err)
	}
	checkSentence(t, st.End.Reason, "column 4, row 5", "of 3 cells in all", "--nodata -9999, or with: gdal_translate -a_nodata -9999 hills.tif hills_nodata.tif")
	params := quick(param.Sol)
	params.NoData = "-9999"
	report := string(calm(t, param.Sol, params, tiff)["report.json"])
	if !strings.Contains(report, `"valid_cells": 117`) {
		t.Errorf("%s", report)
	}
}
