package submission_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
)

// Twenty hostile requests at a time stay within the memory of the smallest submission, and the others are answered.
func TestMemoryOfChecks(t *testing.T) {
	const asked = "EEMT_TEST_MEMORY"
	if os.Getenv(asked) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(self, "-test.run=^TestMemoryOfChecks$", "-test.v")
		child.Env = append(os.Environ(), asked+"=1", "GOMEMLIMIT=870MiB")
		out, err := child.CombinedOutput()
		if err != nil {
			t.Error(err)
		}
		t.Logf("%s", out)
		return
	}
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.MaxUpload = 1 << 20 })
	var names []string
	for _, b := range []demtest.Blocks{
		{Width: 20480, Height: 20480, BlockWidth: 8192, BlockHeight: 8192, Tiled: true, Bytes: 1, Compression: codec.ZSTD},
		{Width: 20480, Height: 20480, BlockWidth: 8192, BlockHeight: 8192, Tiled: true, Bytes: 1, Compression: codec.ZSTD, SingleSegment: true},
		{Width: 16384, Height: 8192, BlockWidth: 16384, BlockHeight: 2048, Bytes: 2, Compression: codec.Deflate},
		{Width: 16384, Height: 8192, BlockWidth: 16384, BlockHeight: 2048, Bytes: 2, Compression: codec.ZSTD, SingleSegment: true},
		// One strip of 256 MiB is streamed.
		{Width: 16383, Height: 8191, BlockWidth: 16383, BlockHeight: 8191, Bytes: 2, Compression: codec.ZSTD},
		{Width: 16383, Height: 8191, BlockWidth: 16383, BlockHeight: 8191, Bytes: 2, Compression: codec.Deflate},
	} {
		a := s.post(t, "/api/upload-file", field{"file", string(b.Encode(t)), "dem.tif"})
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		names = append(names, a.json(t)["filename"].(string))
	}
	// Of blocks of 256 MiB nothing is decoded.
	for _, b := range []demtest.Blocks{
		{Width: 16383, Height: 8191, BlockWidth: 16383, BlockHeight: 8191, Bytes: 2, Compression: codec.ZSTD, SingleSegment: true},
		{Width: 16384, Height: 12000, BlockWidth: 16384, BlockHeight: 6000, Bytes: 2, Compression: codec.ZSTD},
		{Width: 40960, Height: 40960, BlockWidth: 16384, BlockHeight: 16384, Tiled: true, Bytes: 1, Compression: codec.ZSTD},
	} {
		for path, name := range map[string]string{"/api/upload-file": "file", "/api/check": "dem_file", "/api/submit-job": "dem_file"} {
			a := s.post(t, path, field{name, string(b.Encode(t)), "dem.tif"})
			if a.status != http.StatusBadRequest || !strings.Contains(a.body, "are too large (the limit is 64 MiB)") || !strings.Contains(a.body, "gdal_translate") {
				t.Errorf("%s: %d %.300s", path, a.status, a.body)
			}
		}
	}
	done := make(chan struct{})
	var peak uint64
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.http.URL+"/api/check?uploaded_filename="+names[i%len(names)], nil)
			if err != nil {
				t.Error(err)
				return
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = res.Body.Close() }()
			var report struct {
				Usable bool   `json:"usable"`
				Detail string `json:"detail"`
			}
			if err := json.NewDecoder(res.Body).Decode(&report); err != nil {
				t.Error(err)
			}
			switch {
			case res.StatusCode == http.StatusOK && report.Usable:
			case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "" && strings.Contains(report.Detail, "checks of a DEM go on"):
			default:
				t.Errorf("%s %+v", res.Status, report)
			}
			mu.Lock()
			statuses[res.StatusCode]++
			mu.Unlock()
		})
	}
	for range 20 {
		if a := s.get(t, "/health"); a.status != http.StatusOK {
			t.Errorf("health: %d", a.status)
		}
	}
	all.Wait()
	close(done)
	watch.Wait()
	t.Logf("peak %d MiB, answers %v", peak>>20, statuses)
	if peak > 870<<20 {
		t.Errorf("at most %d MiB of heap", peak>>20)
	}
	if statuses[http.StatusOK] == 0 {
		t.Errorf("nothing was checked: %v", statuses)
	}
}
