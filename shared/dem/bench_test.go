package dem_test

import (
	"bytes"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
)

// BenchmarkStatistics takes up a million cells, as planning does of every DEM.
func BenchmarkStatistics(b *testing.B) {
	g := demtest.Hills(1000, 1000)
	data := demtest.Encode(b, g)
	d, err := dem.Open(bytes.NewReader(data), int64(len(data)), dem.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(8 << 20)
	for b.Loop() {
		d.NewStatistics().Add(g, d.Bounds())
	}
}

// BenchmarkValues reads them.
func BenchmarkValues(b *testing.B) {
	data := demtest.Encode(b, demtest.Hills(1000, 1000))
	d, err := dem.Open(bytes.NewReader(data), int64(len(data)), dem.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(8 << 20)
	for b.Loop() {
		if _, err := d.Values(b.Context(), d.Bounds()); err != nil {
			b.Fatal(err)
		}
	}
}
