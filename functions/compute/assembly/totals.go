package assembly

import (
	"encoding/json"
	"fmt"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// totals are what the maps of the whole DEM need of all tiles.
type totals struct {
	// Sums are added up by climate year.
	Sums     map[int]record.Sums `json:"sums,omitempty"`
	ClearSky *ClearSky           `json:"clear_sky,omitempty"`
	// Valid counts the cells with a result.
	Valid int `json:"valid"`
	// Seconds is the time spent in tiles, Longest that of the slowest.
	Seconds float64 `json:"seconds"`
	Longest float64 `json:"longest"`
	// Level counts the levels of maps whose phases are complete.
	Level int `json:"level,omitempty"`
}

// TotalsOf adds what the tiles of a job recorded, in their order.
func TotalsOf(r job.Request, done []job.Record) (totals, error) {
	var t totals
	tiles := make([]record.TileResult, len(done))
	for i, record := range done {
		if err := json.Unmarshal(record.Result, &tiles[i]); err != nil {
			return t, fmt.Errorf("%w: record of tile %s: %w", job.ErrDamaged, record.Task, err)
		}
		t.Seconds += record.Seconds
		t.Longest = max(t.Longest, record.Seconds)
		t.Valid += tiles[i].Valid
	}
	var err error
	if t.Sums, err = addSums(r, tiles); err != nil {
		return t, err
	}
	t.ClearSky, err = clearSky(r.Parameters, tiles)
	return t, err
}

// totalsIn reads the totals that a phase of maps, or the assembly, has with it.
func totalsIn(p *job.Phase) (t totals, err error) {
	if err := json.Unmarshal(p.Data, &t); err != nil {
		return t, fmt.Errorf("%w: phase %d: %w", job.ErrDamaged, p.Number, err)
	}
	return t, nil
}

// addSums adds what all tiles summed, by climate year.
func addSums(r job.Request, tiles []record.TileResult) (map[int]record.Sums, error) {
	if r.Workflow != param.EEMT {
		return nil, nil
	}
	sums := map[int]record.Sums{}
	for _, year := range r.Parameters.Years() {
		var total record.Sums
		for _, t := range tiles {
			total.Add(t.Sums[year])
		}
		if err := total.Err(); err != nil { // no tile records such sums
			return nil, fmt.Errorf("%w: tiles of job %s, %d: %w", job.ErrDamaged, r.ID, year, err)
		}
		sums[year] = total
	}
	return sums, nil
}

// closeWater takes kappa of every climate year and month.
func closeWater(params energy.Parameters, sums map[int]record.Sums) map[int][12]float64 {
	kappa := map[int][12]float64{}
	for year, s := range sums {
		var k [12]float64
		for m := range k {
			k[m] = 1
			if params.MCWIClose {
				k[m] = energy.Kappa(s.Peff[m].Float64(), s.AlphaPeff[m].Float64())
			}
		}
		kappa[year] = k
	}
	return kappa
}

// ClearSky is the clear-sky index that a job applied, by month, over the cells with a result.
type ClearSky struct {
	// From is values, raster or climate.
	From    string      `json:"from"`
	Mean    [12]float64 `json:"mean"`
	Minimum [12]float64 `json:"minimum"`
	Maximum [12]float64 `json:"maximum"`
}

// clearSky is nil for a job without a clear-sky index, and where no tile noted any.
func clearSky(p param.Parameters, tiles []record.TileResult) (*ClearSky, error) {
	c := &ClearSky{From: "values"}
	switch {
	case p.KCClimate:
		c.From = "climate"
	case p.KCRaster != nil:
		c.From = "raster"
	case p.KC != nil:
		c.Mean = param.Factor(p.KC)
		c.Minimum, c.Maximum = c.Mean, c.Mean
		return c, nil
	default:
		return nil, nil
	}
	all := record.NewClearSky()
	for _, t := range tiles {
		if t.ClearSky != nil {
			all.AddAll(t.ClearSky)
		}
	}
	if err := all.Err(); err != nil { // no tile records such sums
		return nil, fmt.Errorf("%w: clear-sky index of tiles: %w", job.ErrDamaged, err)
	}
	var ok bool
	if c.Mean, ok = all.Mean(); !ok {
		return nil, nil
	}
	c.Minimum, c.Maximum = all.Minimum, all.Maximum
	return c, nil
}
