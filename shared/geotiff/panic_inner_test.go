package geotiff

import (
	"context"
	"errors"
	"testing"

	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// TestPanicOfADecoder: a block that its decoder breaks on is a fault of the file, not the end of the process.
func TestPanicOfADecoder(t *testing.T) {
	m := &Image{Width: 640, Height: 640, BlockWidth: 64, BlockHeight: 64, comp: codec.None}
	err := m.eachBlock(context.Background(), []target{{Window: raster.Window{Width: 640, Height: 640}}}, func(col, row int, _ *scratch) error {
		if col > 4 || row > 4 {
			panic("index out of range")
		}
		return nil
	})
	if !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}
