package preview

import "image/color"

// Colours returns the 256 colours of a ramp from low to high values; an empty
// name means DefaultRamp.
func Colours(ramp string) ([256]color.NRGBA, error) { return table(ramp) }
