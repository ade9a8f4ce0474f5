package submission_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"
)

// Whatever a query says, the answer is none of a server that failed.
func FuzzQueries(f *testing.F) {
	paths := []string{
		"/jobs", "/api/jobs", "/api/check", "/stac", "/stac/collections/sol/items", "/processes", "/api/cleanup/status",
		"/jobs/01JTEST0000000000000000001/value", "/jobs/01JTEST0000000000000000001/tiles", "/jobs/01JTEST0000000000000000001/statistics",
	}
	for i := range paths {
		for _, query := range []string{
			"limit=10&status=running&type=process", "datetime=2026-01-01/..&bbox=-180,-90,180,90", "cursor=eyJ9&search=dem&state=failed",
			"lon=-107&lat=39&map=slope", "uploaded_filename=x.tif&step=30&nodata=-9999", "minDuration=1e99&maxDuration=-1", "f=html&limit=99999999999999999999", "%zz&;=&\x00",
		} {
			f.Add(uint8(i), query)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, query string) {
		s := newService(t, nil)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, paths[int(which)%len(paths)], nil)
		r.URL = &url.URL{Path: r.URL.Path, RawQuery: query}
		w := httptest.NewRecorder()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.handler.ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s: %d %.300s", r.URL, w.Code, w.Body)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20+uint64(1000*len(query)) {
			t.Errorf("%s: %d MiB were allocated", r.URL, n>>20)
		}
	})
}
