// Package maungawhau holds the example terrain for programs that bring it along.
package maungawhau

import _ "embed"

// DEM is the file dem.tif.
//
//go:embed dem.tif
var DEM []byte
