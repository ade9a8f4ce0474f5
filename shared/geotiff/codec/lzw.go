package codec

import "errors"

var errLZW = errors.New("damaged LZW data")

// ErrReversedBits is the error of Decompress for LZW as programs wrote it before TIFF 6.0.
var ErrReversedBits = errors.New("LZW with reversed bits, of before TIFF 6.0, is not read")

// lzwTable is the string table of LZW (TIFF 6.0 section 13). A string is not
// spelt out: it is a place in the output where it was written before.
type lzwTable struct {
	start  [4096]int32
	length [4096]int32
}

// lzwDecode fills dst, stopping early when the data say that they end.
func lzwDecode(dst, src []byte, t *lzwTable) (int, error) {
	const clearCode, endCode = 256, 257
	if len(src) > 1 && src[0] == 0 && src[1]&1 != 0 {
		return 0, ErrReversedBits
	}
	var (
		acc   uint64
		nbits uint
		pos   int
		out   int
		width = uint(9)
		next  = 258
		prev  = -1 // start of the previous string in dst
		plen  int
	)
	for out < len(dst) {
		for nbits < width {
			if pos == len(src) {
				return out, nil
			}
			acc = acc<<8 | uint64(src[pos])
			pos++
			nbits += 8
		}
		nbits -= width
		code := int(acc>>nbits) & (1<<width - 1)
		switch code {
		case endCode:
			return out, nil
		case clearCode:
			width, next, prev = 9, 258, -1
			continue
		}
		if prev >= 0 && next < 4096 {
			// The previous string plus the first byte of this one: exactly
			// what dst holds from prev on, once this one is written.
			t.start[next], t.length[next] = int32(prev), int32(plen+1)
			next++
		}
		at := out
		if code < 256 {
			dst[out] = byte(code)
			out++
			plen = 1
		} else {
			if code >= next {
				return out, errLZW
			}
			s := int(t.start[code])
			plen = int(t.length[code])
			n := min(plen, len(dst)-out)
			if s+n <= out {
				copy(dst[out:out+n], dst[s:s+n])
			} else { // the string ends with a byte it is itself about to write
				for i := range n {
					dst[out+i] = dst[s+i]
				}
			}
			out += n
		}
		prev = at
		// The width grows one code early.
		switch next {
		case 511:
			width = 10
		case 1023:
			width = 11
		case 2047:
			width = 12
		}
	}
	return out, nil
}
