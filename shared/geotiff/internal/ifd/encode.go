package ifd

import (
	"encoding/binary"
	"math"
)

// Tag is one entry of a directory to be written.
type Tag struct {
	ID    uint16
	kind  uint16
	count uint64
	data  []byte
}

// ASCII makes a tag of a text.
func ASCII(id uint16, s string) Tag {
	b := append([]byte(s), 0)
	return Tag{id, 2, uint64(len(b)), b}
}

// Shorts makes a tag of integers of 16 bits.
func Shorts(id uint16, v ...uint16) Tag {
	t := Tag{ID: id, kind: 3, count: uint64(len(v))}
	for _, x := range v {
		t.data = binary.LittleEndian.AppendUint16(t.data, x)
	}
	return t
}

// Longs makes a tag of integers of 32 bits.
func Longs(id uint16, v ...uint32) Tag {
	t := Tag{ID: id, kind: 4, count: uint64(len(v))}
	for _, x := range v {
		t.data = binary.LittleEndian.AppendUint32(t.data, x)
	}
	return t
}

// Long8s makes a tag of integers of 64 bits, which BigTIFF alone has.
func Long8s(id uint16, v []uint64) Tag {
	t := Tag{ID: id, kind: 16, count: uint64(len(v))}
	for _, x := range v {
		t.data = binary.LittleEndian.AppendUint64(t.data, x)
	}
	return t
}

// Doubles makes a tag of floating-point numbers.
func Doubles(id uint16, v ...float64) Tag {
	t := Tag{ID: id, kind: 12, count: uint64(len(v))}
	for _, x := range v {
		t.data = binary.LittleEndian.AppendUint64(t.data, math.Float64bits(x))
	}
	return t
}

// Encoder encodes directories, little-endian, of TIFF or BigTIFF.
type Encoder struct{ Big bool }

// entry returns the sizes of a directory entry, of its inline value, and of what stands before and behind the entries.
func (e Encoder) entry() (each, inline, around uint64) {
	if e.Big {
		return 20, 8, 16
	}
	return 12, 4, 6
}

// Size is how many bytes a directory takes with its values.
func (e Encoder) Size(tags []Tag) uint64 {
	each, inline, n := e.entry()
	n += each * uint64(len(tags))
	for _, t := range tags {
		if size := uint64(len(t.data)); size > inline {
			n += size + size%2
		}
	}
	return n
}

// Directory encodes one directory at offset off with its values behind it; next is the offset of the one that follows, 0
// after the last. Tags must be in the order of their numbers.
func (e Encoder) Directory(off uint64, tags []Tag, next uint64) []byte {
	le := binary.LittleEndian
	each, inline, around := e.entry()
	values := off + around + each*uint64(len(tags))
	var b, behind []byte
	if e.Big {
		b = le.AppendUint64(b, uint64(len(tags)))
	} else {
		b = le.AppendUint16(b, uint16(len(tags)))
	}
	for _, t := range tags {
		b = le.AppendUint16(b, t.ID)
		b = le.AppendUint16(b, t.kind)
		b = e.Number(b, t.count)
		if uint64(len(t.data)) <= inline {
			b = append(b, t.data...)
			b = append(b, make([]byte, int(inline)-len(t.data))...)
			continue
		}
		b = e.Number(b, values+uint64(len(behind)))
		behind = append(behind, t.data...)
		if len(behind)%2 != 0 {
			behind = append(behind, 0)
		}
	}
	return append(e.Number(b, next), behind...)
}

// Number appends a count or an offset.
func (e Encoder) Number(b []byte, v uint64) []byte {
	if e.Big {
		return binary.LittleEndian.AppendUint64(b, v)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(v))
}
