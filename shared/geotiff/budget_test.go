package geotiff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// counted counts the reads at each offset.
type counted struct {
	io.ReaderAt
	mu    sync.Mutex
	reads map[int64]int
}

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	c.mu.Lock()
	c.reads[off]++
	c.mu.Unlock()
	return c.ReaderAt.ReadAt(b, off)
}

// Several windows give what each gives alone, and no block is read twice.
func TestReadWindows(t *testing.T) {
	g := hills[float32](700, 500)
	for i, name := range []string{"deflate", "zstd", "none"} {
		var out bytes.Buffer
		if err := Write(&out, Options{Transform: place, Compression: Compression(i), BlockSize: 128}, g); err != nil {
			t.Fatal(err)
		}
		in := &counted{ReaderAt: bytes.NewReader(out.Bytes()), reads: map[int64]int{}}
		m, err := Open(in, int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		windows := []raster.Window{
			{Col: 600, Row: 400, Width: 100, Height: 100},
			{Col: 10, Row: 10, Width: 300, Height: 200},
			{Col: 0, Row: 0, Width: 1, Height: 1},
			{Col: 200, Row: 100, Width: 300, Height: 300},
			{Col: 200, Row: 100, Width: 300, Height: 300},
			{Col: 0, Row: 499, Width: 700, Height: 1},
		}
		dst := make([][]float64, len(windows))
		for k, w := range windows {
			dst[k] = make([]float64, w.Width*w.Height)
		}
		clear(in.reads)
		if err := m.ReadWindows(t.Context(), 0, windows, dst); err != nil {
			t.Fatal(err)
		}
		for off, n := range in.reads {
			if n > 1 && name != "none" {
				t.Errorf("%s: the block at %d was read %d times", name, off, n)
			}
		}
		for k, w := range windows {
			want := make([]float64, w.Width*w.Height)
			if err := m.Read(t.Context(), 0, w, want); err != nil {
				t.Fatal(err)
			}
			compare(t, fmt.Sprint(name, " window ", k), w.Width, dst[k], want)
		}
		windows[1].Col = 600
		if err := m.ReadWindows(t.Context(), 0, windows, dst); err == nil {
			t.Errorf("%s: a window outside was read", name)
		}
		if err := m.ReadWindows(t.Context(), 0, windows[:1], dst); err == nil {
			t.Errorf("%s: one window was read into room for %d", name, len(dst))
		}
	}
}

// Blocks that are streamed hold the numbers that were written, in any window.
func TestStreamedBlocks(t *testing.T) {
	g := hills[float32](2500, 2100)
	for i, name := range []string{"deflate", "zstd"} {
		var out bytes.Buffer
		if err := Write(&out, Options{Transform: place, Compression: Compression(i), BlockSize: 2048, Level: 1}, g); err != nil {
			t.Fatal(err)
		}
		m := openBytes(t, out.Bytes())
		if m.rowBytes()*m.BlockHeight <= wholeBytes {
			t.Fatal("the blocks are not streamed")
		}
		for _, w := range []raster.Window{m.Bounds(), {Col: 2000, Row: 1000, Width: 100, Height: 1100}, {Col: 5, Row: 2047, Width: 7, Height: 1}, {Col: 0, Row: 3, Width: 2500, Height: 2}} {
			dst := make([]float64, w.Width*w.Height)
			if err := m.Read(t.Context(), 0, w, dst); err != nil {
				t.Fatalf("%s %+v: %v", name, w, err)
			}
			for k, v := range dst {
				if want := float64(g.At(w.Col+k%w.Width, w.Row+k/w.Width)); !same(v, want) {
					t.Fatalf("%s %+v: cell %d is %g, want %g", name, w, k, v, want)
				}
			}
		}
		// A block cut short, or changed, is damage.
		if err := m.index(); err != nil {
			t.Fatal(err)
		}
		m.counts[0] /= 2
		if err := m.Read(t.Context(), 0, m.Bounds(), make([]float64, m.Width*m.Height)); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "instead of") && !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: half a block: %v", name, err)
		}
		// Its first rows are there all the same.
		if err := m.Read(t.Context(), 0, raster.Window{Width: 100, Height: 10}, make([]float64, 1000)); err != nil {
			t.Errorf("%s: the first rows of half a block: %v", name, err)
		}
	}
}

// What is decoded at a time stays within the budget: reads wait for room, and what never has room is refused.
func TestBudget(t *testing.T) {
	of := func(side int) *Image {
		var out bytes.Buffer
		if err := Write(&out, Options{Transform: place, BlockSize: side, Level: 1}, hills[float32](side, side)); err != nil {
			t.Fatal(err)
		}
		return openBytes(t, out.Bytes())
	}
	before := decoding
	defer func() { decoding = before }()
	all := newBudget(1 << 20)
	decoding = func() *budget { return all }
	small, large := of(256), of(2048)
	if err := small.Read(t.Context(), 0, small.Bounds(), make([]float64, 256*256)); err != nil {
		t.Fatal(err)
	}
	var u *Unsupported
	if err := large.Read(t.Context(), 0, large.Bounds(), make([]float64, 2048*2048)); !errors.As(err, &u) || !strings.Contains(err.Error(), "blocks of 2048 x 2048 cells are too large (the limit is 1 MiB); convert with: "+fixTiled) {
		t.Errorf("%v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		all = newBudget(1 << 20)
		release, err := all.take(t.Context(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 2)
		read := func(ctx context.Context) {
			done <- small.Read(ctx, 0, small.Bounds(), make([]float64, 256*256))
		}
		go read(ctx)
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("a read did not wait for room")
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, ErrDamaged) {
			t.Errorf("a read that was given up: %v", err)
		}
		go read(t.Context())
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("a read did not wait for room")
		}
		release()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
