package inspect

import "testing"

// TestSampleOfWideRasters: three rows of many columns are more than rows are worth.
func TestSampleOfWideRasters(t *testing.T) {
	for _, width := range []int{3, 4000, 65536, 90_000, 300_000, 1 << 20} {
		cells := 0
		list := sample(width, 3000, false)
		for _, w := range list {
			cells += w.Width * w.Height
		}
		if cells > max(mostCells, 6*width) {
			t.Errorf("%d columns: %d cells are read", width, cells)
		}
		if last := list[len(list)-1]; last.Row+last.Height != 3000 {
			t.Errorf("%d columns: the last rows are %d to %d", width, last.Row, last.Row+last.Height)
		}
		if width <= 65536 && len(list) != 16 {
			t.Errorf("%d columns: %d bands of rows", width, len(list))
		}
	}
}
