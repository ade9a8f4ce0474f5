// Package amount writes bytes, times and counts as people read them.
package amount

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bytes writes a size in decimal units with two digits or three, such as "1.5 TB", "77 GB" or "512 bytes".
func Bytes(n int64) string {
	if n < 0 {
		return "-" + Bytes(max(-n, 0)) // the least integer has no negative
	}
	if n < 1000 {
		return Count(n, "byte")
	}
	v, units := float64(n), []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	v /= 1000
	for digits(v) >= 1000 && len(units) > 1 {
		v, units = v/1000, units[1:]
	}
	return text(v) + " " + units[0]
}

// Duration writes a time in one unit, such as "50 ms", "45 s", "1.5 min", "11 h" or "3 days". No time, or
// less, is "0 s".
func Duration(d time.Duration) string {
	s := d.Seconds()
	switch {
	case s <= 0:
		return "0 s"
	case s < 0.9995:
		return text(math.Max(1, math.Round(s*1000))) + " ms"
	case s < 89.5:
		return text(s) + " s"
	case s < 89.5*60:
		return text(s/60) + " min"
	case s < 47.5*3600:
		return text(s/3600) + " h"
	}
	return text(s/86400) + " days"
}

// Count writes a number of things, whose plural ends in s.
func Count[T ~int | ~int64](n T, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// digits rounds as text does.
func digits(v float64) float64 {
	if v < 9.95 {
		return math.Round(v*10) / 10
	}
	return math.Round(v)
}

func text(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(digits(v), 'f', 1, 64), ".0")
}
