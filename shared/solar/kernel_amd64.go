package solar

import (
	"unsafe"

	"golang.org/x/sys/cpu"

	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

//go:generate go -C kernelgen run . -kernel solar -out ../kernel_avx2_amd64.s -stubs ../kernel_avx2_amd64.go -pkg solar

// The assembly reads these structs by place.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(block{}.east)-(azimuths+1)*lanes*4]
	_ = [1]struct{}{}[unsafe.Offsetof(block{}.north)-unsafe.Offsetof(block{}.east)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(block{}.before)-unsafe.Offsetof(block{}.east)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(block{}.after)-unsafe.Offsetof(block{}.east)-96]
	_ = [1]struct{}{}[unsafe.Sizeof(sunPosition{})-24]
	_ = [1]struct{}{}[unsafe.Sizeof(bearing{})-20]
	_ = [1]struct{}{}[unsafe.Offsetof(corners{}.weights)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(table{}.cells)]
)

func raise(b *block, codes *horizon.Code, stride int, bearings *bearing, n int) {
	if !cpu.X86.HasAVX2 {
		raiseGo(b, codes, stride, bearings, n)
		return
	}
	raiseAVX2((*uint8)(unsafe.Pointer(b)), (*uint16)(codes), stride, (*uint8)(unsafe.Pointer(bearings)), n)
}

func shine(mask *[lanes]uint32, b *block, suns *sunPosition, n int) {
	if !cpu.X86.HasAVX2 {
		shineGo(mask, b, suns, n)
		return
	}
	shineAVX2(&mask[0], (*uint8)(unsafe.Pointer(b)), (*uint8)(unsafe.Pointer(suns)), n)
}

func gather(out *sums, c *corners, plus, minus []int32) {
	if !cpu.X86.HasAVX2 {
		gatherGo(out, c, plus, minus)
		return
	}
	gatherAVX2(&out[0], (*uint8)(unsafe.Pointer(c)), plus, minus)
}
