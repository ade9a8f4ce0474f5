// Package archive makes a ZIP of stored files whose bytes are known before they are read: how long it is, and what lies
// where. So a download can be asked for its length, and can go on where it broke off.
//
// Files are stored, not compressed. The bytes are those that archive/zip would write.
package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"sort"
	"time"
	"unicode/utf8"
)

// Entry is a file of an archive.
type Entry struct {
	Name     string
	Size     int64
	Modified time.Time
	// Key identifies the content to Sums; entries of other content must have another.
	Key string
}

// Source opens files.
type Source interface {
	// Open reads an entry from an offset to its end.
	Open(ctx context.Context, e Entry, offset int64) (io.ReadCloser, error)
}

// Signatures, versions and flags of the format (PKWARE's APPNOTE.TXT, 4.3 and 4.4).
const (
	localSignature, descriptorSignature, centralSignature = 0x04034b50, 0x08074b50, 0x02014b50
	endSignature, end64Signature, locator64Signature      = 0x06054b50, 0x06064b50, 0x07064b50
	version20, version45                                  = 20, 45
	flagDescriptor, flagUTF8                              = 0x8, 0x800
	extraZip64, extraTime                                 = 0x1, 0x5455
	localLength, centralLength, timeLength                = 30, 46, 9
	max16, max32                                          = math.MaxUint16, math.MaxUint32
)

// MostEntries bounds an archive: its headers are held in memory.
const MostEntries = 1 << 20

// Archive is the layout of a ZIP.
type Archive struct {
	entries []Entry
	// starts are the offsets of the local headers; the last is that of the directory.
	starts []int64
	size   int64
}

// New lays out an archive of entries, in their order.
func New(entries []Entry) (*Archive, error) {
	if len(entries) > MostEntries {
		return nil, fmt.Errorf("%d files: an archive has at most %d", len(entries), MostEntries)
	}
	a := &Archive{entries: entries, starts: make([]int64, len(entries)+1)}
	for i, e := range entries {
		if e.Name == "" || len(e.Name) > max16 || e.Size < 0 {
			return nil, fmt.Errorf("file %.80q of %d bytes cannot be in an archive", e.Name, e.Size)
		}
		a.starts[i+1] = a.starts[i] + localLength + int64(len(e.Name)) + timeLength + e.Size + descriptorLength(e)
		if a.starts[i+1] < a.starts[i] {
			return nil, errors.New("the archive would be too long")
		}
	}
	// Check sums have a fixed length: the directory is as long without them.
	a.size = a.starts[len(entries)] + int64(len(a.directory(make([]uint32, len(entries)))))
	return a, nil
}

// Size of the archive, bytes.
func (a *Archive) Size() int64 { return a.size }

func descriptorLength(e Entry) int64 {
	if e.Size >= max32 {
		return 24
	}
	return 16
}

type buffer []byte

func (b *buffer) u16(v int) { *b = binary.LittleEndian.AppendUint16(*b, uint16(v)) }
func (b *buffer) u32(v int64) {
	*b = binary.LittleEndian.AppendUint32(*b, uint32(v))
}
func (b *buffer) u64(v int64) { *b = binary.LittleEndian.AppendUint64(*b, uint64(v)) }

// flags of an entry: names beyond ASCII are UTF-8.
func flags(e Entry) int {
	for _, r := range e.Name {
		// As archive/zip has it, for readers that take other code pages for ASCII.
		if r < 0x20 || r > 0x7d || r == 0x5c {
			if utf8.ValidString(e.Name) {
				return flagDescriptor | flagUTF8
			}
			break
		}
	}
	return flagDescriptor
}

// dos is a time as MS-DOS has it, date and time.
func dos(t time.Time) (date, clock int) {
	t = t.UTC()
	date = t.Day() + int(t.Month())<<5 + (t.Year()-1980)<<9
	clock = t.Second()/2 + t.Minute()<<5 + t.Hour()<<11
	return date, clock
}

func (b *buffer) times(e Entry) {
	date, clock := dos(e.Modified)
	b.u16(clock)
	b.u16(date)
}

func (b *buffer) extendedTime(e Entry) {
	b.u16(extraTime)
	b.u16(5)
	*b = append(*b, 1)
	b.u32(e.Modified.Unix())
}

func local(e Entry) []byte {
	var b buffer
	b.u32(localSignature)
	b.u16(version20)
	b.u16(flags(e))
	b.u16(0) // stored
	b.times(e)
	b.u32(0) // what follows is in the descriptor
	b.u32(0)
	b.u32(0)
	b.u16(len(e.Name))
	b.u16(timeLength)
	b = append(b, e.Name...)
	b.extendedTime(e)
	return b
}

func descriptor(e Entry, sum uint32) []byte {
	var b buffer
	b.u32(descriptorSignature)
	b.u32(int64(sum))
	if e.Size >= max32 {
		b.u64(e.Size)
		b.u64(e.Size)
	} else {
		b.u32(e.Size)
		b.u32(e.Size)
	}
	return b
}

// directory is the end of the archive.
func (a *Archive) directory(sums []uint32) []byte {
	var b buffer
	for i, e := range a.entries {
		b.central(e, a.starts[i], sums[i])
	}
	at, n := a.starts[len(a.entries)], len(a.entries)
	length := int64(len(b))
	if n >= max16 || length >= max32 || at >= max32 {
		b.u32(end64Signature)
		b.u64(44)
		b.u16(version45)
		b.u16(version45)
		b.u32(0)
		b.u32(0)
		b.u64(int64(n))
		b.u64(int64(n))
		b.u64(length)
		b.u64(at)
		b.u32(locator64Signature)
		b.u32(0)
		b.u64(at + length)
		b.u32(1)
		n, length, at = max16, max32, max32
	}
	b.u32(endSignature)
	b.u32(0)
	b.u16(n)
	b.u16(n)
	b.u32(length)
	b.u32(at)
	b.u16(0)
	return b
}

func (b *buffer) central(e Entry, at int64, sum uint32) {
	long := e.Size >= max32 || at >= max32
	size, offset, needs := e.Size, at, version20
	var extra buffer
	extra.extendedTime(e)
	if long {
		needs, size, offset = version45, max32, max32
		extra.u16(extraZip64)
		extra.u16(24)
		extra.u64(e.Size)
		extra.u64(e.Size)
		extra.u64(at)
	}
	b.u32(centralSignature)
	b.u16(version20)
	b.u16(needs)
	b.u16(flags(e))
	b.u16(0)
	b.times(e)
	b.u32(int64(sum))
	b.u32(size)
	b.u32(size)
	b.u16(len(e.Name))
	b.u16(len(extra))
	b.u16(0)
	b.u32(0)
	b.u32(0)
	b.u32(offset)
	*b = append(append(*b, e.Name...), extra...)
}

// Reader returns the archive as a file. Check sums that are not known when they are needed are computed: the file is
// read for that.
func (a *Archive) Reader(ctx context.Context, s Source, known *Sums) *Reader {
	return &Reader{ctx: ctx, archive: a, source: s, sums: known}
}

// Reader reads an archive from anywhere; close it after use. It is for one goroutine.
type Reader struct {
	ctx     context.Context
	archive *Archive
	source  Source
	sums    *Sums
	at      int64

	// open is the content of an entry, from before at; whole says that it is read from its start, into sum.
	open  io.ReadCloser
	entry int
	next  int64
	whole bool
	sum   uint32
	// end is the directory, once it was asked for.
	end []byte
	err error
}

// Err is what reading has failed with; nil at the end of the archive.
func (r *Reader) Err() error { return r.err }

// Close releases what is open.
func (r *Reader) Close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}

// Seek sets the place to read from.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.archive.size
	}
	if offset < 0 {
		return 0, errors.New("archive: seek before the start")
	}
	r.at = offset
	return offset, nil
}

// Read reads the next bytes.
func (r *Reader) Read(p []byte) (int, error) {
	if r.at >= r.archive.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.read(p)
	r.at += int64(n)
	if err != nil {
		r.err = err
	}
	return n, err
}

// read reads from one part of the archive: a header, a content, a descriptor or the directory.
func (r *Reader) read(p []byte) (int, error) {
	a := r.archive
	i := sort.Search(len(a.entries), func(i int) bool { return a.starts[i+1] > r.at })
	if i == len(a.entries) {
		return r.readDirectory(p)
	}
	e, at := a.entries[i], r.at-a.starts[i]
	header := int64(localLength + len(e.Name) + timeLength)
	switch {
	case at < header:
		return copy(p, local(e)[at:]), nil
	case at < header+e.Size:
		return r.readContent(p, i, at-header)
	}
	sum, err := r.sumOf(i)
	if err != nil {
		return 0, err
	}
	return copy(p, descriptor(e, sum)[at-header-e.Size:]), nil
}

func (r *Reader) readDirectory(p []byte) (int, error) {
	a := r.archive
	if r.end == nil {
		sums := make([]uint32, len(a.entries))
		for i := range sums {
			var err error
			if sums[i], err = r.sumOf(i); err != nil {
				return 0, err
			}
		}
		r.end = a.directory(sums)
	}
	return copy(p, r.end[r.at-a.starts[len(a.entries)]:]), nil
}

func (r *Reader) readContent(p []byte, i int, at int64) (int, error) {
	e := r.archive.entries[i]
	if r.open == nil || r.entry != i || r.next != at {
		_ = r.Close()
		open, err := r.source.Open(r.ctx, e, at)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", e.Name, err)
		}
		r.open, r.entry, r.next, r.whole, r.sum = open, i, at, at == 0, 0
	}
	if left := e.Size - at; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := r.open.Read(p)
	r.next += int64(n)
	if r.whole {
		r.sum = crc32.Update(r.sum, crc32.IEEETable, p[:n])
	}
	if r.next == e.Size {
		if r.whole {
			r.sums.put(e.Key, r.sum)
		}
		return n, r.Close()
	}
	if errors.Is(err, io.EOF) { // the file is shorter than it was
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		err = fmt.Errorf("read %s: %w", e.Name, err)
	}
	return n, err
}

// sumOf is the check sum of an entry; it reads the entry if that is not known.
func (r *Reader) sumOf(i int) (uint32, error) {
	e := r.archive.entries[i]
	if sum, ok := r.sums.get(e.Key); ok || e.Size == 0 {
		return sum, nil
	}
	open, err := r.source.Open(r.ctx, e, 0)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", e.Name, err)
	}
	h := crc32.NewIEEE()
	n, err := io.Copy(h, io.LimitReader(open, e.Size))
	if closing := open.Close(); err == nil {
		err = closing
	}
	if err == nil && n != e.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", e.Name, err)
	}
	r.sums.put(e.Key, h.Sum32())
	return h.Sum32(), nil
}
