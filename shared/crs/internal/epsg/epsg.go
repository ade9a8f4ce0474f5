// Package epsg holds the part of the EPSG dataset that crs needs, as an embedded table.
package epsg

import (
	"bytes"
	"compress/gzip"
	_ "embed" // the parameter table
	"io"
	"iter"
	"sort"
	"strconv"
	"strings"
	"sync"
)

//go:generate go run ../gen -db $PROJ_DATA/proj.db -out epsg.tsv.gz

// packed is the table: one line per object, sorted; a letter for its kind, its EPSG code, its name, then what the kind
// needs. The first line states the version of the EPSG dataset.
//
//go:embed epsg.tsv.gz
var packed []byte

// table unpacks the parameters at the first look-up, which takes a few milliseconds and 0.7 MB.
var table = sync.OnceValue(unpack)

func unpack() string {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic("epsg: embedded parameter table: " + err.Error())
	}
	text, err := io.ReadAll(zr)
	if err != nil {
		panic("epsg: embedded parameter table: " + err.Error())
	}
	return string(text)
}

// Dataset returns the version of the EPSG dataset.
func Dataset() string {
	line, _, _ := strings.Cut(table(), "\n")
	return strings.TrimPrefix(line, "#")
}

// Kind is a kind of objects in the table.
type Kind byte

// The kinds, with the fields after code and name.
const (
	Unit       Kind = 'U' // metres
	Angle      Kind = 'A' //
	Ellipsoid  Kind = 'E' // semi-major axis, inverse flattening
	Meridian   Kind = 'N' // degrees from Greenwich
	Datum      Kind = 'D' // ellipsoid, class, metres from WGS84, degrees of the prime meridian, operations
	Operation  Kind = 'T' // EPSG codes, accuracy in metres, area, 1 when offshore, shifts
	Geodetic   Kind = 'G' // datum, angular unit, type, ESRI's name without GCS_
	Method     Kind = 'M' //
	Conversion Kind = 'C' // method, parameters
	Projected  Kind = 'P' // geodetic CRS, conversion, unit, axes when they do not point east and north, what replaces a deprecated one
	Vertical   Kind = 'V' // unit, 1 when depths
	Compound   Kind = 'K' // horizontal CRS, vertical CRS
)

// Lookup returns the fields of an object: code, name, and those of its kind.
func Lookup(kind Kind, code int) ([]string, bool) {
	text := table()
	key := string(kind) + strconv.Itoa(code) + "\t"
	// The first byte offset whose line does not sort before the key.
	at := sort.Search(len(text), func(i int) bool {
		start := strings.LastIndexByte(text[:i], '\n') + 1
		end := min(len(text), start+len(key))
		return text[start:end] >= key
	})
	if at == len(text) {
		return nil, false
	}
	start := strings.LastIndexByte(text[:at], '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	if !strings.HasPrefix(line, key) {
		return nil, false
	}
	return strings.Split(line[1:], "\t"), true
}

// All returns the fields of every object of a kind, in the order of their codes as text.
func All(kind Kind) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for line := range strings.Lines(table()) {
			if line[0] == byte(kind) && !yield(strings.Split(strings.TrimSuffix(line[1:], "\n"), "\t")) {
				return
			}
		}
	}
}
