package compute_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// The small case of review with vapour pressure in Pa: the mean that is right, and the doubt of a DEM below 736 m in the
// job's record, in the report, in the maps of EEMT-TOPO's production and in their statistics, and nowhere else.
func TestDoubtfulProduction(t *testing.T) {
	folder := filepath.Join(reference.Data(t), "cases")
	tiff, err := os.ReadFile(filepath.Join(folder, "alpha_expected.tif"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(filepath.Join(folder, "vp_in_pa_expected.csv"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, newBucket(t), options{})
	put(t, w.bucket, "inputs/pa.csv", table)
	p := quick(param.EEMT)
	p.Climate, p.Maps = "table:inputs/pa.csv", param.AnnualMaps
	w.submit(t, param.EEMT, p, tiff)
	w.settle(t)
	w.mustComplete(t)
	st, err := w.store.Status(t.Context(), jobID)
	if err != nil {
		t.Fatal(err)
	}
	var doubt string
	for _, f := range st.Findings {
		if f.Code == finding.ModelProduction {
			doubt = f.Message
		}
	}
	if !strings.Contains(doubt, "100 % of the cells lie below 736 m, where it stands at its floor of 100 g m-2 yr-1") || !strings.Contains(doubt, "Lieth's equation, as in EEMT-TRAD, gives ") {
		t.Fatalf("the record has %v", st.Findings.Sentences())
	}
	seen := 0
	for _, l := range readReport(t, w).Layers {
		data, err := w.bucket.ReadAll(t.Context(), job.ResultKey(jobID, l.Name))
		if err != nil {
			t.Fatal(err)
		}
		img, err := geotiff.Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		if strings.Contains(l.Name, "_Topo_") && !strings.Contains(l.Name, "E_PPT") {
			want = doubt
			seen++
		}
		if l.Doubt != want || img.Metadata["MODEL_PRODUCTION"] != want {
			t.Errorf("%s: doubt %q, tag %q, want %q", l.Name, l.Doubt, img.Metadata["MODEL_PRODUCTION"], want)
		}
		if strings.HasPrefix(l.Name, "eemt/EEMT_Topo") && math.Abs(l.Mean-9.529) > 5e-4 {
			t.Errorf("%s: mean %.4f, want 9.529", l.Name, l.Mean)
		}
	}
	if seen != 3 {
		t.Errorf("%d maps of EEMT-TOPO's production", seen)
	}
}
