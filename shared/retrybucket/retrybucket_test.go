package retrybucket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/retrybucket"
)

var errAway = errors.New("away")

// quick sleeps for no time.
var quick = retrybucket.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}

// TestContractUnderFaults holds a bucket of which every fifth call fails, half of them after they took effect, to what the platform needs of it.
func TestContractUnderFaults(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 5))
			locked := make(chan struct{}, 1)
			b := retrybucket.Wrap(faultbucket.WrapAround(memblob.OpenBucket(nil), func(_, _ string, do func() error) error {
				locked <- struct{}{}
				fate := random.IntN(10)
				<-locked
				switch fate {
				case 0:
					return errAway
				case 1:
					_ = do()
					return errAway
				}
				return do()
			}, nil), retrybucket.Options{Tries: 12, Sleep: quick.Sleep})
			defer func() { _ = b.Close() }()
			contractOn(t, b)
		})
	}
}

func contractOn(t *testing.T, b *blob.Bucket) {
	t.Helper()
	ctx := t.Context()
	for n := range 30 {
		key := fmt.Sprintf("a/%02d", n)
		data := bytes.Repeat([]byte{byte(n)}, 1000*n)
		if err := b.WriteAll(ctx, key, data, &blob.WriterOptions{IfNotExist: true}); err != nil {
			t.Fatalf("create %s: %v", key, err)
		}
		if err := b.WriteAll(ctx, key, []byte("other"), &blob.WriterOptions{IfNotExist: true}); gcerrors.Code(err) != gcerrors.FailedPrecondition && gcerrors.Code(err) != gcerrors.AlreadyExists {
			t.Fatalf("create %s again: %v", key, err)
		}
		got, err := b.ReadAll(ctx, key)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%s: %d bytes (%v)", key, len(got), err)
		}
		if a, err := b.Attributes(ctx, key); err != nil || a.Size != int64(len(data)) {
			t.Fatalf("%s: %+v (%v)", key, a, err)
		}
	}
	it, n := b.List(&blob.ListOptions{Prefix: "a/"}), 0
	for {
		_, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 30 {
		t.Errorf("%d of 30 objects are listed", n)
	}
	for n := range 30 {
		if err := b.Delete(ctx, fmt.Sprintf("a/%02d", n)); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if err := b.Delete(ctx, "a/00"); gcerrors.Code(err) != gcerrors.NotFound && err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
}

func TestPassingFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		fails  int
		err    error
		want   bool
		called int
	}{
		{"none", 0, nil, true, 1},
		{"twice", 2, errAway, true, 3},
		{"as often as it is tried", 5, errAway, false, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			called := 0
			b := retrybucket.Wrap(faultbucket.Wrap(memblob.OpenBucket(nil), func(op, _ string) error {
				if op != faultbucket.Commit {
					return nil
				}
				if called++; called <= c.fails {
					return c.err
				}
				return nil
			}), quick)
			if err := b.WriteAll(t.Context(), "a", []byte("b"), nil); (err == nil) != c.want || called != c.called {
				t.Errorf("%d calls (%v), want %d", called, err, c.called)
			}
		})
	}
}

// TestLastingAnswersAreNotRepeated asks once for what is not there, or there already.
func TestLastingAnswersAreNotRepeated(t *testing.T) {
	calls := 0
	b := retrybucket.Wrap(faultbucket.Wrap(memblob.OpenBucket(nil), func(string, string) error { calls++; return nil }), quick)
	if _, err := b.ReadAll(t.Context(), "nothing"); gcerrors.Code(err) != gcerrors.NotFound || calls != 1 {
		t.Errorf("%d calls (%v)", calls, err)
	}
	if err := b.WriteAll(t.Context(), "a", nil, nil); err != nil {
		t.Fatal(err)
	}
	calls = 0
	if err := b.WriteAll(t.Context(), "a", nil, &blob.WriterOptions{IfNotExist: true}); gcerrors.Code(err) != gcerrors.FailedPrecondition && gcerrors.Code(err) != gcerrors.AlreadyExists || calls != 1 {
		t.Errorf("%d calls (%v)", calls, err)
	}
}

// TestLostAnswerIsNoLostRace creates an object whose first answer is lost: that the object is there
// then is no failure. An object of somebody else is.
func TestLostAnswerIsNoLostRace(t *testing.T) {
	for _, mine := range []bool{true, false} {
		inner := memblob.OpenBucket(nil)
		lost := false
		b := retrybucket.Wrap(faultbucket.WrapAround(inner, func(op, key string, do func() error) error {
			if op != faultbucket.Commit || lost {
				return do()
			}
			lost = true
			if !mine {
				if err := inner.WriteAll(t.Context(), key, []byte("theirs"), nil); err != nil {
					t.Fatal(err)
				}
				return errAway
			}
			if err := do(); err != nil {
				t.Fatal(err)
			}
			return errAway
		}, nil), quick)
		err := b.WriteAll(t.Context(), "end.json", []byte("mine"), &blob.WriterOptions{IfNotExist: true})
		if (err == nil) != mine {
			t.Errorf("mine %t: %v", mine, err)
		}
	}
}

// TestBudget stops repeating when a store is down for good.
func TestBudget(t *testing.T) {
	calls := 0
	b := retrybucket.Wrap(faultbucket.Wrap(memblob.OpenBucket(nil), func(string, string) error { calls++; return errAway }), quick)
	for range 1000 {
		if _, err := b.Attributes(t.Context(), "a"); err == nil {
			t.Fatal("no error")
		}
	}
	if calls > 1100 {
		t.Errorf("1000 calls became %d", calls)
	}
}

// TestDeadline ends calls that the store does not answer.
func TestDeadline(t *testing.T) {
	o := quick
	o.Tries, o.Call = 2, 20*time.Millisecond
	b := retrybucket.Wrap(blob.NewBucket(hanging(t)), o)
	for name, call := range map[string]func() error{
		"attributes": func() error { _, err := b.Attributes(context.Background(), "a"); return err },
		"read":       func() error { _, err := b.ReadAll(context.Background(), "a"); return err },
		"write":      func() error { return b.WriteAll(context.Background(), "a", nil, nil) },
		"delete":     func() error { return b.Delete(context.Background(), "a") },
		"copy":       func() error { return b.Copy(context.Background(), "b", "a", nil) },
		"list": func() error {
			_, err := b.List(nil).Next(context.Background())
			return err
		},
	} {
		if err := call(); gcerrors.Code(err) != gcerrors.DeadlineExceeded || !strings.Contains(err.Error(), retrybucket.ErrSlow.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReadGoesOn breaks the connection in the middle of an object.
func TestReadGoesOn(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	inner := memblob.OpenBucket(nil)
	if err := inner.WriteAll(t.Context(), "a", data, nil); err != nil {
		t.Fatal(err)
	}
	b := retrybucket.Wrap(blob.NewBucket(breaking(t, inner)), quick)
	if got, err := b.ReadAll(t.Context(), "a"); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes (%v), want %d", len(got), err, len(data))
	}
	r, err := b.NewRangeReader(t.Context(), "a", 1234, 567_890, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data[1234:1234+567_890]) {
		t.Errorf("%d bytes of a range (%v)", len(got), err)
	}
}

// TestLargeObjectsPass writes more than is held.
func TestLargeObjectsPass(t *testing.T) {
	inner := memblob.OpenBucket(nil)
	b := retrybucket.Wrap(inner, quick)
	data := make([]byte, 9<<20)
	for i := range data {
		data[i] = byte(i >> 7)
	}
	w, err := b.NewWriter(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := inner.ReadAll(t.Context(), "a"); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes (%v)", len(got), err)
	}
	// Abandoned, it leaves nothing.
	ctx, cancel := context.WithCancel(t.Context())
	if w, err = b.NewWriter(ctx, "b", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Close(); err == nil {
		t.Error("an abandoned write ends without an error")
	}
	if there, _ := inner.Exists(t.Context(), "b"); there {
		t.Error("an abandoned object appeared")
	}
}
