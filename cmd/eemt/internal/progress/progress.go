// Package progress shows on a terminal, or in a log, how far work is.
package progress

import (
	"cmp"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/finding"
)

// Bar shows how far work is and how long it will take: a bar on a terminal, lines elsewhere.
type Bar struct {
	mu  sync.Mutex
	out io.Writer
	off bool
	bar *progressbar.ProgressBar
	now func() time.Time
	// furthest is the largest share that was shown, with what was being done.
	furthest float64
	stage    string
	// began is when the first share was seen, which is not 0 where work is continued.
	began time.Time
	first float64
	// line is when the last line was printed, for which share; unprinted before the first.
	line    time.Time
	printed float64
}

const unprinted = -1

// Lines of a log: one for each stage, tenth and, in long work, minute with a per cent, but none before a pause is over.
const linePause, longPause = 2 * time.Second, time.Minute

// New shows progress on out, or nothing where it is off.
func New(out io.Writer, off bool) *Bar {
	p := &Bar{out: out, off: off, now: time.Now, printed: unprinted}
	if f, ok := out.(interface{ Fd() uintptr }); ok && !off && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(1000,
			progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false), progressbar.OptionClearOnFinish(),
			progressbar.OptionShowDescriptionAtLineEnd(),
		)
	}
	return p
}

// stages in words.
var steps = map[string]string{
	"terrain": "analysing the terrain",
	"climate": "reading the climate",
	"sun":     "computing radiation",
	"maps":    "writing maps",
}

// share turns the steps of a stage into the share of the whole run that is done.
func share(s compute.Progress) float64 {
	f := 0.0
	if s.Total > 0 {
		f = min(1, s.Done/s.Total)
	}
	switch s.Step {
	case "terrain":
		return 0.05 * f
	case "climate":
		return 0.05
	case "maps":
		return 0.75 + 0.25*f
	}
	return 0.05 + 0.70*f
}

// Findings prints the doubts about the inputs of a run before it is computed.
func (p *Bar) Findings(_ string, found finding.List) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return
	}
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	list := found.Open(finding.Doubt)
	if refused := found.Open(finding.Refusal); len(refused) > 1 { // the first is the error that the run ends with
		list = append(refused[1:], list...)
	}
	_ = cli.PrintFindings(p.out, list)
}

// Update shows how far a computation on this machine is.
func (p *Bar) Update(s compute.Progress) { p.Show(share(s), cmp.Or(steps[s.Step], s.Step)) }

// Show says that the share f of the whole is done, and what is being done.
func (p *Bar) Show(f float64, stage string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.showLeft(f, stage, -1)
}

// Watch shows a job of a server, with the time left that the server tells, or else what its progress tells.
func (p *Bar) Watch(j client.Job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := time.Duration(-1)
	if j.Expected != nil && !j.Ended() {
		left = j.Expected.Sub(p.now())
	}
	p.showLeft(j.Progress/100, cli.Plain(cmp.Or(j.Task, j.Status)), left)
	if j.Status == "pending" { // what passes before the work begins tells nothing of how long it takes
		p.began = time.Time{}
	}
}

// showLeft is show where the time left is known, or negative.
func (p *Bar) showLeft(f float64, stage string, left time.Duration) {
	if p.off {
		return
	}
	// Of a large DEM the climate is read before the water is followed: what was shown stays.
	f = max(f, p.furthest)
	p.furthest = f
	now := p.now()
	if p.began.IsZero() {
		p.began, p.first = now, f
	}
	if left < 0 {
		left = p.left(now)
	}
	words := stage
	if left > 0 {
		words += ", about " + amount.Duration(wholeSeconds(left)) + " left"
	}
	if p.bar != nil {
		p.stage = stage
		p.bar.Describe(words)
		_ = p.bar.Set(int(1000 * f))
		return
	}
	waited := now.Sub(p.line)
	due := p.printed == unprinted || waited >= linePause && (stage != p.stage || int(10*f) > int(10*p.printed)) ||
		waited >= longPause && f >= p.printed+0.01
	if due {
		p.line, p.printed, p.stage = now, f, stage
		_, _ = fmt.Fprintf(p.out, "%3.0f %% %s\n", 100*f, words)
	}
}

// left is the time that the rest takes at the pace so far; 0 while too little is done to tell.
func (p *Bar) left(now time.Time) time.Duration {
	const least = 0.02
	passed, done := now.Sub(p.began), p.furthest-p.first
	if done < least || passed < linePause {
		return 0
	}
	return time.Duration(float64(passed) * (1 - p.furthest) / done)
}

// wholeSeconds is at least one.
func wholeSeconds(d time.Duration) time.Duration { return max(time.Second, d.Round(time.Second)) }

// Finish ends the bar or the lines, and says how long the work took if it is done.
func (p *Bar) Finish(ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	off := p.off
	p.off = true
	if off || p.began.IsZero() {
		return
	}
	took := amount.Duration(wholeSeconds(p.now().Sub(p.began)))
	switch {
	case p.bar == nil && ok:
		_, _ = fmt.Fprintf(p.out, "100 %% done in %s\n", took)
	case p.bar != nil && ok:
		_ = p.bar.Finish()
		_, _ = fmt.Fprintf(p.out, "done in %s\n", took)
	case p.bar != nil:
		_ = p.bar.Exit()
		_, _ = fmt.Fprintf(p.out, "\nstopped at %.0f %% while %s\n", 100*p.furthest, p.stage)
	}
}
