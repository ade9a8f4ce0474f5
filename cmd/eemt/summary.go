package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/cyverse-gis/eemt/functions/compute"
)

// show prints the table of the maps that tell the most, or the report.
func (o *runOptions) show(w io.Writer, r *compute.Report) error {
	if o.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Output string `json:"output"`
			*compute.Report
		}{o.output, r})
	}
	if o.quiet {
		return nil
	}
	return printSummary(w, r, o.output)
}

// printSummary says where the maps are and what their numbers mean.
func printSummary(w io.Writer, r *compute.Report, dir string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "map\tmean\tmin\tmax\tunit\tmeaning")
	for _, l := range r.Layers {
		if l.Summary {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Name, number(l.Mean), number(l.Minimum), number(l.Maximum), l.Unit, l.Description)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "\n%s: %d x %d cells of %.3g m, %s\n", r.DEM.Name, r.DEM.Width, r.DEM.Height, r.DEM.CellSize, r.DEM.CRS)
	for _, warning := range r.Warnings {
		_, _ = fmt.Fprintf(w, "note: %s\n", warning)
	}
	_, err := fmt.Fprintf(w, "%d maps in %s, pictures in %s/previews, the whole account in %s/%s\n", len(r.Layers), dir, dir, dir, compute.ReportName)
	return err
}

// number prints four significant digits without an exponent.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'g', 4, 64)
	if strings.Contains(s, "e") {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return s
}

// progress shows how far a run is: a bar on a terminal, else a line for every
// stage and tenth of the way.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	off   bool
	bar   *progressbar.ProgressBar
	tenth int
	// furthest is the largest share that was shown.
	furthest float64
	stage    string
	// left says how long it may take; empty if that is not known.
	left string
}

func newProgress(out io.Writer, off bool) *progress {
	p := &progress{out: out, off: off, tenth: -1}
	if f, ok := out.(interface{ Fd() uintptr }); ok && !off && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(1000,
			progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetDescription("terrain "),
		)
	}
	return p
}

// share turns the steps of a stage into the share of the whole run that is done.
func share(s compute.Progress) float64 {
	f := 0.0
	if s.Total > 0 {
		f = min(1, s.Done/s.Total)
	}
	switch s.Stage {
	case "terrain":
		return 0.05 * f
	case "climate":
		return 0.05
	case "maps":
		return 0.75 + 0.25*f
	}
	return 0.05 + 0.70*f
}

func (p *progress) update(s compute.Progress) { p.show(share(s), s.Stage) }

// expect says when the whole may be done; nil is not known.
func (p *progress) expect(at *time.Time, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = ""
	if at == nil {
		return
	}
	left := at.Sub(now)
	round := time.Minute
	switch {
	case left < time.Second:
		return
	case left < time.Minute:
		round = time.Second
	}
	text := left.Round(round).String()
	if round == time.Minute {
		text = strings.TrimSuffix(text, "0s")
	}
	p.left = ", about " + text + " left"
}

// show says that the share f of the whole is done, and what is being done.
func (p *progress) show(f float64, stage string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return
	}
	// Of a large DEM the climate is read before the water is followed: what was shown stays.
	f = max(f, p.furthest)
	p.furthest = f
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%-8s", stage+p.left))
		_ = p.bar.Set(int(1000 * f))
		return
	}
	if tenth := int(10 * f); tenth > p.tenth || stage != p.stage {
		p.tenth, p.stage = max(tenth, p.tenth), stage
		_, _ = fmt.Fprintf(p.out, "%3.0f %% %s%s\n", 100*f, stage, p.left)
	}
}

func (p *progress) finish(ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = true
	if p.bar == nil {
		return
	}
	if ok {
		_ = p.bar.Finish()
		return
	}
	_ = p.bar.Exit()
	_, _ = fmt.Fprintln(p.out)
}
