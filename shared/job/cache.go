package job

// CachePrefix is where compute keeps what jobs read over the network, for other jobs
// with the same sources and DEM. No job needs it once it is planned.
const CachePrefix = "cache/"
