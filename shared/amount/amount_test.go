package amount_test

import (
	"math"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/amount"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1000: "1 kB", 1049: "1 kB", 1500: "1.5 kB", 9940: "9.9 kB", 9960: "10 kB", 77_400_000_000: "77 GB",
		999_400: "999 kB", 999_600: "1 MB", 1_500_000_000_000: "1.5 TB", 4 << 30: "4.3 GB", math.MaxInt64: "9.2 EB", -1500: "-1.5 kB", math.MinInt64: "-0 bytes",
	} {
		if got := amount.Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", time.Microsecond: "1 ms", 50 * time.Millisecond: "50 ms", 999900 * time.Microsecond: "1 s", 1500 * time.Millisecond: "1.5 s", 45400 * time.Millisecond: "45 s", 90 * time.Second: "1.5 min", 2 * time.Minute: "2 min", 40 * time.Minute: "40 min",
		90 * time.Minute: "1.5 h", 10*time.Hour + 48*time.Minute + 15*time.Second: "11 h", 47 * time.Hour: "47 h", 72 * time.Hour: "3 days", 240 * time.Hour: "10 days",
	} {
		if got := amount.Duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 tiles", 1: "1 tile", 2: "2 tiles", 4000: "4000 tiles"} {
		if got := amount.Count(n, "tile"); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
