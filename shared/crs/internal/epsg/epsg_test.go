package epsg

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTable reads every number of the embedded table.
func TestTable(t *testing.T) {
	if !regexp.MustCompile(`^EPSG dataset v\d+\.\d+ \(\d{4}-\d\d-\d\d\)$`).MatchString(Dataset()) {
		t.Errorf("dataset %q", Dataset())
	}
	count := map[Kind]int{}
	numeric := map[Kind][]int{
		Unit: {0, 2}, Ellipsoid: {0, 2, 3}, Datum: {0, 2, 4, 5}, Meridian: {0, 2}, Operation: {0, 3}, Geodetic: {0},
		Conversion: {0, 2}, Projected: {0, 2, 3, 4}, Vertical: {0, 2, 3}, Compound: {0, 2, 3},
	}
	previous := ""
	for i, line := range strings.Split(strings.TrimSuffix(table(), "\n"), "\n") {
		if i == 0 {
			continue
		}
		if line <= previous {
			t.Fatalf("line %d is out of order: %q", i, line)
		}
		previous = line
		f := strings.Split(line[1:], "\t")
		count[Kind(line[0])]++
		for _, col := range numeric[Kind(line[0])] {
			if _, err := strconv.ParseFloat(f[col], 64); err != nil {
				t.Errorf("line %q: field %d: %v", line, col, err)
			}
		}
		code, _ := strconv.Atoi(f[0])
		if got, ok := Lookup(Kind(line[0]), code); !ok || got[1] != f[1] {
			t.Errorf("look-up of %q gives %v", line, got)
		}
	}
	if count[Projected] < 5000 || count[Geodetic] < 1000 || count[Conversion] < 2000 {
		t.Errorf("counts %v", count)
	}
	for _, code := range []int{-1, 0, 1, 32767, 1 << 40} {
		if f, ok := Lookup(Projected, code); ok {
			t.Errorf("code %d: got %v", code, f)
		}
	}
}

func BenchmarkFirstLookup(b *testing.B) {
	for b.Loop() {
		unpack()
	}
}
