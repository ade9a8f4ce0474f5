package codec

import (
	"bytes"
	"testing"
)

// TestLZWFullTable: a stream that never clears its table stays at 12 bits
// (golang.org/x/image/tiff/lzw v0.47.0 panics on it).
func TestLZWFullTable(t *testing.T) {
	var src []byte
	var acc uint64
	var bits uint
	put := func(code uint64, width uint) {
		for acc, bits = acc<<width|code, bits+width; bits >= 8; bits -= 8 {
			src = append(src, byte(acc>>(bits-8)))
		}
	}
	const n = 70000
	width := uint(9)
	put(256, width)
	for i := range n {
		put('A', width)
		if entries := 258 + i; entries+1 >= 1<<width && width < 12 {
			width++
		}
	}
	put(0, 8)
	dst := make([]byte, n)
	got, err := new(Decoder).Decompress(LZW, dst, src, true)
	if err != nil || got != n || !bytes.Equal(dst, bytes.Repeat([]byte("A"), n)) {
		t.Errorf("%d bytes, error %v", got, err)
	}
}
