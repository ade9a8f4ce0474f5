package rangeread

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"
)

// content is n bytes that differ from place to place.
func content(n int) []byte {
	p := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

func small() config {
	return config{block: 100, blocks: 8, run: 4, timeout: time.Minute, sleep: func(context.Context, time.Duration) error { return nil }}
}

type call struct{ off, n int64 }

// counted is a source in memory that notes its calls and fails as told.
type counted struct {
	mu    sync.Mutex
	data  []byte
	calls []call
	fail  func(n int) error // n-th call, from 1
	gate  chan bool
}

func (c *counted) String() string { return "test" }

func (c *counted) read(ctx context.Context, dst [][]byte, off int64) error {
	c.mu.Lock()
	c.calls = append(c.calls, call{off, length(dst)})
	n := len(c.calls)
	c.mu.Unlock()
	if c.gate != nil {
		select {
		case <-c.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if c.fail != nil {
		if err := c.fail(n); err != nil {
			return err
		}
	}
	return fill(bytes.NewReader(c.data[off:]), dst)
}

func TestReaderAtContract(t *testing.T) {
	for _, n := range []int{1, 99, 100, 101, 1234} {
		data := content(n)
		r := newReader(t.Context(), &counted{data: data}, int64(n), small())
		if err := iotest.TestReader(io.NewSectionReader(r, 0, r.Size()), data); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestReadAtEdges(t *testing.T) {
	data := content(250)
	r := newReader(t.Context(), &counted{data: data}, 250, small())
	for _, c := range []struct {
		name   string
		off    int64
		len, n int
		err    error
	}{
		{"inside", 10, 200, 200, nil},
		{"to the end", 240, 10, 10, nil},
		{"over the end", 240, 11, 10, io.EOF},
		{"at the end", 250, 1, 0, io.EOF},
		{"past the end", 1 << 60, 1, 0, io.EOF},
		{"nothing", 0, 0, 0, nil},
		{"nothing past the end", 300, 0, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := make([]byte, c.len)
			n, err := r.ReadAt(p, c.off)
			if n != c.n || !errors.Is(err, c.err) {
				t.Fatalf("ReadAt = %d, %v; want %d, %v", n, err, c.n, c.err)
			}
			if n > 0 && !bytes.Equal(p[:n], data[c.off:c.off+int64(n)]) {
				t.Error("wrong bytes")
			}
		})
	}
	if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative offset was taken")
	}
}

func TestRequests(t *testing.T) {
	type read struct{ off, n int }
	for _, c := range []struct {
		name  string
		reads []read
		want  []call
	}{
		{"adjacent blocks in one request", []read{{50, 300}}, []call{{0, 400}}},
		{"cached", []read{{0, 10}, {90, 10}, {5, 1}}, []call{{0, 100}}},
		{"holes only", []read{{100, 1}, {0, 350}}, []call{{100, 100}, {0, 100}, {200, 200}}},
		{"longer than a run", []read{{0, 1000}}, []call{{0, 400}, {400, 400}, {800, 200}}},
		{"least recently used goes", []read{{0, 1}, {100, 800}, {0, 1}, {850, 1}}, []call{{0, 100}, {100, 400}, {500, 400}, {0, 100}}},
		{"a used block stays", []read{{0, 1}, {100, 700}, {0, 1}, {800, 1}, {0, 1}}, []call{{0, 100}, {100, 400}, {500, 300}, {800, 100}}},
		{"last block is short", []read{{1000, 34}}, []call{{1000, 34}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := &counted{data: content(1034)}
			r := newReader(t.Context(), src, 1034, small())
			for _, q := range c.reads {
				p := make([]byte, q.n)
				if _, err := r.ReadAt(p, int64(q.off)); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(p, src.data[q.off:q.off+q.n]) {
					t.Errorf("wrong bytes at %d", q.off)
				}
			}
			if got := fmt.Sprint(src.calls); got != fmt.Sprint(c.want) {
				t.Errorf("requests %v, want %v", got, c.want)
			}
			if len(r.blocks) > r.cfg.blocks || r.recent.Len() != len(r.blocks) || len(r.pending) != 0 {
				t.Errorf("%d blocks cached (%d listed), %d pending", len(r.blocks), r.recent.Len(), len(r.pending))
			}
		})
	}
}

func TestRetries(t *testing.T) {
	passing := errors.New("connection reset")
	for _, c := range []struct {
		name  string
		fail  func(n int) error
		calls int
		want  error
	}{
		{"passing fault", func(n int) error {
			if n < maxTries {
				return passing
			}
			return nil
		}, maxTries, nil},
		{"fault that stays", func(int) error { return passing }, maxTries, passing},
		{"permanent", func(int) error { return permanent{ErrChanged} }, 1, ErrChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := &counted{data: content(100), fail: c.fail}
			cfg := small()
			var waits []time.Duration
			cfg.sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
			r := newReader(t.Context(), src, 100, cfg)
			_, err := r.ReadAt(make([]byte, 10), 0)
			if !errors.Is(err, c.want) || len(src.calls) != c.calls {
				t.Errorf("error %v after %d requests; want %v after %d", err, len(src.calls), c.want, c.calls)
			}
			if len(waits) != c.calls-1 || len(waits) == 3 && waits[2] != 800*time.Millisecond {
				t.Errorf("waits %v", waits)
			}
			src.fail = nil
			if _, err := r.ReadAt(make([]byte, 10), 0); err != nil {
				t.Errorf("a failed block stays failed: %v", err)
			}
		})
	}
}

func TestOneRequestForConcurrentReaders(t *testing.T) {
	src := &counted{data: content(400), gate: make(chan bool)}
	r := newReader(t.Context(), src, 400, small())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			p := make([]byte, 400)
			if _, err := r.ReadAt(p, 0); err != nil || !bytes.Equal(p, src.data) {
				t.Errorf("read: %v", err)
			}
		})
	}
	close(src.gate)
	wg.Wait()
	if len(src.calls) != 1 {
		t.Errorf("requests %v, want one", src.calls)
	}
}

func TestConcurrentRandomReads(t *testing.T) {
	src := &counted{data: content(5000), fail: func(n int) error {
		if n%5 == 0 {
			return errors.New("reset")
		}
		return nil
	}}
	r := newReader(t.Context(), src, 5000, small())
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 7))
			for range 300 {
				off, n := rng.IntN(5000), rng.IntN(900)
				p := make([]byte, n)
				got, err := r.ReadAt(p, int64(off))
				if err != nil && !errors.Is(err, io.EOF) {
					t.Error(err)
					return
				}
				if !bytes.Equal(p[:got], src.data[off:off+got]) || got < min(n, 5000-off) {
					t.Errorf("wrong bytes at %d+%d", off, n)
				}
			}
		})
	}
	wg.Wait()
}

func TestCloseEndsReads(t *testing.T) {
	src := &counted{data: content(400), gate: make(chan bool)}
	r := newReader(t.Context(), src, 400, small())
	result := make(chan error)
	for range 2 { // one fetches, one waits for it
		go func() {
			_, err := r.ReadAt(make([]byte, 10), 0)
			result <- err
		}()
	}
	for {
		src.mu.Lock()
		n := len(src.calls)
		src.mu.Unlock()
		if n > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	_ = r.Close()
	for range 2 {
		if err := <-result; !errors.Is(err, os.ErrClosed) {
			t.Errorf("read under way: %v, want os.ErrClosed", err)
		}
	}
	if _, err := r.ReadAt(make([]byte, 10), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("read after Close: %v, want os.ErrClosed", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestContextEndsReads(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := newReader(ctx, &counted{data: content(400), gate: make(chan bool)}, 400, small())
	cancel()
	if _, err := r.ReadAt(make([]byte, 10), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestObject(t *testing.T) {
	ctx := t.Context()
	b := memblob.OpenBucket(nil)
	defer func() { _ = b.Close() }()
	data := content(1_000_000)
	write := func(p []byte) {
		t.Helper()
		if err := b.WriteAll(ctx, "uploads/dem.tif", p, nil); err != nil {
			t.Fatal(err)
		}
	}
	write(data)
	r, err := Object(ctx, b, "uploads/dem.tif")
	if err != nil {
		t.Fatal(err)
	}
	if r.Size() != 1_000_000 {
		t.Errorf("size %d", r.Size())
	}
	if err := iotest.TestReader(io.NewSectionReader(r, 0, r.Size()), data); err != nil {
		t.Error(err)
	}

	t.Run("changed", func(t *testing.T) {
		r, err := openObject(ctx, b, "uploads/dem.tif", small())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadAt(make([]byte, 10), 0); err != nil {
			t.Fatal(err)
		}
		write(data[:500_000])
		if _, err := r.ReadAt(make([]byte, 10), 1000); !errors.Is(err, ErrChanged) {
			t.Errorf("error %v, want ErrChanged", err)
		}
	})
	t.Run("removed", func(t *testing.T) {
		r, err := openObject(ctx, b, "uploads/dem.tif", small())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(ctx, "uploads/dem.tif"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadAt(make([]byte, 10), 0); gcerrors.Code(err) != gcerrors.NotFound {
			t.Errorf("error %v, want NotFound", err)
		}
	})
	t.Run("absent", func(t *testing.T) {
		if _, err := openObject(ctx, b, "nothing", small()); gcerrors.Code(err) != gcerrors.NotFound || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v, want NotFound", err)
		}
	})
	t.Run("empty", func(t *testing.T) {
		if err := b.WriteAll(ctx, "empty", nil, &blob.WriterOptions{}); err != nil {
			t.Fatal(err)
		}
		r, err := Object(ctx, b, "empty")
		if err != nil || r.Size() != 0 {
			t.Fatalf("size %v, error %v", r, err)
		}
		if _, err := r.ReadAt(make([]byte, 1), 0); !errors.Is(err, io.EOF) {
			t.Errorf("error %v, want io.EOF", err)
		}
	})
}

func BenchmarkReadAtCached(b *testing.B) {
	r := newReader(b.Context(), &counted{data: content(4 << 20)}, 4<<20, defaults())
	p := make([]byte, 64<<10)
	b.SetBytes(int64(len(p)))
	for i := range b.N {
		if _, err := r.ReadAt(p, int64(i*4096)%(4<<20-64<<10)); err != nil {
			b.Fatal(err)
		}
	}
}
