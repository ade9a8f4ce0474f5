package solar

import (
	"context"
	"testing"
)

// A level plain tests few suns: none, once they are up. Mountains test more.
func TestCensus(t *testing.T) {
	census := func(s Surface, p Parameters) Census {
		c, err := TakeCensus(context.Background(), s, p, 2)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	plain := census(plateau(100, 40), DefaultParameters())
	rough := census(land(fractal(40, 40, 800, 200), 10, 40, 0), DefaultParameters())
	open := DefaultParameters()
	open.Shadows = false
	bare := census(land(fractal(40, 40, 800, 200), 10, 40, 0), open)
	if plain.Suns != 0 || rough.Suns < 100 || bare.Suns >= rough.Suns {
		t.Errorf("suns tested: %g on a plain, %g in mountains, %g without shadows", plain.Suns, rough.Suns, bare.Suns)
	}
	if plain.Places >= rough.Places || bare.Azimuths != 0 || rough.Azimuths < 60 || rough.Azimuths > azimuths {
		t.Errorf("sums added: %g and %g; horizons: %g and %g", plain.Places, rough.Places, bare.Azimuths, rough.Azimuths)
	}
	if rough.Bytes <= bare.Bytes || rough.Flops <= bare.Flops {
		t.Errorf("bytes %g and %g, operations %g and %g", rough.Bytes, bare.Bytes, rough.Flops, bare.Flops)
	}
}
