// Package rangeread reads parts of a remote file at any offset with few requests.
package rangeread

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/cyverse-gis/eemt/shared/fault"

	"github.com/cyverse-gis/eemt/shared/retry"
)

// ErrChanged is wrapped by the error of a read that finds the file replaced since it was opened.
var ErrChanged = fault.New(fault.Conflict, errors.New("file changed since it was opened: open it again"))

// ErrUnavailable is wrapped by the error of a read that failed for a passing reason as often as it was tried.
var ErrUnavailable = errors.New("not reachable at present")

// A Reader holds at most cacheBlocks blocks of blockSize bytes beside those being read. Sixteen blocks in one request
// are 4 MiB: large enough to hide the latency of an object store, small enough to repeat.
const (
	blockSize   = 256 << 10
	cacheBlocks = 128
	maxRun      = 16
	maxTries    = 4
	firstPause  = 200 * time.Millisecond
	maxPause    = 30 * time.Second
	tryTimeout  = 2 * time.Minute
)

// source fetches bytes of one file that must not change.
type source interface {
	// read fills dst from off on. It wraps errors that a repetition cannot mend in permanent.
	read(ctx context.Context, dst [][]byte, off int64) error
	// String names the file in errors, without secrets.
	String() string
}

// unavailable marks an error as ErrUnavailable without a word of its own.
type unavailable struct{ error }

func (u unavailable) Is(target error) bool  { return target == ErrUnavailable }
func (u unavailable) Unwrap() error         { return u.error }
func (u unavailable) FaultKind() fault.Kind { return fault.Unavailable }

// absent marks an error as fs.ErrNotExist without a word of its own.
type absent struct{ error }

func (a absent) Is(target error) bool  { return target == fs.ErrNotExist }
func (a absent) Unwrap() error         { return a.error }
func (a absent) FaultKind() fault.Kind { return fault.NotFound }

// permanent marks an error that is not retried.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// config is what tests change.
type config struct {
	block, blocks, run int
	timeout            time.Duration
	sleep              func(ctx context.Context, d time.Duration) error
}

func defaults() config {
	return config{block: blockSize, blocks: cacheBlocks, run: maxRun, timeout: tryTimeout, sleep: retry.Sleep}
}

// Reader reads a remote file through a cache of recently used blocks. Blocks that are missing side by side are
// fetched in one request, a block that several readers want at a time once. Passing faults are retried up to
// three times. It is safe for concurrent use.
type Reader struct {
	src    source
	size   int64
	cfg    config
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	blocks  map[int64]*list.Element // of *block
	recent  list.List               // most recent first
	pending map[int64]*fetch
	closed  bool
}

var (
	_ io.ReaderAt = (*Reader)(nil)
	_ io.Closer   = (*Reader)(nil)
)

type block struct {
	index int64
	data  []byte
}

// fetch is a request under way for adjacent blocks.
type fetch struct {
	first int64
	data  [][]byte
	err   error
	done  chan struct{}
}

func newReader(ctx context.Context, src source, size int64, cfg config) *Reader {
	r := &Reader{src: src, size: size, cfg: cfg, blocks: map[int64]*list.Element{}, pending: map[int64]*fetch{}}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

// Size returns the length of the file in bytes.
func (r *Reader) Size() int64 { return r.size }

// Close ends reads under way and frees the cache. Reads after it return an error wrapping os.ErrClosed.
func (r *Reader) Close() error {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.blocks, r.pending = nil, nil
	r.recent.Init()
	return nil
}

// ReadAt implements io.ReaderAt. It fails when the context the Reader was made with ends.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("%s: offset %d: must not be negative", r.src, off)
	}
	if off >= r.size {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.size-off)]
	size := int64(r.cfg.block)
	last := (off + int64(len(want)) - 1) / size
	n := 0
	for n < len(want) {
		at := off + int64(n)
		data, err := r.get(at/size, last)
		if err != nil {
			return n, err
		}
		n += copy(want[n:], data[at%size:])
	}
	if len(want) < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// get returns block i, fetching it together with missing blocks that follow up to last.
func (r *Reader) get(i, last int64) ([]byte, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, fmt.Errorf("%s: %w", r.src, os.ErrClosed)
	}
	if e, ok := r.blocks[i]; ok {
		r.recent.MoveToFront(e)
		data := e.Value.(*block).data
		r.mu.Unlock()
		return data, nil
	}
	f, waiting := r.pending[i]
	if !waiting {
		f = &fetch{first: i, done: make(chan struct{})}
		for j := i; j <= last && j < i+int64(r.cfg.run); j++ {
			if r.blocks[j] != nil || r.pending[j] != nil {
				break
			}
			r.pending[j] = f
			f.data = append(f.data, make([]byte, min(int64(r.cfg.block), r.size-j*int64(r.cfg.block))))
		}
	}
	r.mu.Unlock()
	if waiting {
		select {
		case <-f.done:
		case <-r.ctx.Done():
			return nil, fmt.Errorf("%s: %w", r.src, r.why())
		}
	} else {
		r.run(f)
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.data[i-f.first], nil
}

// run does f with retries and puts its blocks into the cache.
func (r *Reader) run(f *fetch) {
	err := repeat(r.ctx, r.cfg, func(ctx context.Context) error {
		return r.src.read(ctx, f.data, f.first*int64(r.cfg.block))
	})
	if err != nil {
		if r.ctx.Err() != nil {
			err = r.why()
		}
		f.err = fmt.Errorf("%s: %w", r.src, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(f.done)
	for k := range f.data {
		i := f.first + int64(k)
		if r.closed {
			return
		}
		delete(r.pending, i)
		if f.err == nil {
			r.keep(i, f.data[k])
		}
	}
}

// keep puts a block into the cache in place of the least recently used; r.mu is held.
func (r *Reader) keep(i int64, data []byte) {
	if r.blocks[i] != nil {
		return
	}
	r.blocks[i] = r.recent.PushFront(&block{i, data})
	for r.recent.Len() > r.cfg.blocks {
		old := r.recent.Remove(r.recent.Back()).(*block)
		delete(r.blocks, old.index)
	}
}

// why returns the error of a read that was ended: that the reader was closed, or the reason of its context.
func (r *Reader) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return os.ErrClosed
	}
	return r.ctx.Err()
}

// repeat calls do until it succeeds, fails for good, ctx ends or maxTries are used up.
func repeat(ctx context.Context, cfg config, do func(ctx context.Context) error) error {
	p := retry.Policy{Attempts: maxTries, Pause: retry.Doubling(firstPause, maxPause), Sleep: cfg.sleep}
	lasting := false // the fault will not pass
	err := p.Do(ctx, func(int) (again bool, err error) {
		tctx, cancel := context.WithTimeout(ctx, cfg.timeout)
		defer cancel()
		err = do(tctx)
		if p := (permanent{}); errors.As(err, &p) {
			lasting, err = true, p.error
		}
		return !lasting, err
	})
	switch {
	case err == nil, lasting:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return unavailable{fmt.Errorf("gave up after %d tries: %w", maxTries, err)}
}

// fill reads exactly the blocks of dst.
func fill(body io.Reader, dst [][]byte) error {
	for _, d := range dst {
		if _, err := io.ReadFull(body, d); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("answer ended early: %w", err)
		}
	}
	return nil
}

func length(dst [][]byte) int64 {
	var n int64
	for _, d := range dst {
		n += int64(len(d))
	}
	return n
}
