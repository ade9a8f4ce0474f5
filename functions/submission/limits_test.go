package submission_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/cost"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/job"
)

// TestTooLarge: what compute would refuse is refused on every way in, in compute's own words, and leaves nothing behind.
func TestTooLarge(t *testing.T) {
	data := hills(t)
	inline := fmt.Sprintf(`{"inputs":{"dem":{"value":%q,"mediaType":"image/tiff; application=geotiff; profile=cloud-optimized","encoding":"base64"}}}`, base64.StdEncoding.EncodeToString([]byte(data)))
	type way struct {
		name string
		// dem says that the DEM alone, without a job, comes this way.
		dem  bool
		send func(t *testing.T, s *service) (int, string)
	}
	said := func(a answer) (int, string) { return a.status, a.body }
	form := func(path string) func(t *testing.T, s *service) (int, string) {
		return func(t *testing.T, s *service) (int, string) {
			return said(s.post(t, path, field{name: "workflow_type", value: "sol"}, field{"dem_file", data, "dem.tif"}))
		}
	}
	ways := []way{
		{"form", false, form("/api/submit-job")},
		{"check", false, form("/api/check")},
		{"file of the old suite", true, func(t *testing.T, s *service) (int, string) {
			return said(s.post(t, "/api/upload-file", field{"file", data, "dem.tif"}))
		}},
		{"tus", true, func(t *testing.T, s *service) (int, string) {
			return said(s.patch(t, s.begin(t, "dem.tif", len(data)), 0, data))
		}},
		{"earlier upload", false, func(t *testing.T, s *service) (int, string) {
			s.put(t, "inputs/01JTEST_dem.tif", data)
			defer func() { _ = s.Store.Bucket.Delete(t.Context(), "inputs/01JTEST_dem.tif") }()
			return said(s.post(t, "/api/submit-job", field{name: "workflow_type", value: "sol"}, field{name: "uploaded_filename", value: "01JTEST_dem.tif"}))
		}},
		{"execute, inline", false, func(t *testing.T, s *service) (int, string) {
			return said(s.do(t, http.MethodPost, "/processes/sol/execution", strings.NewReader(inline), "Content-Type", "application/json"))
		}},
	}
	for _, limit := range []struct {
		name string
		cost cost.Cost
		want string
		dem  bool // the DEM alone is refused
	}{
		{"cells", cost.Cost{MaxCells: 100}, "the DEM has 12 x 10 = 120 cells: at most 100 are allowed here (EEMT_MAX_CELLS)", true},
		{"time", cost.Cost{MaxCoreHours: 1e-5}, "core hours on 12 x 10 cells: at most 1e-05 are allowed here (EEMT_MAX_CORE_HOURS)", false},
		{"results", cost.Cost{MaxResults: 1000}, "(EEMT_MAX_RESULT_BYTES)", false},
		{"none", cost.Cost{}, "", false},
		{"enough", cost.Cost{MaxCells: 120, MaxCoreHours: 1, MaxResults: 1e6}, "", false},
	} {
		for _, w := range ways {
			t.Run(limit.name+"/"+w.name, func(t *testing.T) {
				s := newService(t, nil)
				s.with(func(c *submission.Config) { c.Limits = limit.cost })
				status, body := w.send(t, s)
				if limit.want == "" || w.dem && !limit.dem {
					if status/100 != 2 {
						t.Fatalf("%d %s", status, body)
					}
					return
				}
				left := slices.DeleteFunc(keys(t, s.Store.Bucket), func(key string) bool { return key == "uploads/dem.tif" })
				if status != http.StatusBadRequest || !strings.Contains(body, limit.want) {
					t.Errorf("%d %s, want 400 with %q", status, body, limit.want)
				}
				if len(left) != 0 || len(s.events) != 0 {
					t.Errorf("left %v, announced %v", left, s.events)
				}
			})
		}
		t.Run(limit.name+"/dropped file", func(t *testing.T) {
			s := newService(t, nil)
			s.with(func(c *submission.Config) { c.Limits = limit.cost })
			s.drop(t, "uploads/dem.tif", data)
			s.take(t, "uploads/dem.tif")
			st := s.only(t)
			if limit.want == "" {
				if st.End != nil {
					t.Fatalf("%+v", st.End)
				}
				return
			}
			if st.State != job.Failed || !strings.Contains(st.End.Reason, limit.want) {
				t.Errorf("job is %s: %+v, want %q", st.State, st.End, limit.want)
			}
			for _, key := range keys(t, s.Store.Bucket) {
				if strings.HasPrefix(key, job.InputPrefix) {
					t.Errorf("%s was copied", key)
				}
			}
		})
	}
}
