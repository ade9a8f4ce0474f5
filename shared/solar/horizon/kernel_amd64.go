package horizon

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:generate go -C ../kernelgen run . -kernel horizon -out ../horizon/kernel_avx2_amd64.s -stubs ../horizon/kernel_avx2_amd64.go -pkg horizon

// The assembly reads these structs by place.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(lineStep{}.cellSamples)-80]
	_ = [1]struct{}{}[unsafe.Offsetof(lineStep{}.here)-112]
	_ = [1]struct{}{}[unsafe.Offsetof(lineStep{}.inCore)-140]
	_ = [1]struct{}{}[unsafe.Offsetof(lines{}.apex)-7*4*strip]
	_ = [1]struct{}{}[unsafe.Offsetof(lines{}.sink)-7*4*strip-2*4*(strip+8)]
	_ = [1]struct{}{}[unsafe.Sizeof(raySample{})-48]
	_ = [1]struct{}{}[unsafe.Sizeof(cellSample{})-16]
	_ = [1]struct{}{}[unsafe.Sizeof(vertex{})-8]
	_ = [1]struct{}{}[strip-256]
)

func advance(g *lineStep) {
	if !cpu.X86.HasAVX2 {
		advanceGo(g)
		return
	}
	advanceAVX2((*uint8)(unsafe.Pointer(g)))
}

func see(g *lineStep) {
	if !cpu.X86.HasAVX2 {
		seeGo(g)
		return
	}
	seeAVX2((*uint8)(unsafe.Pointer(g)))
}
