package gdal

import (
	"math"
	"slices"
	"testing"
)

// TestStatistics: one pass over rows gives the textbook's two-pass numbers.
func TestStatistics(t *testing.T) {
	cells := make([]float64, 70*50)
	for i := range cells {
		cells[i] = 1200 + 300*math.Sin(float64(i%70)/9)*math.Cos(float64(i/70)/7)
		if i%13 == 5 {
			cells[i] = math.NaN()
		}
	}
	var s Statistics
	for row := range slices.Chunk(cells, 70) {
		s.Of(row)
	}
	var n, sum, m2 float64
	for _, v := range cells {
		if v == v {
			n++
			sum += v
		}
	}
	for _, v := range cells {
		if v == v {
			m2 += (v - sum/n) * (v - sum/n)
		}
	}
	if float64(s.n) != n || math.Abs(s.mean/(sum/n)-1) > 1e-13 || math.Abs(s.m2/m2-1) > 1e-11 {
		t.Errorf("%+v, want n %v, mean %v, m2 %v", s, n, sum/n, m2)
	}
}
