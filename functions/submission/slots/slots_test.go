package slots_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/slots"
)

func TestTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots.New(2, "checks")
		first, err := s.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second, err := s.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Nobody gives a place back: who waits hears so.
		var busy *problem.Busy
		if _, err := s.Take(t.Context()); !errors.As(err, &busy) || busy.After < time.Second || !strings.HasPrefix(busy.Error(), "2 checks go on") {
			t.Errorf("%v", err)
		}
		// One who goes away is not told that the service is busy.
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := s.Take(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		// A place that becomes free in time is taken.
		go func() {
			time.Sleep(time.Second)
			first()
		}()
		third, err := s.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second()
		third()
	})
}
