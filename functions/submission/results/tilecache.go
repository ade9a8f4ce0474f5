package results

import (
	"github.com/gin-gonic/gin"
	"github.com/maypok86/otter/v2"
)

const (
	// tileBytes bounds the tiles that are kept in memory.
	tileBytes = 32 << 20
	// cacheEntry is about what the cache itself takes for a tile.
	cacheEntry = 256
)

// tileKey is what the bytes of a tile depend on.
type tileKey struct {
	job, layer string
	z, x, y    int
	ramp       string
	// lowest and highest are the range of colours; one that is not given is that of the map.
	lowest, highest bound
}

// bound is a value that a client may have stated.
type bound struct {
	given bool
	value float64
}

// tileKeyOf is the key of the tile that a request asks for; false where the request states no usable range of colours.
func tileKeyOf(c *gin.Context, id, layer string, at [3]int) (tileKey, bool) {
	k := tileKey{job: id, layer: layer, z: at[0], x: at[1], y: at[2], ramp: c.DefaultQuery("ramp", rampOf(layer))}
	for name, to := range map[string]*bound{"min": &k.lowest, "max": &k.highest} {
		text, given := c.GetQuery(name)
		if !given {
			continue
		}
		v, err := number(name, text)
		if err != nil {
			return k, false
		}
		*to = bound{true, v}
	}
	return k, true
}

// tileCache keeps the tiles used most, of so many bytes together.
type tileCache struct{ *otter.Cache[tileKey, []byte] }

func newTileCache() tileCache {
	return tileCache{otter.Must(&otter.Options[tileKey, []byte]{
		MaximumWeight: tileBytes,
		Weigher:       func(k tileKey, data []byte) uint32 { return uint32(len(k.layer) + len(data) + cacheEntry) },
	})}
}

// forget drops the tiles of a job.
func (t tileCache) forget(id string) {
	for k := range t.Keys() {
		if k.job == id {
			t.Invalidate(k)
		}
	}
}
