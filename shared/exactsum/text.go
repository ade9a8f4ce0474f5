package exactsum

import (
	"fmt"
	"strconv"
	"strings"
)

// The most hexadecimal digits before and behind the point.
const (
	wholeDigits    = 32
	fractionDigits = 16
)

// MarshalText writes the exact sum in hexadecimal, "-1a.8" for instance. It returns
// an error where Err does.
func (s Sum) MarshalText() ([]byte, error) {
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("sum: %w", err)
	}
	m, negative := s.magnitude()
	var text []byte
	if negative {
		text = append(text, '-')
	}
	if m.high != 0 {
		text = fmt.Appendf(text, "%x%016x", m.high, m.middle)
	} else {
		text = fmt.Appendf(text, "%x", m.middle)
	}
	if m.low != 0 {
		text = fmt.Appendf(text, ".%016x", m.low)
		for text[len(text)-1] == '0' {
			text = text[:len(text)-1]
		}
	}
	return text, nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Sum) UnmarshalText(text []byte) error {
	digits, negative := strings.CutPrefix(string(text), "-")
	whole, fraction, pointed := strings.Cut(digits, ".")
	if len(whole) < 1 || len(whole) > wholeDigits || pointed && len(fraction) < 1 || len(fraction) > fractionDigits {
		return malformed(text)
	}
	whole = strings.Repeat("0", wholeDigits-len(whole)) + whole
	fraction += strings.Repeat("0", fractionDigits-len(fraction))
	var words [3]uint64 // of the magnitude, the high one first
	for i, word := range []string{whole[:16], whole[16:], fraction} {
		for _, c := range []byte(word) { // ParseUint takes signs and underscores
			if !strings.ContainsRune("0123456789abcdef", rune(c)) {
				return malformed(text)
			}
		}
		words[i], _ = strconv.ParseUint(word, 16, 64)
	}
	r := Sum{low: words[2], middle: words[1], high: words[0]}
	if negative {
		r = r.negated()
	}
	if r.high>>63 == 1 != negative && r != (Sum{}) {
		return fmt.Errorf("sum %s: must be at least -2^127 and less than 2^127", text)
	}
	*s = r
	return nil
}

func malformed(text []byte) error {
	const most = 60
	if len(text) > most {
		text = append(text[:most:most], "..."...)
	}
	return fmt.Errorf("sum %q: must be a hexadecimal number with up to %d digits before and %d behind the point", text, wholeDigits, fractionDigits)
}
