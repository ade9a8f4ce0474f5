package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Places in a lineStep; the Go side checks them.
const (
	stepNearer = 8 * iota
	stepFarther
	stepHulls
	stepLines
	stepRow
	stepRough
	stepOut
	stepRaySamples
	stepHalves
	stepWholes
	stepCellSamples
	stepCount
	stepFirst
	stepEnd
	stepHere
	stepPart    = stepHere + 4
	stepInverse = stepHere + 8
	stepDrop    = stepHere + 12
	stepBefore  = stepHere + 16
	stepAfter   = stepHere + 20
	stepNear    = stepHere + 24
	stepInCore  = stepHere + 28
	stepAhead   = stepHere + 32
)

// Places in the lines of a step.
const (
	lineDepth   = 0
	lineTop     = 4 * 256
	lineSince   = 2 * lineTop
	lineNext    = 3 * lineTop
	lineBelow   = 4 * lineTop
	lineThird   = 5 * lineTop
	lineUnder   = 6 * lineTop
	lineApex    = 7 * lineTop
	lineInverse = lineApex + 4*264
	lineSink    = lineInverse + 4*264
)

// Bits of single precision.
const (
	noData    = 0xC7C35000 // the elevation -1e5
	codeFloor = 0x3A800000 // 1/1024
	oneHalf   = 0x3F000000
	per255    = 0x3B808081 // 1/255
)

func f4(base Register, disp int) Mem { return Mem{Base: base, Disp: disp} }

func less(a, b, dst Op) { VCMPPS(Imm(0x11), b, a, dst) } // a < b

func allOnes() VecVirtual {
	y := YMM()
	VPCMPEQD(y, y, y)
	return y
}

func zeroes() VecVirtual {
	y := YMM()
	VPXOR(y, y, y)
	return y
}

// constant is eight times a 32-bit pattern in memory.
func constant(name string, bits uint32) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(bits))
	}
	return m
}

// advance is advanceGo: one step of the sweep lines, eight at a time. What
// bounds it is how many operations there are, a blend counting as three.
func advance() {
	numbers := GLOBL("numbers", RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(uint32(i)))
	}
	one, minusFour, none := constant("one", 1), constant("minusFour", 0xFFFFFFFC), constant("none", noData)
	TEXT("advanceAVX2", NOSPLIT, "func(step *uint8)")
	Pragma("noescape")
	f := Load(Param("step"), GP64())
	scratch, has, holes := AllocLocal(32), AllocLocal(32), AllocLocal(32)
	nearer, farther, hulls, n, l := GP64(), GP64(), GP64(), GP64(), GP64()
	MOVQ(f4(f, stepNearer), nearer)
	MOVQ(f4(f, stepFarther), farther)
	MOVQ(f4(f, stepHulls), hulls)
	MOVQ(f4(f, stepLines), n)
	MOVQ(f4(f, stepFirst), l)

	of := func(place int) Mem { return Mem{Base: n, Disp: place, Index: l, Scale: 4} }
	belowNone := func(v, mask VecVirtual) { VCMPPS(Imm(0x11), none, v, mask) }
	// rise computes run and tangent of corners of a height and step.
	rise := func(z, height, step, run, tangent VecVirtual) {
		part, per := YMM(), YMM()
		VBROADCASTSS(f4(f, stepHere), run)
		VSUBPS(step, run, run)
		VBROADCASTSS(f4(f, stepInverse), per)
		VDIVPS(run, per, per)
		VSUBPS(z, height, tangent)
		VMULPS(per, tangent, tangent)
		VBROADCASTSS(f4(f, stepDrop), part)
		VMULPS(part, run, part)
		VSUBPS(part, tangent, tangent)
	}

	Label("group")
	soon := GP64()
	MOVQ(f4(f, stepAhead), soon)
	PREFETCHT0(Mem{Base: soon, Index: l, Scale: 4})
	hull := GP64() // the corners of line l
	LEAQ(Mem{Base: hulls, Index: l, Scale: 8}, hull)
	z, depth, pop := YMM(), YMM(), YMM()
	bits, partial := GP32(), GP32()
	VMOVDQU(of(lineDepth), depth)
	VPCMPGTD(zeroes(), depth, pop)
	{
		p, q, part := YMM(), YMM(), YMM()
		VMOVUPS(Mem{Base: nearer, Index: l, Scale: 4}, p)
		VMOVUPS(Mem{Base: farther, Index: l, Scale: 4}, q)
		VSUBPS(p, q, z)
		VBROADCASTSS(f4(f, stepPart), part)
		VMULPS(part, z, z)
		VADDPS(p, z, z)
		VMINPS(q, p, part)
		belowNone(part, part)
		VMOVMSKPS(part, partial)
		TESTL(partial, partial)
		JZ(LabelRef("whole"))
		VMOVUPS(part, holes)
		VMAXPS(q, p, p)
		VBLENDVPS(part, p, z, z)
		belowNone(z, part)
		VPANDN(pop, part, pop)
		Label("whole")
	}
	VMOVDQU(pop, has)
	step, apex, best := YMM(), YMM(), YMM()
	VMOVUPS(of(lineTop), apex)
	VMOVUPS(of(lineSince), step)
	rise(z, apex, step, YMM(), best)

	// The corners below the last are tested one after another, as long as each is higher
	// than the one before. Most lines drop one, and few groups more than two: three
	// tests are made without a branch, since a branch that is predicted wrongly costs
	// more. Of the first three corners two are in registers; what lies below them is in
	// memory, at a place that does not depend on the tests. The corner below the one
	// that stays is kept for the next step.
	height, at, t2, third, under := YMM(), YMM(), YMM(), YMM(), YMM()
	gather := func() { // the corners that at counts
		low, high := YMM(), YMM()
		VPMAXSD(zeroes(), at, at)
		VPSLLD(Imm(8), at, at)
		VPADDD(numbers, at, at)
		VPGATHERDQ(allOnes(), Mem{Base: hull, Index: at.AsX(), Scale: 8}, low)
		VEXTRACTI128(Imm(1), at, at.AsX())
		VPGATHERDQ(allOnes(), Mem{Base: hull, Index: at.AsX(), Scale: 8}, high)
		VSHUFPS(Imm(0x88), high, low, height)
		VSHUFPS(Imm(0xDD), high, low, at)
		VPERMQ(Imm(0xD8), height, height)
		VPERMQ(Imm(0xD8), at, at)
	}
	stays := func() {
		VBLENDVPS(pop, height, third, third)
		VBLENDVPS(pop, at, under, under)
	}
	try := func() {
		rise(z, height, at, YMM(), t2)
		more := YMM()
		VPCMPGTD(one, depth, more)
		VPAND(more, pop, pop)
		VCMPPS(Imm(0x1D), best, t2, more) // t2 >= best
		VPAND(more, pop, pop)
		VPADDD(pop, depth, depth)
		VBLENDVPS(pop, height, apex, apex)
		VBLENDVPS(pop, at, step, step)
		VMOVAPS(t2, best) // lines that keep their corner test no more
	}
	VMOVUPS(of(lineNext), height)
	VMOVUPS(of(lineBelow), at)
	VMOVAPS(height, third)
	VMOVAPS(at, under)
	try()
	VMOVUPS(of(lineThird), height)
	VMOVUPS(of(lineUnder), at)
	stays()
	try()
	VMOVDQU(of(lineDepth), at)
	VPADDD(minusFour, at, at)
	gather()
	stays()
	try()
	Label("pop")
	VMOVMSKPS(pop, bits)
	TESTL(bits, bits)
	JZ(LabelRef("found"))
	VPADDD(allOnes(), depth, at)
	VPADDD(allOnes(), at, at)
	gather()
	stays()
	try()
	JMP(LabelRef("pop"))

	Label("found")
	CMPL(f4(f, stepInCore), Imm(0))
	JEQ(LabelRef("push"))
	{
		// What lies near is sampled from the cells themselves.
		run, far, sink, per := YMM(), YMM(), YMM(), YMM()
		VBROADCASTSS(f4(f, stepHere), run)
		VSUBPS(step, run, run)
		VBROADCASTSS(f4(f, stepNear), far)
		less(far, run, far)
		VPAND(has, far, far)
		VBROADCASTSS(f4(f, stepInverse), per)
		VDIVPS(run, per, per)
		VPAND(far, per, per)
		VMOVUPS(per, of(lineInverse))
		VMOVUPS(apex, of(lineApex))
		VBROADCASTSS(f4(f, stepDrop), sink)
		VMULPS(run, sink, sink)
		VMOVUPS(sink, of(lineSink))
	}
	Label("push")
	here, place := YMM(), YMM()
	VBROADCASTSS(f4(f, stepHere), here)
	VMOVDQA(depth, place)
	TESTL(partial, partial)
	JZ(LabelRef("ready"))
	{
		// A line beside a hole pushes its last corner again, onto itself.
		mask, old := YMM(), YMM()
		VMOVUPS(holes, mask)
		VMOVDQU(of(lineDepth), old)
		VPADDD(allOnes(), old, old)
		VBLENDVPS(mask, old, depth, depth)
		VPMAXSD(zeroes(), depth, place)
		for _, v := range []struct {
			place int
			now   VecVirtual
		}{{lineTop, z}, {lineSince, here}, {lineNext, apex}, {lineBelow, step}, {lineThird, third}, {lineUnder, under}} {
			VMOVUPS(of(v.place), old)
			VBLENDVPS(mask, old, v.now, v.now)
		}
	}
	Label("ready")
	VPADDD(one, depth, depth)
	VMOVDQU(depth, of(lineDepth))
	VMOVUPS(z, of(lineTop))
	VMOVUPS(here, of(lineSince))
	VMOVUPS(apex, of(lineNext))
	VMOVUPS(step, of(lineBelow))
	VMOVUPS(third, of(lineThird))
	VMOVUPS(under, of(lineUnder))
	VPSLLD(Imm(8), place, place)
	VPADDD(numbers, place, place)
	VMOVDQU(place, scratch)
	{
		low, high := YMM(), YMM()
		VPUNPCKLDQ(here, z, low)  // lines 0 1 4 5
		VPUNPCKHDQ(here, z, high) // lines 2 3 6 7
		for half := range 2 {
			for i, v := range []VecVirtual{low, high} {
				for k := range 2 {
					at := GP64()
					MOVL(scratch.Offset(4*(4*half+2*i+k)), at.As32())
					to := Mem{Base: hull, Index: at, Scale: 8}
					if k == 0 {
						VMOVLPS(v.AsX(), to)
					} else {
						VMOVHPS(v.AsX(), to)
					}
				}
			}
			if half == 0 {
				VEXTRACTI128(Imm(1), low, low.AsX())
				VEXTRACTI128(Imm(1), high, high.AsX())
			}
		}
	}
	ADDQ(Imm(8), l)
	CMPQ(l, f4(f, stepEnd))
	JLT(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// Places in a raySample and in a cellSample.
const (
	rayNearer  = 0
	rayFarther = 16
	rayPart    = 32
	rayInverse = 36
	rayDrop    = 40
	raySize    = 48

	cellSampleInverse = 8
	cellSampleDrop    = 12
	cellSampleSize    = 16
)

// see is seeGo: the horizons of the cells of a step, sixteen at a time.
func see() {
	TEXT("seeAVX2", NOSPLIT, "func(step *uint8)")
	Pragma("noescape")
	f := Load(Param("step"), GP64())
	row, l := GP64(), GP64()
	MOVQ(f4(f, stepRow), row)
	MOVQ(f4(f, stepFirst), l)
	const groups = 2

	Label("cells")
	base, rough := GP64(), GP64()
	LEAQ(Mem{Base: row, Index: l, Scale: 4}, base)
	MOVQ(f4(f, stepRough), rough)
	ADDQ(l, rough)
	var z, t [groups]VecVirtual
	for g := range groups {
		z[g], t[g] = YMM(), YMM()
		VMOVUPS(f4(base, 32*g), z[g])
		VXORPS(t[g], t[g], t[g])
	}
	// above loads the height of cells above those whose horizons are computed.
	above := func(offset Register, g int) VecVirtual {
		v := YMM()
		VMOVUPS(Mem{Base: base, Index: offset, Scale: 4, Disp: 32 * g}, v)
		VSUBPS(z[g], v, v)
		return v
	}
	// between adds to sum, or sets it to, the heights part of the way from nearer to farther.
	between := func(p, q, part VecVirtual) {
		VSUBPS(p, q, q)
		VMULPS(part, q, q)
		VADDPS(q, p, p)
	}
	// raise raises best to the tangents of heights d.
	raise := func(d, inverse, drop, best VecVirtual) {
		VMULPS(inverse, d, d)
		VSUBPS(drop, d, d)
		VMAXPS(best, d, best)
	}
	ray, count := GP64(), GP64()
	first, second := GP64(), GP64()
	scales := func() (part, inverse, drop VecVirtual) {
		part, inverse, drop = YMM(), YMM(), YMM()
		VBROADCASTSS(f4(ray, rayPart), part)
		VBROADCASTSS(f4(ray, rayInverse), inverse)
		VBROADCASTSS(f4(ray, rayDrop), drop)
		return part, inverse, drop
	}
	offsets := func(k int) {
		MOVQ(f4(ray, rayNearer+8*k), first)
		MOVQ(f4(ray, rayFarther+8*k), second)
	}
	all := GP64()
	MOVQ(f4(rough, 0), all)
	ANDQ(f4(rough, 8), all)
	CMPQ(all, I8(-1))
	JEQ(LabelRef("rough"))

	MOVQ(f4(f, stepRaySamples), ray)
	MOVQ(f4(f, stepHalves), count)
	Label("half")
	TESTQ(count, count)
	JZ(LabelRef("halved"))
	{
		part, inverse, drop := scales()
		half := broadcast(oneHalf)
		var d [groups]VecVirtual
		offsets(0)
		for g := range groups {
			p, q := above(first, g), above(second, g)
			between(p, q, part)
			d[g] = p
		}
		offsets(1)
		for g := range groups {
			p, q := above(first, g), above(second, g)
			between(p, q, part)
			VADDPS(p, d[g], d[g])
			VMULPS(half, d[g], d[g])
			raise(d[g], inverse, drop, t[g])
		}
	}
	ADDQ(Imm(raySize), ray)
	DECQ(count)
	JMP(LabelRef("half"))
	Label("halved")
	MOVQ(f4(f, stepWholes), count)
	Label("whole")
	{
		part, inverse, drop := scales()
		offsets(0)
		for g := range groups {
			p, q := above(first, g), above(second, g)
			between(p, q, part)
			raise(p, inverse, drop, t[g])
		}
	}
	ADDQ(Imm(raySize), ray)
	DECQ(count)
	JNZ(LabelRef("whole"))

	Label("rough")
	MOVQ(f4(rough, 0), all)
	ORQ(f4(rough, 8), all)
	JZ(LabelRef("lines"))
	MOVQ(f4(f, stepCellSamples), ray)
	MOVQ(f4(f, stepCount), count)
	var s [groups]VecVirtual
	for g := range groups {
		s[g] = YMM()
		VXORPS(s[g], s[g], s[g])
	}
	Label("sample")
	TESTQ(count, count)
	JZ(LabelRef("sampled"))
	{
		inverse, drop := YMM(), YMM()
		MOVQ(f4(ray, 0), first)
		VBROADCASTSS(f4(ray, cellSampleInverse), inverse)
		VBROADCASTSS(f4(ray, cellSampleDrop), drop)
		for g := range groups {
			raise(above(first, g), inverse, drop, s[g])
		}
	}
	ADDQ(Imm(cellSampleSize), ray)
	DECQ(count)
	JMP(LabelRef("sample"))
	Label("sampled")
	for g := range groups {
		weight, only, scale := YMM(), broadcast(255), broadcast(per255)
		VPMOVZXBD(f4(rough, 8*g), weight)
		VPCMPEQD(weight, only, only)
		VPANDN(t[g], only, t[g]) // surface counts for nothing there
		VCVTDQ2PS(weight, weight)
		VMULPS(scale, weight, weight)
		VSUBPS(t[g], s[g], s[g])
		VMULPS(weight, s[g], s[g])
		VADDPS(s[g], t[g], t[g])
	}

	Label("lines")
	n, out := GP64(), GP64()
	MOVQ(f4(f, stepLines), n)
	MOVQ(f4(f, stepOut), out)
	// side is the horizon of the lines k after the cells, times what it counts.
	side := func(g, k, share int) VecVirtual {
		inverse, v, w := YMM(), YMM(), YMM()
		of := func(place int) Mem { return Mem{Base: n, Disp: place + 32*g + 4*k, Index: l, Scale: 4} }
		VMOVUPS(of(lineInverse), inverse)
		VMOVUPS(of(lineApex), v)
		VSUBPS(z[g], v, v)
		VMULPS(inverse, v, v)
		VMOVUPS(of(lineSink), w)
		VSUBPS(w, v, v)
		less(zeroes(), inverse, inverse)
		VBLENDVPS(inverse, v, t[g], v)
		VBROADCASTSS(f4(f, share), w)
		VMULPS(w, v, v)
		return v
	}
	for g := range groups {
		left, right := side(g, 0, stepBefore), side(g, 1, stepAfter)
		VADDPS(right, left, left)
		VMAXPS(left, t[g], left)
		floor := broadcast(codeFloor)
		VADDPS(floor, left, left)
		VPSUBD(floor, left, left)
		VPADDD(broadcast(1<<10), left, left)
		VPSRLD(Imm(11), left, left)
		empty := broadcast(noData)
		less(z[g], empty, empty)
		VPANDN(left, empty, left)
		high := XMM()
		VEXTRACTI128(Imm(1), left, high)
		VPACKUSDW(high, left.AsX(), left.AsX())
		VMOVDQU(left.AsX(), Mem{Base: out, Index: l, Scale: 2, Disp: 16 * g})
	}
	ADDQ(Imm(8*groups), l)
	CMPQ(l, f4(f, stepEnd))
	JLT(LabelRef("cells"))
	VZEROUPPER()
	RET()
}
