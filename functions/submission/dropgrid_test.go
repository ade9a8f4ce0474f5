package submission_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/foreign"
	"github.com/cyverse-gis/eemt/shared/job"
)

// tile3 is an SRTM tile of 3 arc seconds, all of 100 m.
func tile3() string { return strings.Repeat("\x00\x64", 1201*1201) }

// A dropped ASCII grid or SRTM tile becomes a job whose DEM is the GeoTIFF that is made of it, with the user's own name.
func TestDroppedGrid(t *testing.T) {
	for name, c := range map[string]struct {
		key, data string
		beside    map[string]string
		crs, said string // of the job; why it failed
	}{
		"with a .prj":                       {"uploads/site.asc", asciiGrid, map[string]string{"site.prj": utmText}, utmText, ""},
		"with a .PRJ":                       {"uploads/site.asc", asciiGrid, map[string]string{"site.PRJ": utmText}, utmText, ""},
		"with dem_crs":                      {"uploads/site.asc", asciiGrid, map[string]string{"site.asc.json": `{"dem_crs": "EPSG:32613"}`}, "EPSG:32613", ""},
		"with dem_crs, the short name":      {"uploads/site.asc", asciiGrid, map[string]string{"site.json": `{"dem_crs": "EPSG:32613"}`}, "EPSG:32613", ""},
		"by its content":                    {"uploads/site.txt", asciiGrid, map[string]string{"site.prj": utmText}, utmText, ""},
		"an SRTM tile":                      {"uploads/N36W107.hgt", tile3(), nil, "", ""},
		"without a system":                  {"uploads/site.asc", asciiGrid, nil, "", "--dem-crs"},
		"with a .prj that is of no use":     {"uploads/site.asc", asciiGrid, map[string]string{"site.prj": "Projection UTM\nZone 13"}, "", "--dem-crs"},
		"that ends too early":               {"uploads/site.asc", asciiGrid[:len(asciiGrid)-6], map[string]string{"site.prj": utmText}, "", "the ASCII grid site.asc ends at row 2, column 2"},
		"a tile that ends too early":        {"uploads/N36W107.hgt", tile3()[:99], nil, "", "the SRTM tile N36W107.hgt has 99 bytes"},
		"a tile of which no place is known": {"uploads/site.hgt", tile3(), nil, "", "site.hgt"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			s.with(func(c *submission.Config) { c.MaxUpload = 8 << 20 })
			for name, text := range c.beside {
				s.drop(t, "uploads/"+name, text)
			}
			s.drop(t, c.key, c.data)
			for range 3 {
				if _, err := s.ScanUploads(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			st := s.only(t)
			inputs := 0
			for _, key := range keys(t, s.Store.Bucket) {
				if strings.HasPrefix(key, "inputs/") && !strings.HasSuffix(key, ".json") {
					inputs++
				}
			}
			if c.said != "" {
				if st.State != job.Failed || !strings.Contains(st.End.Reason, c.said) || inputs != 0 || strings.HasPrefix(st.End.Reason, "store") {
					t.Errorf("%s: %+v, %d inputs, want %q", st.State, st.End, inputs, c.said)
				}
				if len(st.Findings) != 1 || st.Findings[0].Severity != finding.Refusal {
					t.Errorf("findings %+v", st.Findings)
				}
				return
			}
			if st.State == job.Failed || st.Request.Parameters.DEMCRS != c.crs || "uploads/"+st.Request.DEM.Name != c.key {
				t.Fatalf("%s: %+v, %+v", st.State, st.End, st.Request)
			}
			if data, err := s.Store.Bucket.ReadAll(t.Context(), st.Request.DEM.Key); err != nil || !foreign.IsTIFF(data) {
				t.Errorf("%v, %.20q", err, data)
			}
		})
	}
}

// A grid that is still written in a folder is waited for.
func TestDroppedGridStillWritten(t *testing.T) {
	s := newService(t, nil)
	now := time.Now()
	s.with(func(c *submission.Config) { c.Uploads.Settle = 5 * time.Second })
	s.with(func(c *submission.Config) { c.Now = func() time.Time { return now } })
	s.drop(t, "uploads/site.prj", utmText)
	s.drop(t, "uploads/site.asc", asciiGrid[:len(asciiGrid)-6])
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{time.Minute, "it may still be written"}, {time.Hour, "it becomes job "}} {
		now = time.Now().Add(c.after)
		if said := s.take(t, "uploads/site.asc"); !strings.HasPrefix(said, c.want) {
			t.Errorf("after %v: %s", c.after, said)
		}
	}
}

// A job of the OGC interface may name a grid that lies under uploads/.
func TestExecutedGrid(t *testing.T) {
	s := newService(t, nil)
	s.drop(t, "uploads/site.asc", asciiGrid)
	a := s.do(t, http.MethodPost, "/processes/sol/execution", strings.NewReader(`{"inputs":{"dem":{"href":"uploads/site.asc"},"dem_crs":"EPSG:32613"}}`), "Content-Type", "application/json", "Prefer", "respond-async")
	if a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if r := s.only(t).Request; r.DEM.Name != "site.asc" {
		t.Errorf("%+v", r.DEM)
	}
}
