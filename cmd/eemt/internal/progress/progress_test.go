package progress

import (
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/functions/compute"
)

// lines returns progress for a log, with a clock that stands until it is moved.
func lines(out *strings.Builder) (p *Bar, pass func(time.Duration)) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	p = New(out, false)
	p.now = func() time.Time { return now }
	return p, func(d time.Duration) { now = now.Add(d) }
}

// TestProgressNeverGoesBack: of a large DEM the climate is read before the water is followed.
func TestProgressNeverGoesBack(t *testing.T) {
	var out strings.Builder
	p, pass := lines(&out)
	for _, s := range []compute.Progress{
		{Step: "terrain", Total: 1}, {Step: "climate", Total: 1}, {Step: "terrain", Done: 0.1, Total: 1}, {Step: "sun", Done: 1, Total: 2},
	} {
		p.Update(s)
		pass(30 * time.Second)
	}
	p.Finish(true)
	if want := `  0 % analysing the terrain
  5 % reading the climate, about 9.5 min left
  5 % analysing the terrain, about 19 min left
 40 % computing radiation, about 2.3 min left
100 % done in 2 min
`; out.String() != want {
		t.Errorf("progress\n%swant\n%s", out.String(), want)
	}
}

// A log gets a line at tenths, not more often than every two seconds, and in long work every minute.
func TestProgressLines(t *testing.T) {
	for _, c := range []struct {
		name  string
		every time.Duration
		by    float64
		want  int
	}{
		{"two seconds in all", 2 * time.Millisecond, 0.001, 2},
		{"half a minute", 30 * time.Millisecond, 0.001, 11},
		{"eleven hours", 40 * time.Second, 0.001, 101},
	} {
		var out strings.Builder
		p, pass := lines(&out)
		for f := 0.0; f < 1; f += c.by {
			p.Show(f, "computing radiation")
			pass(c.every)
		}
		p.Finish(true)
		if got := strings.Count(out.String(), "\n"); got < c.want-1 || got > c.want+1 {
			t.Errorf("%s: %d lines, want about %d\n%s", c.name, got, c.want, out.String())
		}
	}
}

// The pace counts from where the work was continued, and from when a job began to run.
func TestTimeLeft(t *testing.T) {
	var out strings.Builder
	p, pass := lines(&out)
	p.Show(0.5, "computing radiation")
	pass(time.Minute)
	p.Show(0.6, "writing maps")
	if !strings.Contains(out.String(), "60 % writing maps, about 4 min left") {
		t.Errorf("work that is continued at 50 %%: %s", out.String())
	}
	out.Reset()
	p, pass = lines(&out)
	p.Watch(client.Job{Status: "pending", Task: "waiting"})
	pass(time.Hour)
	p.Watch(client.Job{Status: "running", Progress: 5, Task: "0 of 1 tiles are done"})
	pass(time.Minute)
	p.Watch(client.Job{Status: "running", Progress: 35.5, Task: "0 of 1 tiles are done"})
	if !strings.Contains(out.String(), "36 % 0 of 1 tiles are done, about 2.1 min left") {
		t.Errorf("a job that waited for an hour: %s", out.String())
	}
	pass(time.Minute)
	expected := p.now().Add(3 * time.Hour)
	p.Watch(client.Job{Status: "running", Progress: 50, Task: "1 of 2 tiles are done", Expected: &expected})
	if !strings.Contains(out.String(), "50 % 1 of 2 tiles are done, about 3 h left") {
		t.Errorf("what the server expects: %s", out.String())
	}
}
