package job

import (
	"regexp"
)

// CachePrefix is where compute keeps what jobs read over the network, for other jobs
// with the same sources and DEM. No job needs it once it is planned.
const CachePrefix = "cache/"

// cachePattern finds what a plan refers to in the cache.
var cachePattern = regexp.MustCompile(`cache/(?:climate/[0-9a-f]+/|inputs/[0-9a-f]+\.tif)`)

// Cached lists the keys, and prefixes of keys, of the cache that the tiles of a plan
// read. Programs of before have made such plans.
func (p *Plan) Cached() []string {
	keys := cachePattern.FindAllString(string(p.Climate), -1)
	for _, key := range p.Inputs {
		keys = append(keys, cachePattern.FindAllString(key, -1)...)
	}
	return keys
}
