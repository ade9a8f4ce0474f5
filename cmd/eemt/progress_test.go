package main

import (
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute"
)

// TestProgressNeverGoesBack: of a large DEM the climate is read before the water is followed.
func TestProgressNeverGoesBack(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, false)
	for _, s := range []compute.Progress{
		{Stage: "terrain", Total: 1}, {Stage: "climate", Total: 1}, {Stage: "terrain", Done: 0.1, Total: 1}, {Stage: "sun", Done: 1, Total: 2},
	} {
		p.update(s)
	}
	p.finish(true)
	if want := "  0 % terrain\n  5 % climate\n  5 % terrain\n 40 % sun\n"; out.String() != want {
		t.Errorf("progress\n%swant\n%s", out.String(), want)
	}
}
