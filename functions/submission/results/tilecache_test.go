package results

import (
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/shared/product"
)

// The cache keeps what was used most, within its bound.
func TestTileCache(t *testing.T) {
	c := newTileCache()
	key := func(job string, i int) tileKey { return tileKey{job: job, layer: product.Default, x: i} }
	big := make([]byte, 1<<20)
	for i := range 40 {
		c.Set(key("a", i), big)
		for range 3 {
			c.GetIfPresent(key("a", 0))
		}
		// The cache counts uses later, by itself, and forgets some while it is behind. Here it shall not be behind.
		c.CleanUp()
	}
	if n := c.EstimatedSize(); c.WeightedSize() > tileBytes || n > 32 || n < 30 {
		t.Errorf("%d bytes in %d tiles", c.WeightedSize(), n)
	}
	if _, ok := c.GetIfPresent(key("a", 0)); !ok {
		t.Error("the tile used most is gone")
	}
	c.Set(key("b", 1), big)
	c.forget("a")
	c.CleanUp()
	if _, ok := c.GetIfPresent(key("b", 1)); !ok || c.EstimatedSize() != 1 || c.WeightedSize() != uint64(len(product.Default)+len(big)+cacheEntry) {
		t.Errorf("after forgetting: %d tiles, %d bytes", c.EstimatedSize(), c.WeightedSize())
	}
}

// A tile is found again however its style is written, and only if it is the same.
func TestTileKey(t *testing.T) {
	of := func(query string) tileKey {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequest("GET", "/jobs/a/tiles/1/0/0.png"+query, nil)
		k, ok := tileKeyOf(c, "a", c.DefaultQuery("layer", product.Default), [3]int{1, 0, 0})
		if !ok {
			t.Errorf("%q has no key", query)
		}
		return k
	}
	same := []string{"?ramp=wet&min=1&max=20&layer=twi.tif", "?layer=twi.tif&max=2e1&min=1.0&x=1", "?max=20&min=1&layer=twi.tif&ramp=wet"}
	for _, query := range same[1:] {
		if of(query) != of(same[0]) {
			t.Errorf("%q and %q are two tiles", query, same[0])
		}
	}
	for _, query := range []string{"", "?layer=twi.tif", "?layer=twi.tif&min=1", "?layer=twi.tif&min=0&max=20", "?layer=twi.tif&min=1&max=20&ramp=sun"} {
		if of(query) == of(same[0]) {
			t.Errorf("%q and %q are one tile", query, same[0])
		}
	}
}
