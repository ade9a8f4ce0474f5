//go:build !amd64

package solar

import "github.com/cyverse-gis/eemt/shared/solar/horizon"

func raise(b *block, codes *horizon.Code, stride int, bearings *bearing, n int) {
	raiseGo(b, codes, stride, bearings, n)
}

func shine(mask *[lanes]uint32, b *block, suns *sunPosition, n int) {
	shineGo(mask, b, suns, n)
}

func gather(out *sums, c *corners, plus, minus []int32) { gatherGo(out, c, plus, minus) }
