package main

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
)

// TestOneAtATime: tasks of the terrain share the cores, whatever else there is has all of them.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const id, together = "01JTESTKDH6BKDYFCDM6QM1YQ4", 3
		var mu sync.Mutex
		running, most := map[bool]int{}, 0
		h := oneAtATime(together, func(_ context.Context, e event.Event) error {
			tile, _ := eventing.TileOf(e)
			terrain := tile.Task == "s0003-r0001c0002"
			mu.Lock()
			running[terrain]++
			if running[false] > 1 || running[false] > 0 && running[true] > 0 || running[true] > together {
				t.Errorf("%d tasks of the terrain and %d other events at a time", running[true], running[false])
			}
			most = max(most, running[true])
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running[terrain]--
			mu.Unlock()
			return nil
		})
		at := time.Now()
		events := []event.Event{eventing.NewTilesCompleted("/test", id, 0, at)}
		for range 6 {
			events = append(events, eventing.NewTileRequested("/test", id, "s0003-r0001c0002", 0, at))
		}
		for _, task := range []string{"r0001c0002", "m0001"} {
			events = append(events, eventing.NewTileRequested("/test", id, task, 0, at))
		}
		var all sync.WaitGroup
		for _, e := range events {
			all.Go(func() {
				if err := h(t.Context(), e); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if most != together {
			t.Errorf("%d tasks of the terrain at a time, want %d", most, together)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h(ended, events[0]); err == nil {
			t.Error("an event is handled after the end")
		}
	})
}
