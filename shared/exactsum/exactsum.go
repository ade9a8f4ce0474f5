// Package exactsum adds floating-point numbers with a result that does not depend on their order.
package exactsum

import (
	"errors"
	"math"
	"math/bits"
)

// Sum is a sum of float64 in fixed point: 128 bits before the binary point, 64
// behind it. An addend is rounded once, to the nearest multiple of 2^-64 (ties to
// even), and exact from 2^-12 on; what follows is addition of integers, which has no
// order. An addend must be smaller than 2^63 in magnitude, so that 2^64 of them
// cannot overflow. Once an addend is refused, Err returns an error and the sum stays
// invalid. The zero value is the sum of no addends.
type Sum struct {
	low, middle, high uint64 // two's complement of the sum times 2^64
	fault             fault
}

// fault has a bit for each reason for which an addend was refused: they too do not depend on order.
type fault uint8

const (
	notANumber fault = 1 << iota
	tooLarge
)

// The errors of Err.
var (
	ErrNaN   = errors.New("an addend is not a number")
	ErrRange = errors.New("an addend is infinite or not smaller than 2^63")
)

const (
	mantissaBits = 52
	bias         = 1023
	mostExponent = bias + 63 // of the first magnitude that is refused
	// unit is the exponent of a float64 whose mantissa counts multiples of 2^-64.
	unit = bias + mantissaBits - 64
)

// Add adds x.
func (s *Sum) Add(x float64) {
	b := math.Float64bits(x)
	exponent := int(b>>mantissaBits) & 0x7ff
	if exponent >= mostExponent {
		s.refuse(x)
		return
	}
	mantissa := b&(1<<mantissaBits-1) | 1<<mantissaBits
	var low, middle uint64
	if shift := exponent - unit; shift >= 0 {
		// In Go a shift by 64 or more gives 0. A negative count converted to uint is such a shift.
		low, middle = mantissa<<uint(shift), mantissa>>uint(64-shift)|mantissa<<uint(shift-64)
	} else {
		low = roundedShift(mantissa, uint(-shift)) // 0 for zero and what is subnormal
	}
	// sign is all ones for a negative x: its two's complement is the inverted bits plus one.
	sign := uint64(int64(b) >> 63)
	var carry uint64
	s.low, carry = bits.Add64(s.low, low^sign, sign&1)
	s.middle, carry = bits.Add64(s.middle, middle^sign, carry)
	s.high, _ = bits.Add64(s.high, sign, carry)
}

func (s *Sum) refuse(x float64) {
	if math.IsNaN(x) {
		s.fault |= notANumber
	} else {
		s.fault |= tooLarge
	}
}

// roundedShift is m / 2^by to the nearest, ties to even.
func roundedShift(m uint64, by uint) uint64 {
	if by > mantissaBits+1 {
		return 0 // less than half
	}
	q, rest, half := m>>by, m&(1<<by-1), uint64(1)<<(by-1)
	if rest > half || rest == half && q&1 == 1 {
		q++
	}
	return q
}

// AddSum adds what another sum holds.
func (s *Sum) AddSum(o Sum) {
	before := s.high
	var carry uint64
	s.low, carry = bits.Add64(s.low, o.low, 0)
	s.middle, carry = bits.Add64(s.middle, o.middle, carry)
	s.high, _ = bits.Add64(s.high, o.high, carry)
	s.fault |= o.fault
	// Only sums that were read, not added up, are large enough.
	if overflows := ^(before ^ o.high) & (before ^ s.high); overflows>>63 == 1 {
		s.fault |= tooLarge
	}
}

// Err is nil, or an error that is ErrNaN, ErrRange or both.
func (s Sum) Err() error {
	var errs []error
	if s.fault&notANumber != 0 {
		errs = append(errs, ErrNaN)
	}
	if s.fault&tooLarge != 0 {
		errs = append(errs, ErrRange)
	}
	return errors.Join(errs...)
}

// magnitude is the absolute value of s, and whether s is negative.
func (s Sum) magnitude() (m Sum, negative bool) {
	if s.high>>63 == 0 {
		return s, false
	}
	return s.negated(), true
}

// negated is -s, modulo 2^192: the least sum is its own negative.
func (s Sum) negated() Sum {
	var r Sum
	var borrow uint64
	r.low, borrow = bits.Sub64(0, s.low, 0)
	r.middle, borrow = bits.Sub64(0, s.middle, borrow)
	r.high, _ = bits.Sub64(0, s.high, borrow)
	return r
}

// Float64 is the float64 next to the sum, ties to even; NaN where Err is not nil.
func (s Sum) Float64() float64 {
	if s.fault != 0 {
		return math.NaN()
	}
	m, negative := s.magnitude()
	// The topmost 64 bits, and whether any below them are set.
	top, below, exponent := m.low, uint64(0), -64
	if n := uint(bits.LeadingZeros64(m.high)); m.high != 0 {
		top, below, exponent = m.high<<n|m.middle>>(64-n), m.middle<<n|m.low, 64-int(n)
	} else if n := uint(bits.LeadingZeros64(m.middle)); m.middle != 0 {
		top, below, exponent = m.middle<<n|m.low>>(64-n), m.low<<n, -int(n)
	}
	if below != 0 {
		top |= 1 // below the 53 bits that stay: it rounds up what would otherwise be a tie
	}
	x := math.Ldexp(float64(top), exponent)
	if negative {
		return -x
	}
	return x
}
