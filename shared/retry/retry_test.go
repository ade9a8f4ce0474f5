package retry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cyverse-gis/eemt/shared/retry"
)

func TestDo(t *testing.T) {
	away, bad := errors.New("away"), errors.New("bad")
	const ms = time.Millisecond
	for _, c := range []struct {
		name   string
		errs   []error // of attempts 1, 2, ...; those that wrap bad are for good
		want   error
		pauses []time.Duration
	}{
		{"at once", []error{nil}, nil, nil},
		{"the third time", []error{away, away, nil}, nil, []time.Duration{10 * ms, 20 * ms}},
		{"never", []error{away, away, away, away, away}, away, []time.Duration{10 * ms, 20 * ms, 30 * ms, 30 * ms}},
		{"for good", []error{away, bad}, bad, []time.Duration{10 * ms}},
		{"later", []error{fmt.Errorf("busy: %w", retry.Later(away, 25*ms)), retry.Later(away, ms), nil}, nil, []time.Duration{25 * ms, 20 * ms}},
	} {
		var pauses []time.Duration
		calls := 0
		p := retry.Policy{Attempts: 5, Pause: retry.Doubling(10*ms, 30*ms), Sleep: func(_ context.Context, d time.Duration) error {
			pauses = append(pauses, d)
			return nil
		}}
		err := p.Do(t.Context(), func(attempt int) (bool, error) {
			if calls++; attempt != calls {
				t.Errorf("%s: call %d is attempt %d", c.name, calls, attempt)
			}
			err := c.errs[attempt-1]
			return !errors.Is(err, bad), err
		})
		if !errors.Is(err, c.want) || calls != len(c.errs) || !slices.Equal(pauses, c.pauses) {
			t.Errorf("%s: %v after %d calls and %v, want %v after %d and %v", c.name, err, calls, pauses, c.want, len(c.errs), c.pauses)
		}
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if err := retry.Sleep(t.Context(), time.Hour); err != nil || time.Since(begun) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun = time.Now()
		calls := 0
		err := retry.Policy{Attempts: 9, Pause: retry.Doubling(time.Hour, time.Hour)}.Do(ctx, func(int) (bool, error) {
			calls++
			return true, errors.New("away")
		})
		if err == nil || err.Error() != "away" || calls != 1 || time.Since(begun) != time.Minute {
			t.Errorf("%v after %d calls and %s", err, calls, time.Since(begun))
		}
	})
}
