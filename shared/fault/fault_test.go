package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cyverse-gis/eemt/shared/fault"
)

func TestKindOf(t *testing.T) {
	cause := errors.New("step 90: must be 1 to 60 minutes")
	gone := fault.New(fault.Gone, errors.New("the data are removed"))
	for _, c := range []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"nothing", nil, fault.Unknown},
		{"nobody said", cause, fault.Unknown},
		{"invalid", fault.New(fault.Invalid, cause), fault.Invalid},
		{"wrapped", fmt.Errorf("job: %w", fault.New(fault.Invalid, cause)), fault.Invalid},
		{"the outermost counts", fault.New(fault.Damaged, fmt.Errorf("record: %w", fault.New(fault.NotFound, cause))), fault.Damaged},
		{"a sentinel", fmt.Errorf("job: %w", gone), fault.Gone},
		{"joined", errors.Join(cause, fault.New(fault.TooLarge, cause)), fault.TooLarge},
		{"given up", fmt.Errorf("read: %w", context.Canceled), fault.Unavailable},
		{"too late", context.DeadlineExceeded, fault.Unavailable},
	} {
		if got := fault.KindOf(c.err); got != c.want || fault.Is(c.err, fault.Bug) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	err := fault.New(fault.Invalid, cause)
	if err.Error() != cause.Error() || !errors.Is(err, cause) || fault.New(fault.Invalid, nil) != nil {
		t.Errorf("%v", err)
	}
	if !errors.Is(fmt.Errorf("job: %w", gone), gone) {
		t.Error("a sentinel with a kind is no longer itself")
	}
}
