package ogc_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Every body is an execute request or is refused with a problem, in memory of a few times its size.
func FuzzParse(f *testing.F) {
	for _, body := range []string{
		`{"inputs":{"dem":"dem.tif","step":30,"linke_value":[1,2,3,4,5,6,7,8,9,10,11,12]}}`,
		`{"inputs":{"dem":{"href":"inputs/dem.tif"},"climate":{"value":"month,tmin\n1,2","mediaType":"text/csv"}},"outputs":{"slope":{"transmissionMode":"reference"}},"response":"raw"}`,
		`{"inputs":{"dem":{"value":"SUkqAAgAAAA=","encoding":"base64"}},"subscriber":{"successUri":"https://example.org/"}}`,
		`{"inputs":{"stringInput":"hello","pause":2,"arrayInput":[1,2]}}`,
		`{"inputs":{"dem":[["x"]]}} {}`, `null`, `[`, strings.Repeat(`{"inputs":`, 50),
	} {
		for _, id := range []string{string(param.Sol), string(param.EEMT), string(param.Echo)} {
			f.Add(id, []byte(body))
		}
	}
	processes := ogc.Catalogue{Version: "test", Echo: true}
	f.Fuzz(func(t *testing.T, id string, body []byte) {
		p, err := processes.Process(id, "https://example.org")
		if err != nil {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		e, err := p.Parse(bytes.NewReader(body))
		runtime.ReadMemStats(&after)
		var refused *problem.Problem
		switch {
		case err != nil && !errors.As(err, &refused):
			t.Errorf("%v", err)
		case refused != nil && (refused.Status < 400 || refused.Status > 499 || refused.Detail == ""):
			t.Errorf("%+v", refused)
		case err == nil && id != string(param.Echo) && e.Table == nil:
			if err := e.Parameters.Validate(param.Workflow(id)); err != nil {
				t.Errorf("taken, but %v", err)
			}
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20+uint64(200*len(body)) {
			t.Errorf("%d bytes were allocated for a body of %d", n, len(body))
		}
	})
}
