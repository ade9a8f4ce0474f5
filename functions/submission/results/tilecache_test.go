package results

import (
	"fmt"
	"testing"
)

// The cache keeps what was used last, within its bound.
func TestTileCache(t *testing.T) {
	var c tileCache
	big := make([]byte, 1<<20)
	for i := range 40 {
		c.put(fmt.Sprintf("/jobs/a/%d", i), big)
		c.get("/jobs/a/0")
	}
	if c.used > tileBytes || len(c.byKey) != c.order.Len() || len(c.byKey) > 32 || len(c.byKey) < 30 {
		t.Errorf("%d bytes in %d tiles", c.used, len(c.byKey))
	}
	if _, ok := c.get("/jobs/a/0"); !ok {
		t.Error("the tile used most is gone")
	}
	if _, ok := c.get("/jobs/a/1"); ok {
		t.Error("the tile used least is kept")
	}
	c.put("/jobs/b/1", big)
	c.forget("a")
	if _, ok := c.get("/jobs/b/1"); !ok || len(c.byKey) != 1 || c.order.Len() != 1 || c.used != len("/jobs/b/1")+len(big)+cacheEntry {
		t.Errorf("after forgetting: %d tiles, %d bytes", len(c.byKey), c.used)
	}
}
