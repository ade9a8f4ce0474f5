package horizon

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:generate go -C ../kernelgen run . -kernel horizon -out ../horizon/kernel_avx2_amd64.s -stubs ../horizon/kernel_avx2_amd64.go -pkg horizon

// The assembly reads these structs by place.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(front{}.first)-56]
	_ = [1]struct{}{}[unsafe.Offsetof(front{}.here)-72]
	_ = [1]struct{}{}[unsafe.Offsetof(front{}.drop)-80]
	_ = [1]struct{}{}[unsafe.Sizeof(nearLook{})-16]
	_ = [1]struct{}{}[strip-256]
	_ = [1]struct{}{}[near-12]
)

func advance(g *front) {
	if !cpu.X86.HasAVX2 {
		advanceGo(g)
		return
	}
	advanceAVX2((*uint8)(unsafe.Pointer(g)))
}
