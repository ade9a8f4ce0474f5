// Command kernelgen writes the AVX2 versions of the solar engine's inner loops,
// and the loop that measures what arithmetic the processor can do.
//
//	go run . -kernel solar -out ../kernel_avx2_amd64.s -stubs ../kernel_avx2_amd64.go
//	go run . -kernel horizon -out ../horizon/kernel_avx2_amd64.s -stubs ../horizon/kernel_avx2_amd64.go
//	go run . -kernel peak -out ../../../integration/rsunbench/peak_amd64.s -stubs ../../../integration/rsunbench/peak_amd64.go
//
// They do the same arithmetic in the same order as the loops in Go, without
// fused products, so that results are the same to the last bit. avo reads -out
// and -stubs; it is used here alone, so that the product does not depend on it.
package main

import (
	"flag"
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	kernel := flag.String("kernel", "", "solar, horizon or peak")
	flag.Parse()
	switch *kernel {
	case "solar":
		gather()
		shine()
		raise()
	case "horizon":
		advance()
		see()
	case "peak":
		peak()
	default:
		fmt.Fprintf(os.Stderr, "kernelgen: kernel %q: must be solar, horizon or peak\n", *kernel)
		os.Exit(2)
	}
	Generate()
}

// gather is gatherGo: out = Σ weight (Σ cells of plus - Σ cells of minus) over four tables.
func gather() {
	TEXT("gatherAVX2", NOSPLIT, "func(out *float32, corners *uint8, plus, minus []int32)")
	Pragma("noescape")
	out := Load(Param("out"), GP64())
	corners := Load(Param("corners"), GP64())
	var base [4]GPVirtual
	var acc [4]VecVirtual
	for i := range base {
		base[i] = GP64()
		MOVQ(Mem{Base: corners, Disp: 8 * i}, base[i])
		MOVQ(Mem{Base: base[i]}, base[i]) // the table's cells come first in it
		acc[i] = YMM()
		VXORPS(acc[i], acc[i], acc[i])
	}
	for _, list := range []string{"plus", "minus"} {
		at, n := Load(Param(list).Base(), GP64()), Load(Param(list).Len(), GP64())
		Label(list)
		TESTQ(n, n)
		JZ(LabelRef(list + "done"))
		place := GP64()
		MOVLQSX(Mem{Base: at}, place)
		SHLQ(Imm(5), place)
		for i := range base {
			cell := Mem{Base: base[i], Index: place, Scale: 1}
			if list == "plus" {
				VADDPS(cell, acc[i], acc[i])
			} else {
				VSUBPS(cell, acc[i], acc[i])
			}
		}
		ADDQ(Imm(4), at)
		DECQ(n)
		JMP(LabelRef(list))
		Label(list + "done")
	}
	sum := YMM()
	VXORPS(sum, sum, sum)
	for i := range acc {
		weight := YMM()
		VBROADCASTSS(Mem{Base: corners, Disp: 32 + 4*i}, weight)
		VMULPS(weight, acc[i], acc[i])
		VADDPS(acc[i], sum, sum)
	}
	VMOVUPS(sum, Mem{Base: out})
	VZEROUPPER()
	RET()
}

// Places in a block; the Go side checks them.
const (
	blockEast   = 121 * 8 * 4
	blockNorth  = blockEast + 32
	blockBefore = blockNorth + 32
	blockAfter  = blockBefore + 32
)

// greater sets dst where a > b.
func greater(a, b, dst Op) { VCMPPS(Imm(0x11), a, b, dst) } // b < a

// shine is shineGo: marks the suns above the horizons and in front of the slopes.
func shine() {
	TEXT("shineAVX2", NOSPLIT, "func(mask *uint32, block *uint8, suns *uint8, n int)")
	Pragma("noescape")
	mask := Load(Param("mask"), GP64())
	block := Load(Param("block"), GP64())
	s := Load(Param("suns"), GP64())
	n := Load(Param("n"), GP64())
	lit, east, north, zero := YMM(), YMM(), YMM(), YMM()
	VMOVUPS(Mem{Base: mask}, lit)
	VMOVUPS(Mem{Base: block, Disp: blockEast}, east)
	VMOVUPS(Mem{Base: block, Disp: blockNorth}, north)
	VXORPS(zero, zero, zero)
	Label("sun")
	tan, v, w, h := YMM(), YMM(), YMM(), YMM()
	at := GP64()
	VBROADCASTSS(Mem{Base: s}, tan)
	MOVL(Mem{Base: s, Disp: 16}, at.As32())
	// In front of the slope.
	VBROADCASTSS(Mem{Base: s, Disp: 4}, v)
	VMULPS(east, v, v)
	VADDPS(tan, v, v)
	VBROADCASTSS(Mem{Base: s, Disp: 8}, w)
	VMULPS(north, w, w)
	VADDPS(w, v, v)
	greater(v, zero, v)
	// Above the horizon.
	near, far := Mem{Base: block, Index: at, Scale: 1}, Mem{Base: block, Index: at, Scale: 1, Disp: 32}
	VMOVUPS(near, h)
	VMOVUPS(far, w)
	VSUBPS(h, w, w)
	part := YMM()
	VBROADCASTSS(Mem{Base: s, Disp: 12}, part)
	VMULPS(part, w, w)
	VADDPS(w, h, h)
	greater(tan, h, h)
	VANDPS(h, v, v)
	bit := YMM()
	VBROADCASTSS(Mem{Base: s, Disp: 20}, bit)
	VANDPS(bit, v, v)
	VORPS(v, lit, lit)
	ADDQ(Imm(24), s)
	DECQ(n)
	JNZ(LabelRef("sun"))
	VMOVUPS(lit, Mem{Base: mask})
	VZEROUPPER()
	RET()
}

// raise is raiseGo: unpacks horizons, and finds above what nothing hides the sun.
func raise() {
	TEXT("raiseAVX2", NOSPLIT, "func(block *uint8, codes *uint16, stride int, bearings *uint8, n int)")
	Pragma("noescape")
	block := Load(Param("block"), GP64())
	codes := Load(Param("codes"), GP64())
	stride := Load(Param("stride"), GP64())
	a := Load(Param("bearings"), GP64())
	n := Load(Param("n"), GP64())
	SHLQ(Imm(1), stride)
	base, floor, minus := broadcast(117<<23), broadcast(0x3A800000), broadcast(1<<31)
	east, north, before, after := YMM(), YMM(), YMM(), YMM()
	VMOVUPS(Mem{Base: block, Disp: blockEast}, east)
	VMOVUPS(Mem{Base: block, Disp: blockNorth}, north)
	VXORPS(before, before, before)
	VXORPS(after, after, after)
	Label("bearing")
	h, v, w := YMM(), YMM(), YMM()
	at := GP64()
	VPMOVZXWD(Mem{Base: codes}, h)
	VPSLLD(Imm(11), h, h)
	VPADDD(base, h, h)
	VSUBPS(floor, h, h)
	MOVL(Mem{Base: a}, at.As32())
	VMOVUPS(h, Mem{Base: block, Index: at, Scale: 1})
	VBROADCASTSS(Mem{Base: a, Disp: 12}, v)
	VMULPS(east, v, v)
	VBROADCASTSS(Mem{Base: a, Disp: 16}, w)
	VMULPS(north, w, w)
	VADDPS(w, v, v)
	VXORPS(minus, v, v)
	VMAXPS(v, h, h)
	VBROADCASTSS(Mem{Base: a, Disp: 4}, v)
	VANDPS(h, v, v)
	VMAXPS(v, before, before)
	VBROADCASTSS(Mem{Base: a, Disp: 8}, v)
	VANDPS(h, v, v)
	VMAXPS(v, after, after)
	ADDQ(stride, codes)
	ADDQ(Imm(20), a)
	DECQ(n)
	JNZ(LabelRef("bearing"))
	VMOVUPS(before, Mem{Base: block, Disp: blockBefore})
	VMOVUPS(after, Mem{Base: block, Disp: blockAfter})
	VZEROUPPER()
	RET()
}

// broadcast fills a register with a 32-bit pattern.
func broadcast(bits uint32) VecVirtual {
	r, x, y := GP32(), XMM(), YMM()
	MOVL(U32(bits), r)
	VMOVD(r, x)
	VPBROADCASTD(x, y)
	return y
}

// peak does 8 x 12 fused products in each of n rounds, independent of each other.
func peak() {
	TEXT("fusedProducts", NOSPLIT, "func(n int)")
	n := Load(Param("n"), GP64())
	a := YMM()
	VXORPS(a, a, a)
	var sum [12]VecVirtual
	for i := range sum {
		sum[i] = YMM()
		VXORPS(sum[i], sum[i], sum[i])
	}
	Label("round")
	for i := range sum {
		VFMADD231PS(a, a, sum[i])
	}
	DECQ(n)
	JNZ(LabelRef("round"))
	VZEROUPPER()
	RET()
}
