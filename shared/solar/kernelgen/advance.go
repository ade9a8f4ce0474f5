package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Places in a front; the Go side checks them.
const (
	frontRow = 8 * iota
	frontHeights
	frontSteps
	frontDepth
	frontOut
	frontLooks
	frontCount
	frontFirst
	frontEnd
	frontHere
	frontInverse = frontHere + 4
	frontDrop    = frontHere + 8
)

// lanesPerStrip is how many lines a front has.
const lanesPerStrip = 256

// noData is the bits of the elevation -1e5.
const noData = 0xC7C35000

// advance is advanceGo: one step of the front of sweep lines, eight at a time.
func advance() {
	TEXT("advanceAVX2", NOSPLIT, "func(front *uint8)")
	Pragma("noescape")
	f := Load(Param("front"), GP64())
	scratch := AllocLocal(32)
	heights, steps, row, l := GP64(), GP64(), GP64(), GP64()
	MOVQ(Mem{Base: f, Disp: frontRow}, row)
	MOVQ(Mem{Base: f, Disp: frontHeights}, heights)
	MOVQ(Mem{Base: f, Disp: frontSteps}, steps)
	MOVQ(Mem{Base: f, Disp: frontFirst}, l)

	numbers := GLOBL("numbers", RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(uint32(i)))
	}

	// Registers are few: what is cheap to make again is not kept.
	z := YMM()
	isHole := func() VecVirtual {
		hole := broadcast(noData)
		VCMPPS(Imm(0x11), hole, z, hole) // z < noData
		return hole
	}
	lineNumbers := func() VecVirtual {
		x, y := XMM(), YMM()
		VMOVD(l.As32(), x)
		VPBROADCASTD(x, y)
		VPADDD(numbers, y, y)
		return y
	}
	zeroes := func() VecVirtual {
		y := YMM()
		VPXOR(y, y, y)
		return y
	}
	Label("group")
	depth, tmp := YMM(), GP64()
	VMOVUPS(Mem{Base: row, Index: l, Scale: 4}, z)
	MOVQ(Mem{Base: f, Disp: frontDepth}, tmp)
	VMOVDQU(Mem{Base: tmp, Index: l, Scale: 4}, depth)
	one := broadcast(1)

	// look computes run and tangent of the vertices at index where mask is set.
	look := func(index, mask, run, tangent VecVirtual) {
		use, part := YMM(), YMM()
		VMOVDQA(mask, use)
		VPXOR(part, part, part)
		VPGATHERDD(use, Mem{Base: steps, Index: index, Scale: 4}, part)
		VPBROADCASTD(f4(f, frontHere), run)
		VPSUBD(part, run, run)
		VCVTDQ2PS(run, run)
		VMOVDQA(mask, use)
		VXORPS(part, part, part)
		VGATHERDPS(use, Mem{Base: heights, Index: index, Scale: 4}, part)
		VSUBPS(z, part, part)
		VBROADCASTSS(f4(f, frontInverse), tangent)
		VDIVPS(run, tangent, tangent)
		VMULPS(tangent, part, tangent)
		VBROADCASTSS(f4(f, frontDrop), part)
		VMULPS(part, run, part)
		VSUBPS(part, tangent, tangent)
	}
	has, index, run, best := YMM(), YMM(), YMM(), YMM()
	VPCMPGTD(zeroes(), depth, has)
	VPSUBD(one, depth, index)
	VPSLLD(Imm(8), index, index)
	VPADDD(lineNumbers(), index, index)
	look(index, has, run, best)
	VANDPS(has, best, best)
	VANDPS(has, run, run)
	open := YMM()
	VPANDN(has, isHole(), open) // not a hole, and with a vertex

	Label("pop")
	more, bits := YMM(), GP32()
	VPCMPGTD(one, depth, more)
	VPAND(open, more, more)
	VMOVMSKPS(more, bits)
	TESTL(bits, bits)
	JZ(LabelRef("found"))
	below, r2, t2, pop := YMM(), YMM(), YMM(), YMM()
	stripe := broadcast(lanesPerStrip)
	VPSUBD(stripe, index, below)
	look(below, more, r2, t2)
	VCMPPS(Imm(0x1D), best, t2, pop) // t2 >= best
	VPAND(more, pop, pop)
	VMOVMSKPS(pop, bits)
	TESTL(bits, bits)
	JZ(LabelRef("found"))
	VPADDD(pop, depth, depth)
	VBLENDVPS(pop, below, index, index)
	VBLENDVPS(pop, r2, run, run)
	VBLENDVPS(pop, t2, best, best)
	VMOVDQA(pop, open)
	JMP(LabelRef("pop"))

	Label("found")
	// Push this cell; over a hole what is written counts for nothing.
	VPSLLD(Imm(8), depth, index)
	VPADDD(lineNumbers(), index, index)
	VMOVDQU(index, scratch)
	base := GP64()
	LEAQ(Mem{Base: row, Index: l, Scale: 4}, base)
	step := GP32()
	MOVL(Mem{Base: f, Disp: frontHere}, step)
	for i := range 8 {
		at, v := GP64(), GP32()
		MOVL(scratch.Offset(4*i), at.As32())
		MOVL(Mem{Base: base, Disp: 4 * i}, v)
		MOVL(v, Mem{Base: heights, Index: at, Scale: 4})
		MOVL(step, Mem{Base: steps, Index: at, Scale: 4})
	}
	grow := YMM()
	VPANDN(one, isHole(), grow)
	VPADDD(grow, depth, depth)
	MOVQ(Mem{Base: f, Disp: frontDepth}, tmp)
	VMOVDQU(depth, Mem{Base: tmp, Index: l, Scale: 4})

	out := GP64()
	MOVQ(Mem{Base: f, Disp: frontOut}, out)
	TESTQ(out, out)
	JZ(LabelRef("next"))
	// What lies near is looked at exactly.
	far := broadcast(0x41400000) // 12
	VCMPPS(Imm(0x11), run, far, far)
	VANDPS(far, best, best)
	VMAXPS(zeroes(), best, best)
	looks, n := GP64(), GP64()
	MOVQ(Mem{Base: f, Disp: frontLooks}, looks)
	MOVQ(Mem{Base: f, Disp: frontCount}, n)
	Label("look")
	TESTQ(n, n)
	JZ(LabelRef("encode"))
	a, w := YMM(), YMM()
	off := GP64()
	MOVQ(Mem{Base: looks}, off)
	VMOVUPS(Mem{Base: base, Index: off, Scale: 4}, a)
	VSUBPS(z, a, a)
	VBROADCASTSS(Mem{Base: looks, Disp: 8}, w)
	VMULPS(w, a, a)
	VBROADCASTSS(Mem{Base: looks, Disp: 12}, w)
	VSUBPS(w, a, a)
	VMAXPS(a, best, best)
	ADDQ(Imm(16), looks)
	DECQ(n)
	JMP(LabelRef("look"))
	Label("encode")
	floor := broadcast(0x3A800000)
	VADDPS(floor, best, best)
	VPSUBD(floor, best, best)
	half := broadcast(1 << 10)
	VPADDD(half, best, best)
	VPSRLD(Imm(11), best, best)
	VPANDN(best, isHole(), best)
	high := XMM()
	VEXTRACTI128(Imm(1), best, high)
	VPACKUSDW(high, best.AsX(), best.AsX())
	VMOVDQU(best.AsX(), Mem{Base: out, Index: l, Scale: 2})
	Label("next")
	ADDQ(Imm(8), l)
	CMPQ(l, Mem{Base: f, Disp: frontEnd})
	JLT(LabelRef("group"))
	VZEROUPPER()
	RET()
}

func f4(base Register, disp int) Mem { return Mem{Base: base, Disp: disp} }
