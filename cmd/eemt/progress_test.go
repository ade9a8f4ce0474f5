package main

import (
	"strings"
	"testing"
	"time"

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

// TestProgressSaysWhatIsLeft: a server tells when a job may be done.
func TestProgressSaysWhatIsLeft(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, false)
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	p.show(0.05, "running")
	for i, left := range []time.Duration{3*time.Hour + 20*time.Minute + 31*time.Second, 190 * time.Second, 42 * time.Second, 0} {
		at := now.Add(left)
		p.expect(&at, now)
		p.show(0.2+0.2*float64(i), "running")
	}
	p.expect(nil, now)
	p.show(1, "completed")
	if want := "  5 % running\n 20 % running, about 3h21m left\n 40 % running, about 3m left\n 60 % running, about 42s left\n 80 % running\n100 % completed\n"; out.String() != want {
		t.Errorf("progress\n%swant\n%s", out.String(), want)
	}
}
