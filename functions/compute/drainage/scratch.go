package drainage

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/klauspost/compress/zstd"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// A scratch file keeps a tile of float64 between two phases. After a head come the
// rows and columns along its four sides, as they are, so that a window beside it reads
// only those: upper rows, lower rows, left columns, right columns. Then come all
// cells, the bytes of equal weight together, compressed.
const (
	scratchMagic = "EEMTtile"
	scratchHead  = 16
	// scratchRim is how many rows or columns are kept of each side: what the widest frame reads.
	scratchRim = terrain.AreaHalo
	// scratchMost is the longest side of a tile.
	scratchMost = 1 << 15
)

var (
	packer = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	})
	unpacker = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderConcurrency(0))
	})
)

// scratchSides are the parts of a tile that its rim has, in their order.
func scratchSides(width, height int) [4]raster.Window {
	w, h := min(width, scratchRim), min(height, scratchRim)
	return [4]raster.Window{
		{Width: width, Height: h},
		{Row: height - h, Width: width, Height: h},
		{Width: w, Height: height},
		{Col: width - w, Width: w, Height: height},
	}
}

// scratchSide finds a side that has all of a part of a tile, and where its cells begin in the file.
func scratchSide(width, height int, part raster.Window) (side raster.Window, off int64, ok bool) {
	off = scratchHead
	for _, side := range scratchSides(width, height) {
		if side.Contains(part) {
			return side, off, true
		}
		off += 8 * int64(side.Width) * int64(side.Height)
	}
	return side, off, false
}

func appendCells(b []byte, cells []float64) []byte {
	for _, v := range cells {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

// encodeScratch returns the file of a tile.
func encodeScratch(g *raster.Grid[float64]) ([]byte, error) {
	z, err := packer()
	if err != nil {
		return nil, err
	}
	b := binary.LittleEndian.AppendUint32([]byte(scratchMagic), uint32(g.Width))
	b = binary.LittleEndian.AppendUint32(b, uint32(g.Height))
	for _, side := range scratchSides(g.Width, g.Height) {
		b = appendCells(b, g.Sub(side).Cells)
	}
	n := len(g.Cells)
	planes := make([]byte, 8*n)
	for i, v := range g.Cells {
		bits := math.Float64bits(v)
		for k := range 8 {
			planes[k*n+i] = byte(bits >> (8 * k))
		}
	}
	return z.EncodeAll(planes, b), nil
}

// decodeScratch reads the file of a tile of width x height cells.
func decodeScratch(b []byte, width, height int) (*raster.Grid[float64], error) {
	if width < 1 || height < 1 || width > scratchMost || height > scratchMost {
		return nil, fmt.Errorf("tile of %d x %d cells: 1 to %d are allowed", width, height, scratchMost)
	}
	_, body, _ := scratchSide(width, height, raster.Window{Width: width + 1}) // which no side has
	if int64(len(b)) < body || string(b[:len(scratchMagic)]) != scratchMagic {
		return nil, fmt.Errorf("%d bytes are no tile", len(b))
	}
	if w, h := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:]); int64(w) != int64(width) || int64(h) != int64(height) {
		return nil, fmt.Errorf("tile of %d x %d cells, want %d x %d", w, h, width, height)
	}
	z, err := unpacker()
	if err != nil {
		return nil, err
	}
	g := raster.New[float64](width, height)
	n := len(g.Cells)
	planes, err := z.DecodeAll(b[body:], make([]byte, 0, 8*n))
	if err != nil {
		return nil, err
	}
	if len(planes) != 8*n {
		return nil, fmt.Errorf("tile has %d bytes, want %d", len(planes), 8*n)
	}
	for i := range g.Cells {
		var bits uint64
		for k := range 8 {
			bits |= uint64(planes[k*n+i]) << (8 * k)
		}
		g.Cells[i] = math.Float64frombits(bits)
	}
	return g, nil
}

// The two quantities that phases keep of each tile.
const (
	scratchFilled = "filled"
	scratchArea   = "area"
)

// scratchKey is the object of a tile as a phase wrote it. It is not written again by
// another phase, so that what a late task reads does not change.
func scratchKey(id, what string, phase int, tile terrain.Index) string {
	return job.WorkKey(id, fmt.Sprintf("%s%s_%04d_%s.bin", job.ScratchFolder, what, phase, job.TaskName(tile.Row, tile.Col)))
}

// scratch is one of the quantities as a phase finds it.
type scratch struct {
	job     *replica.Job
	what    string
	tiling  terrain.Tiling
	written []int // the phase that wrote each tile, row by row; 0 for none
	unknown float64
}

func (p *Terrain) scratch(d *record.Draft, work *terrainWork, what string) (*scratch, error) {
	s := &scratch{job: p.Job, what: what, tiling: d.Tiling(), written: work.Filled, unknown: terrain.Unseen}
	if what == scratchArea {
		s.written, s.unknown = work.Area, terrain.Pending
	}
	if across, down := s.tiling.Tiles(); len(s.written) != across*down {
		return nil, fmt.Errorf("%w: a phase of job %s tells of %d tiles of %s, not of %d", job.ErrDamaged, p.Job.Request.ID, len(s.written), what, across*down)
	}
	return s, nil
}

// read returns the cells of a window.
func (s *scratch) read(ctx context.Context, w raster.Window) (*raster.Grid[float64], error) {
	g := raster.New[float64](w.Width, w.Height)
	across, down := s.tiling.Tiles()
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(s.job.Objects.Calls())
	for r := w.Row / s.tiling.Side; r < down && r*s.tiling.Side < w.Row+w.Height; r++ {
		for c := w.Col / s.tiling.Side; c < across && c*s.tiling.Side < w.Col+w.Width; c++ {
			work.Go(func() error { return s.readTile(ctx, terrain.Index{Col: c, Row: r}, g, w) })
		}
	}
	return g, work.Wait()
}

// readTile reads what a window has of a tile into g.
func (s *scratch) readTile(ctx context.Context, at terrain.Index, g *raster.Grid[float64], w raster.Window) error {
	tile := s.tiling.Tile(at.Col, at.Row)
	part := tile.Intersect(w)
	to := func(row int) []float64 {
		return g.Row(part.Row + row - w.Row)[part.Col-w.Col : part.Col-w.Col+part.Width]
	}
	across, _ := s.tiling.Tiles()
	phase := s.written[at.Row*across+at.Col]
	if phase == 0 {
		for r := range part.Height {
			cells := to(r)
			for i := range cells {
				cells[i] = s.unknown
			}
		}
		return nil
	}
	key := scratchKey(s.job.Request.ID, s.what, phase, at)
	local := part
	local.Col -= tile.Col
	local.Row -= tile.Row
	from, origin, err := s.fetch(ctx, key, tile, local)
	if err != nil {
		return err
	}
	for r := range part.Height {
		copy(to(r), from.Row(local.Row + r - origin.Row)[local.Col-origin.Col:])
	}
	return nil
}

// fetch reads a side of a tile, or all of it; origin is where that lies in the tile.
func (s *scratch) fetch(ctx context.Context, key string, tile, local raster.Window) (g *raster.Grid[float64], origin raster.Window, err error) {
	side, off, ok := scratchSide(tile.Width, tile.Height, local)
	if !ok {
		b, err := s.job.Store.Bucket.ReadAll(ctx, key)
		if err != nil {
			return nil, origin, readError(key, err)
		}
		if g, err = decodeScratch(b, tile.Width, tile.Height); err != nil {
			return nil, origin, fmt.Errorf("%w: %s: %w", job.ErrDamaged, key, err)
		}
		return g, origin, nil
	}
	g = raster.New[float64](side.Width, side.Height)
	r, err := s.job.Store.Bucket.NewRangeReader(ctx, key, off, int64(8*len(g.Cells)), nil)
	if err != nil {
		return nil, origin, readError(key, err)
	}
	defer func() { _ = r.Close() }()
	b := make([]byte, 8*len(g.Cells))
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, origin, readError(key, err)
	}
	for i := range g.Cells {
		g.Cells[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return g, side, nil
}

// readError is a fault of the bucket, or engine.ErrGone.
func readError(key string, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return fmt.Errorf("read %s: %w", key, engine.ErrGone)
	}
	return fault.New(fault.Unavailable, fmt.Errorf("read %s: %w", key, err))
}

// write stores the tiles of a window that differ from what they were, in the name of
// a phase, and returns which. cells has the window at origin, was its cells before.
func (s *scratch) write(ctx context.Context, phase int, at terrain.Index, cells *raster.Grid[float64], origin raster.Window, was *raster.Grid[float64]) ([]terrain.Index, error) {
	core := s.tiling.Window(at)
	across, _ := s.tiling.Tiles()
	var wrote []terrain.Index
	for _, tile := range s.tiling.TilesOf(at) {
		w := s.tiling.Tile(tile.Col, tile.Row)
		now, before := w, w
		now.Col, now.Row = w.Col-origin.Col, w.Row-origin.Row
		before.Col, before.Row = w.Col-core.Col, w.Row-core.Row
		g := cells.Sub(now)
		if s.written[tile.Row*across+tile.Col] != 0 && equalBits(g, was.Sub(before)) {
			continue
		}
		b, err := encodeScratch(g)
		if err != nil {
			return nil, err
		}
		err = s.job.Objects.Put(ctx, scratchKey(s.job.Request.ID, s.what, phase, tile), "application/octet-stream", func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		})
		if err != nil {
			return nil, err
		}
		wrote = append(wrote, tile)
	}
	return wrote, nil
}

func equalBits(a, b *raster.Grid[float64]) bool {
	for i, v := range a.Cells {
		if math.Float64bits(v) != math.Float64bits(b.Cells[i]) {
			return false
		}
	}
	return true
}
