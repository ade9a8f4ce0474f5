package assembly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sourcegraph/conc"
	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/preview"
	"github.com/cyverse-gis/eemt/shared/product"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// noData is the number that marks cells of a DEM without elevation, as text; empty where none does.
func noData(d *dem.DEM) string {
	if !d.Image.HasNoData {
		return ""
	}
	return strconv.FormatFloat(d.Image.NoData, 'g', -1, 64)
}

// Report says what a job computed, from what, and what came out.
type Report struct {
	JobID      string           `json:"job_id"`
	Workflow   param.Workflow   `json:"workflow"`
	Version    string           `json:"version"`
	Parameters param.Parameters `json:"parameters"`
	Created    time.Time        `json:"created"`
	Finished   time.Time        `json:"finished"`
	DEM        ReportDEM        `json:"dem"`
	Tiles      int              `json:"tiles"`
	// Seconds is the time spent in tiles, summed.
	Seconds float64 `json:"tile_seconds"`
	// Longest is the time of the slowest tile.
	Longest float64 `json:"longest_tile_seconds"`
	// Estimate is what the plan foresaw.
	Estimate *record.Estimate `json:"estimate,omitempty"`
	// SolarCalendar states the year the sun was integrated over.
	SolarCalendar string             `json:"solar_calendar"`
	Energy        *energy.Parameters `json:"energy,omitempty"`
	// ClearSky is the clear-sky index applied; nil under a clear sky.
	ClearSky *ClearSky `json:"clear_sky_index,omitempty"`
	// Turbidity is that of the climatology where it was taken.
	Turbidity *replica.Turbidity `json:"turbidity,omitempty"`
	// Sources are the files that climate and inputs were read from.
	Sources     []record.Source     `json:"sources,omitempty"`
	Climate     map[int]Climate     `json:"climate,omitempty"`
	Kappa       map[int][12]float64 `json:"kappa,omitempty"`
	MeanWetness map[int]float64     `json:"mean_wetness,omitempty"`
	// Findings are what was noticed about the inputs and the results.
	Findings finding.List `json:"findings"`
	Layers   []Layer      `json:"layers"`
	Previews []string     `json:"previews"`
}

// Climate is the mean climate over the cells with a result, in one year.
type Climate struct {
	Temperature   float64 `json:"mean_annual_temperature_degC"`
	Precipitation float64 `json:"annual_precipitation_mm"`
}

// ReportDEM describes the input.
type ReportDEM struct {
	Name      string  `json:"name"`
	SHA256    string  `json:"sha256"`
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	Valid     int     `json:"valid_cells"`
	CRS       string  `json:"crs"`
	CellSize  float64 `json:"cell_size_m"`
	Minimum   float64 `json:"minimum_m"`
	Maximum   float64 `json:"maximum_m"`
	Longitude float64 `json:"center_longitude"`
	Latitude  float64 `json:"center_latitude"`
	// Vertical is how many metres one unit of the file's elevations is.
	Vertical float64 `json:"metres_per_unit"`
	// NoData is the number in the file that marks cells without elevation; empty where none is declared.
	NoData string `json:"nodata,omitempty"`
}

// Layer is the statistics of one map over its cells with data.
type Layer struct {
	Name        string  `json:"name"`
	Description string  `json:"description"`
	Unit        string  `json:"unit"`
	SHA256      string  `json:"sha256"`
	Mean        float64 `json:"mean"`
	Minimum     float64 `json:"minimum"`
	Maximum     float64 `json:"maximum"`
	// Bands of a map of several, over all of which the statistics are.
	Bands int `json:"bands,omitempty"`
	// Doubt is what makes the map's values doubtful as a whole.
	Doubt string `json:"doubt,omitempty"`
	// Summary marks the few maps that tell the most.
	Summary bool `json:"summary,omitempty"`
	// Display is how a page shows the map.
	product.Display
}

// writeReport draws the previews, and writes the item and the report.
func (a *assembly) writeReport(ctx context.Context) error {
	d, plan, kappa := a.mosaic.dem, a.mosaic.plan, a.kappa
	r := Report{
		JobID: a.mosaic.job.Request.ID, Workflow: a.mosaic.job.Request.Workflow, Version: a.mosaic.job.Version, Parameters: a.mosaic.job.Request.Parameters,
		Created: a.mosaic.job.Request.Created, Finished: a.mosaic.job.Now().UTC(), Tiles: len(plan.Tiles), Seconds: a.totals.Seconds, Longest: a.totals.Longest, Estimate: plan.Estimate,
		SolarCalendar: "365 days; the same sun serves every climate year",
		Kappa:         kappa, MeanWetness: plan.MeanWetness, Findings: append(finding.List{}, plan.Findings...), Previews: []string{},
		DEM: ReportDEM{
			Name: a.mosaic.job.Request.DEM.Name, SHA256: a.mosaic.job.Request.DEM.SHA256, Width: plan.Width, Height: plan.Height, Valid: plan.Valid,
			CRS: plan.CRS, CellSize: d.Cell.Mean(), Minimum: plan.Minimum, Maximum: plan.Maximum,
			Longitude: plan.Longitude, Latitude: plan.Latitude, Vertical: d.Vertical, NoData: noData(d),
		},
		Sources: plan.Sources,
	}
	var maps []product.Map
	for _, level := range a.mosaic.levels {
		for _, pr := range level {
			maps = append(maps, pr.Maps...)
		}
	}
	err := a.gatherChecksums(ctx)
	if err != nil {
		return err
	}
	if r.Layers, err = a.layers(ctx, maps); err != nil {
		return err
	}
	r.ClearSky = a.totals.ClearSky
	if a.mosaic.job.Request.Parameters.LinkeClimatology {
		t := replica.TurbidityOf(d, plan)
		r.Turbidity = &t
	}
	for i := range r.Layers {
		r.Layers[i].Summary = maps[i].Summary
		if maps[i].OfProduction {
			r.Layers[i].Doubt = productionDoubt(plan)
		}
	}
	if a.mosaic.job.Request.Workflow == param.EEMT {
		e := energy.DefaultParameters()
		if r.ClearSky != nil {
			e.CloudFactor = r.ClearSky.Mean
		}
		r.Energy = &e
		r.Climate = map[int]Climate{}
		for _, year := range a.mosaic.job.Request.Parameters.Years() {
			s := a.totals.Sums[year]
			area := s.Area.Float64()
			if area == 0 {
				continue // no cell has a result
			}
			r.Climate[year] = Climate{Temperature: s.Temperature.Float64() / area, Precipitation: s.Precipitation.Float64() / area}
		}
		r.Findings.Add(energyFindings(plan, a.mosaic.job.Request.Parameters.Years(), kappa)...)
		r.Findings.Add(crossCheck(r.Climate, a.mosaic.job.Request.Parameters.Years(), r.Layers)...)
	}
	r.Findings.Accept(a.mosaic.job.Request.Parameters.Accept)
	if r.Previews, err = a.previews(ctx, d, r.Layers); err != nil {
		return err
	}
	if err := a.writeItem(ctx, d, &r); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	return a.mosaic.job.Objects.Put(ctx, job.ResultKey(a.mosaic.job.Request.ID, workfile.ReportName), "application/json", func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
}

// layersAtOnce is how many maps have their statistics noted together: so many are looked
// at again when the process dies.
const layersAtOnce = 8

// layers takes the statistics of maps, and notes them for who goes on from here.
func (a *assembly) layers(ctx context.Context, maps []product.Map) ([]Layer, error) {
	layers := make([]Layer, len(maps))
	var work errgroup.Group // what fails does not stop the others, whose notes the next try goes on from
	work.SetLimit(a.mosaic.job.Objects.Calls())
	for from := 0; from < len(maps); from += layersAtOnce {
		some := maps[from:min(from+layersAtOnce, len(maps))]
		to := layers[from : from+len(some)]
		work.Go(a.mosaic.job.Guarded(ctx, func(ctx context.Context) error {
			// A note that cannot be read or written costs a look at its maps, no more.
			note := job.LayersKey(a.mosaic.job.Request.ID, from)
			if data, err := a.mosaic.job.Store.Bucket.ReadAll(ctx, note); err == nil {
				var noted []Layer
				if json.Unmarshal(data, &noted) == nil && slices.EqualFunc(noted, some, func(l Layer, m product.Map) bool { return l.Name == m.Name && l.SHA256 != "" }) {
					copy(to, noted)
					return nil
				}
			}
			for i, m := range some {
				var err error
				if to[i], err = a.layerOf(ctx, m); err != nil {
					return err
				}
			}
			data, err := json.Marshal(to)
			if err != nil {
				return fmt.Errorf("encode %s: %w", note, err)
			}
			if err := a.mosaic.job.Objects.PutBytes(ctx, note, data); err != nil {
				a.mosaic.job.Log.Debug("statistics of maps are not noted", "error", err)
			}
			return ctx.Err()
		}))
	}
	return layers, work.Wait()
}

// layerOf takes the statistics that the writer left in the map's own tags, and the checksum of
// what was written; of a map that nobody noted it is read again.
func (a *assembly) layerOf(ctx context.Context, m product.Map) (Layer, error) {
	l := Layer{Name: m.Name, Description: m.Description, Unit: m.Unit, Display: m.Display}
	if sum := a.mosaic.checksums[m.Name]; sum != "" {
		l.SHA256 = sum
	} else if sum, _, err := a.mosaic.job.Objects.Checksum(ctx, job.ResultKey(a.mosaic.job.Request.ID, m.Name)); err != nil {
		return l, err
	} else {
		l.SHA256 = sum
	}
	img, closer, err := a.mosaic.job.Objects.OpenImage(ctx, job.ResultKey(a.mosaic.job.Request.ID, m.Name))
	if err != nil {
		return l, err
	}
	defer func() { _ = closer.Close() }()
	if m.Bands != nil {
		l.Bands = img.Bands
	}
	for band := range img.Bands {
		items := img.Band(band).Metadata
		var mean, low, high float64
		for _, v := range []struct {
			to   *float64
			item string
		}{{&mean, "STATISTICS_MEAN"}, {&low, "STATISTICS_MINIMUM"}, {&high, "STATISTICS_MAXIMUM"}} {
			text, ok := items[v.item]
			if !ok {
				return l, nil // no cell has data, in this band as in the others
			}
			if *v.to, err = strconv.ParseFloat(text, 64); err != nil {
				return l, fmt.Errorf("map %s: %s: %w", m.Name, v.item, err)
			}
		}
		if band == 0 {
			l.Minimum, l.Maximum = low, high
		}
		l.Mean += mean / float64(img.Bands)
		l.Minimum, l.Maximum = min(l.Minimum, low), max(l.Maximum, high)
	}
	return l, nil
}

func energyFindings(plan *record.Plan, years []int, kappa map[int][12]float64) finding.List {
	var list finding.List
	if plan.Latitude < 0 {
		list.Add(finding.Finding{
			Code: finding.ModelHemisphere, Severity: finding.Note,
			Message: "southern hemisphere: northness enters the production of EEMT-TOPO with the opposite sign, a reading of the northern fit",
		})
	}
	for _, year := range years {
		for m, v := range kappa[year] {
			if v < energy.KappaLow || v > energy.KappaHigh {
				list.Add(finding.Finding{
					Code: finding.ModelKappa, Severity: finding.Doubt, Value: fmt.Sprintf("%.3f", v),
					Message: fmt.Sprintf("kappa of %s %d is %.3f, far from 1: wetness and effective precipitation are correlated over this DEM", calendar.Months[m], year, v),
					Next:    "use a single catchment",
				})
			}
		}
	}
	return list
}

// crossCheck compares the mean of EEMT-TRAD with the regression of Rasmussen &
// Tabor 2007, which is good to +-50 % where it is not cold: a factor of 3 tells of a wrong unit.
func crossCheck(climate map[int]Climate, years []int, layers []Layer) finding.List {
	var list finding.List
	for _, year := range years {
		name := product.Annual("EEMT", product.Trad, year)
		i := slices.IndexFunc(layers, func(l Layer) bool { return l.Name == name })
		c, ok := climate[year]
		expected := energy.RasmussenTabor(c.Temperature, c.Precipitation)
		if i < 0 || !ok || c.Temperature < energy.RasmussenTaborColdest || layers[i].Mean >= expected/3 && layers[i].Mean <= expected*3 {
			continue
		}
		list.Add(finding.Finding{
			Code: finding.ModelTrad, Severity: finding.Doubt, Value: fmt.Sprintf("%.1f MJ m-2 yr-1", layers[i].Mean),
			Message: fmt.Sprintf("mean EEMT-TRAD of %d is %.1f MJ m-2 yr-1, while a regression on mean climate (%.1f degC, %.0f mm; Rasmussen & Tabor 2007, +-50 %%) gives %.1f",
				year, layers[i].Mean, c.Temperature, c.Precipitation, expected),
			Next: "check the units of the climate",
		})
	}
	return list
}

// previewCells bounds the raster a preview is drawn from.
const previewCells = 4 << 20

// previewSide is the longer side of a preview, pixels.
const previewSide = 640

// previews draws the summary maps as PNG unless they are there, as many at a time as
// there are threads.
func (a *assembly) previews(ctx context.Context, d *dem.DEM, layers []Layer) ([]string, error) {
	var names []string
	var errs []error
	var mu sync.Mutex
	var wait conc.WaitGroup
	free := make(chan struct{}, max(1, a.mosaic.job.Threads))
	for _, l := range layers {
		if !l.Summary {
			continue
		}
		name := workfile.PreviewName(l.Name)
		names = append(names, name)
		if a.mosaic.made[name] {
			continue
		}
		free <- struct{}{}
		wait.Go(func() {
			defer func() { <-free }()
			err := a.mosaic.job.Objects.Put(ctx, job.ResultKey(a.mosaic.job.Request.ID, name), "image/png", func(w io.Writer) error { return a.draw(ctx, d, l, w) })
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wait.Wait()
	return names, errors.Join(errs...)
}

func (a *assembly) draw(ctx context.Context, d *dem.DEM, l Layer, w io.Writer) error {
	img, closer, err := a.mosaic.job.Objects.OpenImage(ctx, job.ResultKey(a.mosaic.job.Request.ID, l.Name))
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	whole := img
	for _, o := range img.Overviews() {
		if img.Width*img.Height <= previewCells {
			break
		}
		img = o
	}
	grid, err := img.Grid(ctx, 0, raster.Window{Width: img.Width, Height: img.Height})
	if err != nil {
		return err
	}
	opts := preview.Options{Title: l.Title, Unit: l.Unit, Ramp: l.Ramp, MaxSide: previewSide, CellSize: d.Cell.Mean() * float64(whole.Width) / float64(img.Width)}
	if img == whole {
		if opts.Relief, err = d.Elevation(ctx, d.Bounds()); err != nil {
			return err
		}
	}
	return a.paint(w, workfile.Narrow(grid), opts)
}
