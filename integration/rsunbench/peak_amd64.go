//go:build unix

package main

import "golang.org/x/sys/cpu"

//go:generate go -C ../../shared/solar/kernelgen run . -kernel peak -out ../../../integration/rsunbench/peak_amd64.s -stubs ../../../integration/rsunbench/peak_stub_amd64.go -pkg main

// roundFlops is what a round of fused products counts for.
const roundFlops = 12 * 8 * 2

// fuse does n rounds of fused products; it reports whether the processor can.
func fuse(n int) bool {
	if !cpu.X86.HasFMA || !cpu.X86.HasAVX2 {
		return false
	}
	fusedProducts(n)
	return true
}
