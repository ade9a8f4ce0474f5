package preview

import (
	"fmt"
	"image/color"
	"slices"
	"strings"
)

// ramps are colour ramps, dark to bright, by evenly spaced control points that
// are joined linearly in sRGB.
//
// viridis and inferno: 16 samples of the tables by S. van der Walt and N. Smith
// (CC0). sun, wet and terrain are this program's own. grey is for relief, wheel for
// directions: it ends as it begins.
var ramps = map[string][]uint32{
	"viridis": {
		0x440154, 0x481a6c, 0x472f7d, 0x414487, 0x39568c, 0x31688e, 0x2a788e, 0x23888e,
		0x1f988b, 0x22a884, 0x35b779, 0x54c568, 0x7ad151, 0xa5db36, 0xd2e21b, 0xfde725,
	},
	"inferno": {
		0x000004, 0x0c0826, 0x240c4f, 0x420a68, 0x5d126e, 0x781c6d, 0x932667, 0xae305c,
		0xc73e4c, 0xdd513a, 0xed6925, 0xf8850f, 0xfca50a, 0xfac62d, 0xf2e661, 0xfcffa4,
	},
	"sun":     {0x2a1a4a, 0x5b2a6b, 0x953a68, 0xcb5156, 0xee7b47, 0xfbaf4c, 0xfddc7a, 0xfff8d2},
	"wet":     {0xf4f1d8, 0xcfe5bd, 0x98d2b0, 0x5bb8b0, 0x2d96ad, 0x1e70a0, 0x1f4a86, 0x1b2a5e},
	"terrain": {0x3f6b4f, 0x6f9160, 0xa9b676, 0xd9cf97, 0xcfae82, 0xb08a6c, 0xa38a7c, 0xf2efec},
	"grey":    {0x101010, 0xfafafa},
	"wheel":   {0xd9576b, 0xe0a94a, 0xa9c14e, 0x4fb387, 0x3d9fbf, 0x5d78c4, 0x8e5fb8, 0xbd559a, 0xd9576b},
}

// DefaultRamp is the ramp of Options without one.
const DefaultRamp = "viridis"

// table returns the 256 colours of a ramp.
func table(name string) ([256]color.NRGBA, error) {
	var t [256]color.NRGBA
	if name == "" {
		name = DefaultRamp
	}
	points, ok := ramps[name]
	if !ok {
		return t, fmt.Errorf("colour ramp %.40q: must be one of %s", name, strings.Join(Ramps(), ", "))
	}
	for i := range t {
		x := float64(i) / 255 * float64(len(points)-1)
		k := min(int(x), len(points)-2)
		t[i] = mix(hex(points[k]), hex(points[k+1]), x-float64(k))
	}
	return t, nil
}

// Ramps lists the names of the colour ramps.
func Ramps() []string {
	names := make([]string, 0, len(ramps))
	for name := range ramps {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func hex(c uint32) color.NRGBA {
	return color.NRGBA{uint8(c >> 16), uint8(c >> 8), uint8(c), 255}
}

// mix returns the colour a share f of the way from a to b.
func mix(a, b color.NRGBA, f float64) color.NRGBA {
	m := func(x, y uint8) uint8 { return uint8(float64(x) + (float64(y)-float64(x))*f + 0.5) }
	return color.NRGBA{m(a.R, b.R), m(a.G, b.G), m(a.B, b.B), m(a.A, b.A)}
}
