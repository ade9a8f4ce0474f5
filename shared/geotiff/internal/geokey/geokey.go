// Package geokey reads and writes the GeoKey directory of a GeoTIFF (OGC 19-008r4, 7.1).
package geokey

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/shared/geotiff/internal/ifd"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// RasterType is the key that states whether coordinates mean cell corners or cell centres, by one of the values below.
const (
	RasterType    = 1025
	RasterIsArea  = 1
	RasterIsPoint = 2
)

// Decode reads the keys of a directory of four or more numbers, with the values of GeoDoubleParams and of GeoAsciiParams.
func Decode(dir []uint64, doubles []float64, text string) (raster.GeoKeys, error) {
	if err := checkKeys(dir); err != nil {
		return raster.GeoKeys{}, err
	}
	k := raster.GeoKeys{Shorts: map[uint16]uint16{}, Doubles: map[uint16][]float64{}, Strings: map[uint16]string{}}
	for i := range min(int(dir[3]), (len(dir)-4)/4) {
		e := dir[4+4*i:]
		if id := uint16(e[0]); !setKey(k, id, e[1:4], dir, doubles, text) {
			return raster.GeoKeys{}, fmt.Errorf("the file is damaged: GeoKey %d has no value", id)
		}
	}
	return k, nil
}

// setKey stores the value of a key, which is e[1] values from e[2] on in the tag e[0]; with e[0] 0 it is e[2] itself. It returns
// false if the tag does not have so many.
func setKey(k raster.GeoKeys, id uint16, e, dir []uint64, doubles []float64, text string) bool {
	count, at := int(e[1]), int(e[2])
	switch e[0] {
	case 0:
		k.Shorts[id] = uint16(at)
	case ifd.GeoDoubleParams:
		if at+count > len(doubles) {
			return false
		}
		k.Doubles[id] = doubles[at : at+count : at+count]
	case ifd.GeoASCIIParams:
		if at+count > len(text)+1 || at > len(text) { // some writers count the closing NUL
			return false
		}
		k.Strings[id] = strings.TrimRight(text[at:min(at+count, len(text))], "|\x00")
	case ifd.GeoKeyDirectory:
		if count == 0 || at >= len(dir) {
			return false
		}
		k.Shorts[id] = uint16(dir[at])
	}
	return true
}

// checkKeys bounds the values of the keys in a directory of GeoKeys. Keys may share values: a file of 500 kB could so state
// gigabytes, and where a value of a written file begins is a number of 16 bits.
func checkKeys(dir []uint64) error {
	var numbers, letters int
	for i := range min(int(dir[3]), (len(dir)-4)/4) {
		switch e := dir[4+4*i:]; e[1] {
		case ifd.GeoDoubleParams:
			numbers += int(e[2])
		case ifd.GeoASCIIParams:
			letters += int(e[2]) + 1
		}
		if numbers > math.MaxUint16 || letters > math.MaxUint16 {
			return fmt.Errorf("the file is damaged: its GeoKeys have %d numbers and %d letters: each at most %d", numbers, letters, math.MaxUint16)
		}
	}
	return nil
}

// Encode makes the directory of keys and the values of GeoDoubleParams and of GeoAsciiParams, for a raster whose transform
// means cell corners.
func Encode(k raster.GeoKeys) (dir []uint16, doubles []float64, text string) {
	all := map[uint16]bool{RasterType: true}
	for id := range k.Shorts {
		all[id] = true
	}
	for id := range k.Doubles {
		all[id] = true
	}
	for id := range k.Strings {
		all[id] = true
	}
	dir = []uint16{1, 1, 0, uint16(len(all))}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if id == RasterType {
			dir = append(dir, id, 0, 1, RasterIsArea)
		} else if v, ok := k.Shorts[id]; ok {
			dir = append(dir, id, 0, 1, v)
		} else if v, ok := k.Doubles[id]; ok {
			dir = append(dir, id, ifd.GeoDoubleParams, uint16(len(v)), uint16(len(doubles)))
			doubles = append(doubles, v...)
		} else {
			v := k.Strings[id] + "|"
			dir = append(dir, id, ifd.GeoASCIIParams, uint16(len(v)), uint16(len(text)))
			text += v
		}
	}
	return dir, doubles, text
}
