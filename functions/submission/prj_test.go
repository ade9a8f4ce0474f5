package submission_test

import (
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

const utmText = `PROJCS["NAD_1983_UTM_Zone_13N",GEOGCS["GCS_North_American_1983",DATUM["D_North_American_1983",SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",-105.0],PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]`

func bare(t *testing.T) string {
	return string(demtest.EncodeAs(t, demtest.Hills(8, 8), demtest.Transform(), raster.GeoKeys{}))
}

// A DEM without a coordinate system gets it from the .prj file dropped beside it; one with a system keeps its own.
func TestDroppedPRJ(t *testing.T) {
	for name, c := range map[string]struct{ dem, prj, want string }{
		"states what is missing": {bare(t), "\ufeff" + utmText + "\n", utmText},
		"of no use":              {bare(t), "Projection UTM\nZone 13", ""},
		"beside a system":        {hills(t), utmText, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			s.drop(t, "uploads/site.prj", c.prj)
			s.drop(t, "uploads/site.tif", c.dem)
			for range 3 {
				if _, err := s.ScanUploads(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			st := s.only(t)
			if st.Request.Parameters.DEMCRS != c.want {
				t.Errorf("dem_crs %q, want %q", st.Request.Parameters.DEMCRS, c.want)
			}
			if failed := c.dem == bare(t) && c.want == ""; failed != (st.State == job.Failed) {
				t.Errorf("the job is %s: %+v", st.State, st.End)
			}
		})
	}
}

// A form states the system by name or by a file, whatever the order of its parts; without it the DEM is refused.
func TestFormWithSystem(t *testing.T) {
	for name, c := range map[string]struct {
		fields []field
		want   string
		code   int
	}{
		"by code":          {[]field{{"dem_file", bare(t), "dem.tif"}, {"dem_crs", "EPSG:32613", ""}}, "EPSG:32613", 200},
		"by file":          {[]field{{"prj_file", utmText, "dem.prj"}, {"dem_file", bare(t), "dem.tif"}}, utmText, 200},
		"not at all":       {[]field{{"dem_file", bare(t), "dem.tif"}}, "", 400},
		"by no code":       {[]field{{"dem_file", bare(t), "dem.tif"}, {"dem_crs", "UTM 13", ""}}, "", 400},
		"by too much text": {[]field{{"dem_file", bare(t), "dem.tif"}, {"prj_file", strings.Repeat("x", 17<<10), "dem.prj"}}, "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			res := s.post(t, "/api/submit-job", append(c.fields, field{"workflow_type", "sol", ""})...)
			if res.status != c.code {
				t.Fatalf("answer %d: %s", res.status, res.body)
			}
			if c.code != 200 {
				if left := keys(t, s.Store.Bucket); len(left) != 0 {
					t.Errorf("left: %v", left)
				}
				return
			}
			if got := s.only(t).Request.Parameters.DEMCRS; got != c.want {
				t.Errorf("dem_crs %q, want %q", got, c.want)
			}
		})
	}
}
