// Package turbidity has the Linke turbidity of the air by place and month, as a coarse grid of the world.
//
// The grid is made of the one that Remund et al. (2003, "Worldwide Linke turbidity
// information", ISES Solar World Congress, Göteborg) made within the SoDa project, in the
// file LinkeTurbidities.h5 of pvlib python, under pvlib's licence (LICENSE.pvlib). Its cells
// of 5 arc minutes are averaged to 1.5 degrees, in steps of 0.05. The authors state an error
// of 0.73 units (root mean square) for their maps; the averages differ from the original
// over land by 0.10 (root mean square), by less than 0.41 in 99 of 100 places and months.
//
// A value holds for the mean elevation of its cell, as the original holds for that of its
// own. No correction for elevation is made: that thinner air weighs less is in the air mass
// of the radiation model, and within a cell turbidity follows elevation little. Corrected by
// the scale height of pressure the differences grow to 0.11, by the best one, 23.5 km, they
// stay 0.10 (internal/gen/grid.py prints these figures).
package turbidity

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"math"
	"sync"
)

//go:generate python3 internal/gen/grid.py --source $LINKE_TURBIDITIES

// packed is 20 times the turbidity by month, row from north, column from 180 W; the first of
// a row as it is, each other less its western neighbour, modulo 256.
//
//go:embed linke.gz
var packed []byte

// Licence is that of pvlib python, whose text goes with every copy of the grid.
//
//go:embed LICENSE.pvlib
var Licence string

// The grid: cells of Degrees on a side.
const (
	Degrees = 1.5
	columns = 360 / Degrees
	rows    = 180 / Degrees
	months  = 12
	steps   = 20 // of a unit of turbidity
)

// Source names where the values are from, for reports.
const Source = "Remund et al. 2003 (SoDa), from pvlib python, means of 1.5 degrees"

var grid = sync.OnceValue(func() []uint8 {
	cells, err := unpack(packed)
	if err != nil {
		panic(fmt.Sprintf("turbidity: the embedded grid: %v", err)) // a test reads it
	}
	return cells
})

func unpack(packed []byte) ([]uint8, error) {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	cells := make([]uint8, months*rows*columns)
	if _, err := io.ReadFull(zr, cells); err != nil {
		return nil, err
	}
	if n, err := io.ReadFull(zr, make([]byte, 1)); n > 0 || err != io.EOF {
		return nil, fmt.Errorf("not %d values: %w", len(cells), err)
	}
	for i := range cells {
		if i%columns != 0 {
			cells[i] += cells[i-1]
		}
	}
	return cells, nil
}

// At returns the Linke turbidity for air mass 2 of the twelve months at a place in degrees:
// bilinear between the middles of cells, all around the world, and as in the outermost cells
// beyond 89.25 degrees of latitude. It returns NaN where longitude or latitude is not a position on the earth.
func At(longitude, latitude float64) [months]float64 {
	var out [months]float64
	if !(math.Abs(latitude) <= 90) || math.IsNaN(longitude) || math.IsInf(longitude, 0) {
		for m := range out {
			out[m] = math.NaN()
		}
		return out
	}
	x := math.Mod((longitude+180)/Degrees-0.5, columns)
	if x < 0 {
		x += columns
	}
	y := min(max((90-latitude)/Degrees-0.5, 0), rows-1)
	col, row := int(x), int(y)
	right, down := x-float64(col), y-float64(row)
	col %= columns // a longitude a hair west of the first middle
	east, south := (col+1)%columns, min(row+1, rows-1)
	cells := grid()
	for m := range out {
		of := cells[m*rows*columns:][:rows*columns]
		north := float64(of[row*columns+col])*(1-right) + float64(of[row*columns+east])*right
		below := float64(of[south*columns+col])*(1-right) + float64(of[south*columns+east])*right
		out[m] = (north*(1-down) + below*down) / steps
	}
	return out
}
