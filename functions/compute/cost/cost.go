// Package cost is the one model of what work takes.
package cost

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/arithmetic"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/product"
)

// DefaultMemory is what a process may take where nothing is said of it: 1 GiB.
const DefaultMemory = 1 << 30

// Cost foresees what jobs take on a replica, cuts them to fit it, and refuses
// what is too large.
type Cost struct {
	// Memory is what the process may take, in bytes; 0 stands for DefaultMemory.
	Memory int64
	// Cores it has; 0 stands for 2.
	Cores int
	// Speed of a core, of that the model was measured on; 0 stands for 1.
	Speed float64
	// The most cells of a DEM, core hours and bytes of results of a job; 0 for no limit.
	MaxCells     int64
	MaxCoreHours float64
	MaxResults   int64
	// MaxEvent is the longest that one event may take; 0 for no limit.
	MaxEvent time.Duration
	// MaxTemp is what temporary files of a replica may take, in bytes; 0 for no limit.
	MaxTemp int64
}

// The model, measured on mountains (docs/performance.md); it is good to a factor
// of two on other terrain.
const (
	// Core seconds per cell: of slopes, horizons and the like; per look at the sun in
	// an hour; of each climate year; of the pass over the whole terrain; per daily map;
	// per layer of work files. Those of maps are in groups.go.
	secondsPerCell     = 2.9e-6
	secondsPerLook     = 0.47e-6
	secondsPerYear     = 3.9e-6
	SecondsOfTerrain   = 1.5e-6
	dailySecondsPerMap = 0.1e-6
	secondsPerLayer    = 0.03e-6
	// bytesPerCell of a compressed layer of a work file.
	bytesPerCell = 3.2

	// startMemory is what the process takes without any cell.
	StartMemory = 60 << 20
	// Bytes per cell of a part: of its own, of each layer beyond those of sol, twice
	// the float32 since garbage takes as much again; and per cell of the DEM read.
	partBytes  = 800
	layerBytes = 8
	fieldBytes = 24
	farBytes   = 8

	// partMost bounds the side of a part: larger ones are not faster.
	partMost = 768
	// taskSeconds is what a tile should take, taskBytes the most its work files may. Whole
	// blocks make of the seconds half as much to twice as much.
	taskSeconds = 22
	taskBytes   = 512 << 20
)

// OrDefault returns c with defaults in the place of zeros.
func (c Cost) OrDefault() Cost {
	c.Memory, c.Cores, c.Speed = cmp.Or(c.Memory, DefaultMemory), cmp.Or(c.Cores, 2), cmp.Or(c.Speed, 1)
	return c
}

// layers counts the values a tile keeps of each cell beyond those of sol at a
// time, and those it writes in all.
func layers(w param.Workflow, p param.Parameters) (kept, written int) {
	written = workfile.BandSun + 3*workfile.SunBands(p)
	for _, l := range p.Layers {
		switch l {
		case param.Horizon:
			written += 360 / product.HorizonStep
		case param.SkyView:
			written++
		default:
			kept, written = kept+12, written+workfile.SunBands(p)
		}
	}
	if w == param.EEMT {
		bands := workfile.BandsOfYear(p)
		kept += bands
		written += bands * len(p.Years())
	}
	if p.Daily {
		written += 365 * len(workfile.Radiations(p))
	}
	return kept, written
}

// tileSecondsPerCell are the core seconds a tile takes for each cell.
func (c Cost) tileSecondsPerCell(w param.Workflow, p param.Parameters) float64 {
	_, written := layers(w, p)
	s := secondsPerCell + secondsPerLook*60/p.Step + secondsPerLayer*float64(written)
	if w == param.EEMT {
		s += secondsPerYear * float64(len(p.Years()))
	}
	if p.Daily {
		s += dailySecondsPerMap * 365 * float64(len(workfile.Radiations(p)))
	}
	return s / c.Speed
}

// Field is how many cells of the DEM a part reads at most. A coarse cell of the far
// terrain, which is held as it is stored, counts as farBytes do.
func Field(far *record.Far, near, width, height int) int {
	if far == nil {
		return width * height
	}
	around := func(size, reach int) int { return min(size, far.Block+2*reach) }
	n := around(width, near) * around(height, near)
	for _, factor := range far.Factors {
		near *= 2
		n += around(width, near) / factor * (around(height, near) / factor) * farBytes / fieldBytes
	}
	return n
}

// PartSide is the side of the parts that tiles are computed in, so that one takes
// no more than nine tenths of the memory.
func (c Cost) PartSide(w param.Workflow, p param.Parameters, fieldCells int) int {
	c = c.OrDefault()
	kept, _ := layers(w, p)
	free := 0.9*float64(c.Memory) - StartMemory - fieldBytes*float64(fieldCells)
	side := int(math.Sqrt(max(free, 0) / float64(partBytes+layerBytes*kept)))
	if side >= workfile.Block {
		return min(side/workfile.Block*workfile.Block, partMost)
	}
	return 64
}

// partMemory is what a part takes.
func partMemory(w param.Workflow, p param.Parameters, cells, fieldCells float64) float64 {
	kept, _ := layers(w, p)
	return StartMemory + fieldBytes*fieldCells + float64(partBytes+layerBytes*kept)*cells
}

// TileSide is the side of tiles that take taskSeconds, in whole blocks where the
// DEM is cut into such.
func (c Cost) TileSide(w param.Workflow, p param.Parameters, block int) int {
	c = c.OrDefault()
	_, written := layers(w, p)
	side := math.Sqrt(taskSeconds * float64(c.Cores) / c.tileSecondsPerCell(w, p))
	most := int(math.Sqrt(taskBytes / (bytesPerCell * float64(written))))
	if block > 0 {
		return max(1, min(int(math.Round(side/float64(block))), most/block)) * block
	}
	return max(workfile.Block, min(int(side), most)/workfile.Block*workfile.Block)
}

// ofMaps are the core seconds and the bytes of a cell of all maps of a job.
func ofMaps(w param.Workflow, p param.Parameters) (seconds, bytes float64) {
	for _, pr := range arithmetic.All(w, p) {
		seconds += pr.SecondsPerCell()
		bytes += pr.TempPerCell() // which is stored then
	}
	return seconds, bytes
}

// Estimate tells what a job on a DEM of width x height cells takes.
func (c Cost) Estimate(w param.Workflow, p param.Parameters, width, height int) inspect.Work {
	c = c.OrDefault()
	cells := float64(width) * float64(height)
	mapSeconds, bytes := ofMaps(w, p)
	seconds := c.tileSecondsPerCell(w, p) + mapSeconds/c.Speed
	memory := 0.0
	if w == param.EEMT {
		seconds += SecondsOfTerrain / c.Speed
		threads := DrainageThreads(c.Cores)
		side := min(2*float64(DrainageSide(c.Memory/int64(threads))), math.Sqrt(cells))
		memory = StartMemory + float64(threads)*2*25*side*side
	}
	reach := workfile.Reach{}.OrDefault()
	far := reach.Far(width, height)
	block := 0
	if far != nil {
		block = far.Block
	}
	side := p.TileSize
	if side == 0 {
		side = c.TileSide(w, p, block)
	} else if block > 0 {
		side = min(side, block)
	}
	n := Field(far, reach.Near, width, height)
	part := math.Min(float64(c.PartSide(w, p, n)), float64(side))
	memory = math.Max(memory, partMemory(w, p, math.Min(cells, part*part), float64(n)))
	return inspect.Work{
		Tiles: workfile.CountTiles(width, height, side, block), Seconds: math.Ceil(seconds * cells / float64(c.Cores)), Cores: c.Cores,
		Memory: int64(memory), Results: int64(bytes * cells),
	}
}

// CheckDEM refuses a DEM that is larger than what is allowed, whatever the job.
func (c Cost) CheckDEM(width, height int) error {
	if cells := int64(width) * int64(height); c.MaxCells > 0 && cells > c.MaxCells {
		return fmt.Errorf("the DEM has %d x %d = %d cells: at most %d are allowed here (EEMT_MAX_CELLS); %s",
			width, height, cells, c.MaxCells, dem.Cut(width, height, c.MaxCells, dem.MaxSide))
	}
	return nil
}

// Check refuses a job that is larger than what is allowed.
func (c Cost) Check(w param.Workflow, p param.Parameters, width, height int) error {
	if err := c.CheckDEM(width, height); err != nil {
		return err
	}
	work := c.Estimate(w, p, width, height)
	if hours := work.Seconds * float64(work.Cores) / 3600; c.MaxCoreHours > 0 && hours > c.MaxCoreHours {
		return fmt.Errorf("the job would take about %.3g core hours on %d x %d cells: at most %g are allowed here (EEMT_MAX_CORE_HOURS); take a smaller DEM, fewer years or a longer step",
			hours, width, height, c.MaxCoreHours)
	}
	if c.MaxResults > 0 && work.Results > c.MaxResults {
		return fmt.Errorf("the maps would take about %s for %d x %d cells: at most %s are allowed here (EEMT_MAX_RESULT_BYTES); take maps annual, no daily maps, fewer years or a smaller DEM",
			amount.Bytes(work.Results), width, height, amount.Bytes(c.MaxResults))
	}
	if name, seconds := c.slowestMap(w, p, width, height); c.MaxEvent > 0 && seconds > c.MaxEvent.Seconds() {
		return fmt.Errorf("%s alone would take about %s for %d x %d cells on %s: an event may take at most %s here (EEMT_EVENT_TIMEOUT); leave it out, take a smaller DEM, or ask for replicas with more cores",
			name, amount.Duration(time.Duration(seconds*float64(time.Second))), width, height, amount.Count(c.OrDefault().Cores, "core"), amount.Duration(c.MaxEvent))
	}
	if name, bytes := c.largestTemp(w, p, width, height); c.MaxTemp > 0 && bytes > c.MaxTemp {
		return fmt.Errorf("%s would take about %s of temporary files for %d x %d cells: a replica has %s for them here (EEMT_TEMP_BYTES); take a smaller DEM, or give replicas more room",
			name, amount.Bytes(bytes), width, height, amount.Bytes(c.MaxTemp))
	}
	return nil
}

// RingTemp is what the plan spools of the rings of far terrain, in bytes for each cell of the DEM:
// a third as many cells, two values each.
const RingTemp = 2

// largestTemp is the work that takes the most temporary files of what no task can share, and
// how many bytes.
func (c Cost) largestTemp(w param.Workflow, p param.Parameters, width, height int) (name string, bytes int64) {
	cells := float64(width) * float64(height)
	if (workfile.Reach{}).OrDefault().Far(width, height) != nil {
		name, bytes = "thinning the DEM", int64(cells*RingTemp)
	}
	for _, pr := range arithmetic.All(w, p) {
		if b := int64(cells * pr.TempPerCell()); b > bytes {
			name, bytes = "making "+pr.Maps[0].Name+" and what goes with it", b
		}
	}
	return name, bytes
}

// TempOfBatch is what maps that are made in one go may spool, in bytes for each cell, where so
// many batches are in work at a time: three quarters of the room, since compression differs.
func (c Cost) TempOfBatch(width, height, batches int) float64 {
	if c.MaxTemp <= 0 {
		return math.Inf(1)
	}
	return 0.75 * float64(c.MaxTemp) / (float64(width) * float64(height) * float64(max(1, batches)))
}

// slowestMap is the map that takes the longest of those that no task can share, and the
// seconds it takes.
func (c Cost) slowestMap(w param.Workflow, p param.Parameters, width, height int) (name string, seconds float64) {
	c = c.OrDefault()
	cells := float64(width) * float64(height) / (float64(c.Cores) * c.Speed)
	for _, pr := range arithmetic.All(w, p) {
		if s := cells * pr.SecondsPerCell(); s > seconds {
			name, seconds = pr.Maps[0].Name, s
		}
	}
	return name, seconds
}
