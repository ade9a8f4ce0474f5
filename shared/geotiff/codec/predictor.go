package codec

import "encoding/binary"

// Horizontal replaces little-endian integers by the difference to their left
// neighbour (TIFF 6.0 section 14).
func Horizontal(b []byte, size int) {
	le := binary.LittleEndian
	switch size {
	case 1:
		for i := len(b) - 1; i >= 1; i-- {
			b[i] -= b[i-1]
		}
	case 2:
		for i := len(b) - 2; i >= 2; i -= 2 {
			le.PutUint16(b[i:], le.Uint16(b[i:])-le.Uint16(b[i-2:]))
		}
	case 4:
		for i := len(b) - 4; i >= 4; i -= 4 {
			le.PutUint32(b[i:], le.Uint32(b[i:])-le.Uint32(b[i-4:]))
		}
	case 8:
		for i := len(b) - 8; i >= 8; i -= 8 {
			le.PutUint64(b[i:], le.Uint64(b[i:])-le.Uint64(b[i-8:]))
		}
	}
}

// Float is the floating-point predictor, number 3 (TIFF Technical Note 3): the most significant
// bytes of all floats of the row come first, as differences. tmp is memory of the length of b.
func Float(b, tmp []byte, size int) {
	n := len(b) / size
	copy(tmp, b)
	if size == 4 {
		float32s(b, tmp)
		return
	}
	for k := range size {
		plane := b[k*n : (k+1)*n]
		for i := range plane {
			plane[i] = tmp[i*size+size-1-k]
		}
	}
	for i := len(b) - 1; i >= 1; i-- {
		b[i] -= b[i-1]
	}
}

// float32s does all in one pass: half the time of the general form.
func float32s(b, tmp []byte) {
	le := binary.LittleEndian
	n := len(b) / 4
	b0, b1, b2, b3 := b[:n], b[n:2*n], b[2*n:3*n], b[3*n:4*n]
	// The left neighbour of the first byte of a plane is the last of the plane before.
	last := le.Uint32(tmp[4*(n-1):])
	prev := last >> 8
	for i := range n {
		u := le.Uint32(tmp[4*i:])
		b0[i] = byte(u>>24) - byte(prev>>24)
		b1[i] = byte(u>>16) - byte(prev>>16)
		b2[i] = byte(u>>8) - byte(prev>>8)
		b3[i] = byte(u) - byte(prev)
		prev = u
	}
}

// UndoHorizontal sums up the differences between neighbours of one row
// (TIFF 6.0 section 14), of little-endian integers.
func UndoHorizontal(b []byte, samples, size int) {
	step := samples * size
	switch size {
	case 1:
		for i := step; i < len(b); i++ {
			b[i] += b[i-step]
		}
	case 2:
		for i := step; i+2 <= len(b); i += 2 {
			binary.LittleEndian.PutUint16(b[i:], binary.LittleEndian.Uint16(b[i:])+binary.LittleEndian.Uint16(b[i-step:]))
		}
	case 4:
		for i := step; i+4 <= len(b); i += 4 {
			binary.LittleEndian.PutUint32(b[i:], binary.LittleEndian.Uint32(b[i:])+binary.LittleEndian.Uint32(b[i-step:]))
		}
	case 8:
		for i := step; i+8 <= len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], binary.LittleEndian.Uint64(b[i:])+binary.LittleEndian.Uint64(b[i-step:]))
		}
	}
}

// UndoFloat reverses the floating-point predictor, number 3, (TIFF Technical Note 3) on one row:
// differences of bytes, the most significant bytes of all samples first. The
// result is little-endian. tmp is memory of the length of b.
func UndoFloat(b, tmp []byte, samples, size int) {
	if samples == 1 { // the sum stays in a register: 3 times as fast
		var sum byte
		for i, v := range b {
			sum += v
			b[i] = sum
		}
	} else {
		for i := samples; i < len(b); i++ {
			b[i] += b[i-samples]
		}
	}
	n := len(b) / size
	copy(tmp, b)
	switch size {
	case 4:
		p0, p1, p2, p3 := tmp[:n], tmp[n:2*n], tmp[2*n:3*n], tmp[3*n:4*n]
		for i := range n {
			binary.LittleEndian.PutUint32(b[4*i:], uint32(p0[i])<<24|uint32(p1[i])<<16|uint32(p2[i])<<8|uint32(p3[i]))
		}
	default:
		for k := range size {
			plane := tmp[k*n : (k+1)*n]
			for i, v := range plane {
				b[i*size+size-1-k] = v
			}
		}
	}
}
