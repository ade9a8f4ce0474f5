package geotiff

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Blank makes the first and the last rows of the image hold no data, whatever the file says, also in its overviews, whose
// rows count as soon as a part of them does. It must not be called while the image is read.
func (m *Image) Blank(first, last int) {
	m.blankFirst, m.blankLast = first, last
	for _, o := range m.overviews {
		each := float64(m.Height) / float64(o.Height)
		o.blankFirst, o.blankLast = int(math.Ceil(float64(first)/each)), int(math.Ceil(float64(last)/each))
	}
}

// blank takes the values of blank rows out of a window that was read.
func (m *Image) blank(w raster.Window, dst [][]float64) {
	for r := range w.Height {
		if row := w.Row + r; row >= m.blankFirst && row < m.Height-m.blankLast {
			continue
		}
		for _, d := range dst {
			for i := r * w.Width; i < (r+1)*w.Width; i++ {
				d[i] = math.NaN()
			}
		}
	}
}
