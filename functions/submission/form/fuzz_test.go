package form_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gin-gonic/gin"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/functions/submission/form"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
)

// Every form is read or refused, and what is refused is the sender's to mend.
func FuzzRead(f *testing.F) {
	part := func(name, file, value string) string {
		if file != "" {
			file = `; filename="` + file + `"`
		}
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"" + file + "\r\n\r\n" + value + "\r\n"
	}
	dem := string(demtest.Encode(f, demtest.Hills(12, 10)))
	const multipart, plain = "multipart/form-data; boundary=b", "application/x-www-form-urlencoded"
	f.Add(multipart, []byte(part("dem_file", "dem.tif", dem)+part("step", "", "30")+part("linke_value", "", "1,2,3")+"--b--\r\n"))
	f.Add(multipart, []byte(part("uploaded_filename", "", "x.tif")+part("climate_file", "c.csv", "month,tmin\n1,2")+part("prj_file", "dem.prj", "GEOGCS[]")+"--b--\r\n"))
	f.Add(multipart, []byte(part("kb_file", "kb.tif", dem)+part("kb_file", "", "")+strings.Repeat(part("step", "", "1"), 250)))
	f.Add(plain, []byte("uploaded_filename=x.tif&step=30&shadows=off&start_year=2000&workflow_type=eemt"))
	f.Add(plain, []byte("%zz=1&;&step=1e999&accept=dem.holes"))
	gin.SetMode(gin.ReleaseMode)
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		b := memblob.OpenBucket(nil)
		defer func() { _ = b.Close() }()
		var n atomic.Int64
		in := &inputs.Store{
			Bucket: b, Log: slog.New(slog.DiscardHandler), Version: "test", MaxUpload: 1 << 20,
			NewID: func() string { return fmt.Sprintf("01JTEST%019d", n.Add(1)) },
		}
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/submit-job", bytes.NewReader(body))
		c.Request.Header.Set("Content-Type", kind)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := form.Read(c, in)
		runtime.ReadMemStats(&after)
		if err != nil && !problem.Refused(err) {
			t.Errorf("%v", err)
		}
		if len(got.Stored) > 8 {
			t.Errorf("%d files were stored", len(got.Stored))
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20+uint64(100*len(body)) {
			t.Errorf("%d MiB were allocated for a form of %d bytes", used>>20, len(body))
		}
	})
}
