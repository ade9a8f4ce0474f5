package codec

import (
	"bytes"
	"testing"
)

// TestFloatPredictor compares the fast forms with the definition.
func TestFloatPredictor(t *testing.T) {
	for _, size := range []int{2, 4, 8} {
		for _, n := range []int{1, 2, 3, 16, 33} {
			b := make([]byte, n*size)
			for i := range b {
				b[i] = byte(i*i*31 + i*7)
			}
			planes := make([]byte, len(b)) // most significant bytes first
			for i := range n {
				for k := range size {
					planes[k*n+i] = b[i*size+size-1-k]
				}
			}
			want := bytes.Clone(planes)
			for i := 1; i < len(want); i++ {
				want[i] = planes[i] - planes[i-1]
			}
			got := bytes.Clone(b)
			Float(got, make([]byte, len(b)), size)
			if !bytes.Equal(got, want) {
				t.Errorf("%d samples of %d bytes: %v, want %v", n, size, got, want)
			}
			UndoFloat(got, make([]byte, len(b)), 1, size)
			if !bytes.Equal(got, b) {
				t.Errorf("%d samples of %d bytes: undone to %v, want %v", n, size, got, b)
			}
		}
	}
}
