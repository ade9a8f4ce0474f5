// Package sample has the types of the numbers that a TIFF stores, and turns them into float64 and back.
package sample

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Type is the type of the numbers stored in a file.
type Type uint8

// The sample types that are read. All but Float16 are written too.
const (
	Float32 Type = iota // the zero value: what results are stored as
	Float64
	Float16
	Uint8
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Uint64
	Int64
)

var types = [...]struct {
	name   string
	size   int
	format uint16 // TIFF SampleFormat: 1 unsigned, 2 signed, 3 floating point
}{
	Float32: {"Float32", 4, 3},
	Float64: {"Float64", 8, 3},
	Float16: {"Float16", 2, 3},
	Uint8:   {"Uint8", 1, 1},
	Int8:    {"Int8", 1, 2},
	Uint16:  {"Uint16", 2, 1},
	Int16:   {"Int16", 2, 2},
	Uint32:  {"Uint32", 4, 1},
	Int32:   {"Int32", 4, 2},
	Uint64:  {"Uint64", 8, 1},
	Int64:   {"Int64", 8, 2},
}

// String returns the name, such as "Int16".
func (t Type) String() string {
	if t.Known() {
		return types[t].name
	}
	return fmt.Sprintf("SampleType(%d)", t)
}

// Known reports whether t is one of the types.
func (t Type) Known() bool { return int(t) < len(types) }

// Size is the number of bytes of one sample.
func (t Type) Size() int { return types[t].size }

// Float reports whether the samples are floating-point numbers.
func (t Type) Float() bool { return types[t].format == 3 }

// Limits returns the range of an integer type, as float64 can hold it.
func (t Type) Limits() (lo, hi float64) {
	bits := 8 * t.Size()
	if types[t].format == 1 {
		return 0, math.Ldexp(1, bits) - 1
	}
	return -math.Ldexp(1, bits-1), math.Ldexp(1, bits-1) - 1
}

// Of finds the type for a TIFF SampleFormat and a number of bits.
func Of(format uint16, bits int) (Type, bool) {
	for t, s := range types {
		if s.format == format && 8*s.size == bits {
			return Type(t), true
		}
	}
	return 0, false
}

// Format is the TIFF SampleFormat: 1 unsigned, 2 signed, 3 floating point.
func (t Type) Format() uint16 { return types[t].format }

// Decode converts every stride-th little-endian sample from the first on.
func Decode(t Type, b []byte, first, stride int, dst []float64) {
	b, step := b[first*t.Size():], stride*t.Size()
	switch types[t].format {
	case 1:
		unsigned(t, b, step, dst)
	case 2:
		signed(t, b, step, dst)
	default:
		floats(t, b, step, dst)
	}
}

// unsigned is Decode of unsigned integers; step is the bytes from one sample to the next.
func unsigned(t Type, b []byte, step int, dst []float64) {
	le := binary.LittleEndian
	switch t {
	case Uint8:
		for i := range dst {
			dst[i] = float64(b[i*step])
		}
	case Uint16:
		for i := range dst {
			dst[i] = float64(le.Uint16(b[i*step:]))
		}
	case Uint32:
		for i := range dst {
			dst[i] = float64(le.Uint32(b[i*step:]))
		}
	default:
		for i := range dst {
			dst[i] = float64(le.Uint64(b[i*step:]))
		}
	}
}

// signed is Decode of signed integers.
func signed(t Type, b []byte, step int, dst []float64) {
	le := binary.LittleEndian
	switch t {
	case Int8:
		for i := range dst {
			dst[i] = float64(int8(b[i*step]))
		}
	case Int16:
		for i := range dst {
			dst[i] = float64(int16(le.Uint16(b[i*step:])))
		}
	case Int32:
		for i := range dst {
			dst[i] = float64(int32(le.Uint32(b[i*step:])))
		}
	default:
		for i := range dst {
			dst[i] = float64(int64(le.Uint64(b[i*step:])))
		}
	}
}

// floats is Decode of floating-point numbers.
func floats(t Type, b []byte, step int, dst []float64) {
	le := binary.LittleEndian
	switch t {
	case Float16:
		for i := range dst {
			dst[i] = half(le.Uint16(b[i*step:]))
		}
	case Float32:
		for i := range dst {
			dst[i] = float64(math.Float32frombits(le.Uint32(b[i*step:])))
		}
	default:
		for i := range dst {
			dst[i] = math.Float64frombits(le.Uint64(b[i*step:]))
		}
	}
}

// half converts an IEEE 754 binary16 number.
func half(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	exp, frac := int(h>>10&0x1f), float64(h&0x3ff)
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 0x1f:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

// Encode puts a row into b as little-endian samples, nodata where a number is NaN. Integers are rounded to the nearest, within
// the limits of their type.
func Encode(t Type, b []byte, row []float64, nodata float64) {
	le := binary.LittleEndian
	switch t {
	case Float32:
		nd := math.Float32bits(float32(nodata))
		b = b[:4*len(row)]
		for i, v := range row {
			u := nd
			if !math.IsNaN(v) {
				u = math.Float32bits(float32(v))
			}
			le.PutUint32(b[4*i:], u)
		}
	case Float64:
		nd := math.Float64bits(nodata)
		b = b[:8*len(row)]
		for i, v := range row {
			u := nd
			if !math.IsNaN(v) {
				u = math.Float64bits(v)
			}
			le.PutUint64(b[8*i:], u)
		}
	default:
		size := t.Size()
		lo, hi := t.Limits()
		for _, v := range row {
			u := integer(v, nodata, lo, hi, t)
			for k := range size {
				b[k] = byte(u >> (8 * k))
			}
			b = b[size:]
		}
	}
}

// integer rounds v to the nearest integer of type t, as two's complement.
func integer(v, nodata, lo, hi float64, t Type) uint64 {
	if math.IsNaN(v) {
		v = nodata
	}
	v = math.Round(v)
	switch {
	case v <= lo:
		if t == Int64 {
			return 1 << 63
		}
		v = lo
	case v >= hi:
		switch t {
		case Int64:
			return math.MaxInt64
		case Uint64:
			return math.MaxUint64
		}
		v = hi
	}
	if t == Uint64 {
		return uint64(v)
	}
	return uint64(int64(v))
}
