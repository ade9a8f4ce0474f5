package geotiff

import (
	"bufio"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// ghost is the block after the header that tells readers of cloud-optimised
// files what they may rely on, as documented by GDAL's COG driver.
const ghost = "LAYOUT=IFDS_BEFORE_DATA\n" +
	"BLOCK_ORDER=ROW_MAJOR\n" +
	"BLOCK_LEADER=SIZE_AS_UINT4\n" +
	"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n" +
	"KNOWN_INCOMPATIBLE_EDITION=NO\n "

// tag is one directory entry to be written.
type tag struct {
	id, kind uint16
	count    uint64
	data     []byte
}

func ascii(id uint16, s string) tag {
	b := append([]byte(s), 0)
	return tag{id, 2, uint64(len(b)), b}
}

func shorts(id uint16, v ...uint16) tag {
	t := tag{id: id, kind: 3, count: uint64(len(v))}
	for _, x := range v {
		t.data = binary.LittleEndian.AppendUint16(t.data, x)
	}
	return t
}

func longs(id uint16, v ...uint32) tag {
	t := tag{id: id, kind: 4, count: uint64(len(v))}
	for _, x := range v {
		t.data = binary.LittleEndian.AppendUint32(t.data, x)
	}
	return t
}

func long8s(id uint16, v []uint64) tag {
	t := tag{id: id, kind: 16, count: uint64(len(v))}
	for _, x := range v {
		t.data = binary.LittleEndian.AppendUint64(t.data, x)
	}
	return t
}

func doubles(id uint16, v ...float64) tag {
	t := tag{id: id, kind: 12, count: uint64(len(v))}
	for _, x := range v {
		t.data = binary.LittleEndian.AppendUint64(t.data, math.Float64bits(x))
	}
	return t
}

// layout places everything once all sizes are known: directories from the
// full raster to the smallest overview, then blocks in the opposite order.
type layout struct {
	big     bool
	tags    [][]tag // by level
	offsets [][]uint64
	dirs    []uint64
	end     uint64
}

func (w *Writer) layout(big bool) (*layout, error) {
	l := &layout{big: big}
	at := uint64(8)
	if big {
		at = 16
	}
	at += uint64(len(ghostHead()) + len(ghost))
	for k, lv := range w.levels {
		tags, err := w.tags(k)
		if err != nil {
			return nil, err
		}
		// The offsets are filled in below; their number settles the size.
		offsets := make([]uint64, len(lv.blocks))
		l.offsets = append(l.offsets, offsets)
		l.tags = append(l.tags, append(tags, l.offsetTag(offsets)))
		at += at % 2
		l.dirs = append(l.dirs, at)
		at += l.dirSize(l.tags[k])
	}
	for k := len(w.levels) - 1; k >= 0; k-- {
		for i, p := range w.levels[k].blocks {
			l.offsets[k][i] = at + 4
			at += uint64(p.n) + 8
		}
		tags := l.tags[k]
		tags[len(tags)-1] = l.offsetTag(l.offsets[k])
		slices.SortFunc(tags, func(a, b tag) int { return int(a.id) - int(b.id) })
	}
	l.end = at
	return l, nil
}

func ghostHead() string { return fmt.Sprintf("GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n", len(ghost)) }

func (l *layout) offsetTag(offsets []uint64) tag {
	if l.big {
		return long8s(tagTileOffsets, offsets)
	}
	v := make([]uint32, len(offsets))
	for i, o := range offsets {
		v[i] = uint32(o)
	}
	return longs(tagTileOffsets, v...)
}

// sizes of a directory entry, of its inline value, and of what stands before and behind the entries.
func (l *layout) entry() (each, inline, around uint64) {
	if l.big {
		return 20, 8, 16
	}
	return 12, 4, 6
}

func (l *layout) dirSize(tags []tag) uint64 {
	each, inline, n := l.entry()
	n += each * uint64(len(tags))
	for _, t := range tags {
		if size := uint64(len(t.data)); size > inline {
			n += size + size%2
		}
	}
	return n
}

// directory encodes one directory at off with its values behind it.
func (l *layout) directory(off uint64, tags []tag, next uint64) []byte {
	le := binary.LittleEndian
	each, inline, around := l.entry()
	values := off + around + each*uint64(len(tags))
	var b, behind []byte
	if l.big {
		b = le.AppendUint64(b, uint64(len(tags)))
	} else {
		b = le.AppendUint16(b, uint16(len(tags)))
	}
	for _, t := range tags {
		b = le.AppendUint16(b, t.id)
		b = le.AppendUint16(b, t.kind)
		b = l.number(b, t.count)
		if uint64(len(t.data)) <= inline {
			b = append(b, t.data...)
			b = append(b, make([]byte, int(inline)-len(t.data))...)
			continue
		}
		b = l.number(b, values+uint64(len(behind)))
		behind = append(behind, t.data...)
		if len(behind)%2 != 0 {
			behind = append(behind, 0)
		}
	}
	return append(l.number(b, next), behind...)
}

// number appends a count or an offset.
func (l *layout) number(b []byte, v uint64) []byte {
	if l.big {
		return binary.LittleEndian.AppendUint64(b, v)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(v))
}

// plan is the layout of the file, BigTIFF when it must be.
func (w *Writer) plan() (*layout, error) {
	l, err := w.layout(w.opts.BigTIFF)
	if err == nil && !l.big && l.end > math.MaxUint32 {
		return w.layout(true)
	}
	return l, err
}

// assemble writes header, directories and blocks in the order of the file.
func (w *Writer) assemble(dst io.Writer) error {
	l, err := w.plan()
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(dst, 256<<10)
	le := binary.LittleEndian
	head := []byte("II")
	if l.big {
		head = le.AppendUint16(head, 43)
		head = le.AppendUint16(head, 8)
		head = le.AppendUint16(head, 0)
	} else {
		head = le.AppendUint16(head, 42)
	}
	head = l.number(head, l.dirs[0])
	head = append(head, ghostHead()...)
	head = append(head, ghost...)
	for k, tags := range l.tags {
		if len(head)%2 != 0 {
			head = append(head, 0)
		}
		next := uint64(0)
		if k+1 < len(l.dirs) {
			next = l.dirs[k+1]
		}
		head = append(head, l.directory(l.dirs[k], tags, next)...)
	}
	if _, err := out.Write(head); err != nil {
		return err
	}
	var buf []byte
	for k := len(w.levels) - 1; k >= 0; k-- {
		for _, p := range w.levels[k].blocks {
			b := p.mem
			if b == nil {
				buf = resize(buf, p.n)
				if _, err := w.spool.ReadAt(buf, p.off); err != nil {
					return fmt.Errorf("reading back compressed blocks: %w", err)
				}
				b = buf
			}
			var size [4]byte
			le.PutUint32(size[:], uint32(p.n))
			if _, err := out.Write(size[:]); err != nil {
				return err
			}
			if _, err := out.Write(b); err != nil {
				return err
			}
			if _, err := out.Write(b[len(b)-4:]); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// tags lists the tags of level k without the block offsets.
func (w *Writer) tags(k int) ([]tag, error) {
	lv := w.levels[k]
	bands := len(w.opts.Bands)
	each := func(id, v uint16) tag {
		vs := make([]uint16, bands)
		for i := range vs {
			vs[i] = v
		}
		return shorts(id, vs...)
	}
	counts := make([]uint32, len(lv.blocks))
	for i, p := range lv.blocks {
		counts[i] = uint32(p.n)
	}
	reduced := uint32(0)
	if k > 0 {
		reduced = 1
	}
	comp := map[Compression]uint16{Deflate: compDeflate, ZSTD: compZSTD, None: compNone}[w.opts.Compression]
	t := []tag{
		longs(tagNewSubfileType, reduced),
		longs(tagImageWidth, uint32(lv.width)),
		longs(tagImageLength, uint32(lv.height)),
		each(tagBitsPerSample, uint16(8*w.size)),
		shorts(tagCompression, comp),
		shorts(tagPhotometric, 1),
		shorts(tagSamplesPerPixel, uint16(bands)),
		shorts(tagTileWidth, uint16(lv.blockW)),
		shorts(tagTileLength, uint16(lv.blockH)),
		longs(tagTileByteCounts, counts...),
		each(tagSampleFormat, sampleTypes[w.opts.Type].format),
	}
	if bands > 1 {
		// Each band in blocks of its own: one band is read without the others.
		t = append(t, shorts(tagPlanarConfig, 2), shorts(tagExtraSamples, make([]uint16, bands-1)...))
	} else {
		t = append(t, shorts(tagPlanarConfig, 1))
	}
	switch {
	case w.opts.Compression == None:
	case w.opts.Type.Float():
		t = append(t, shorts(tagPredictor, 3))
	default:
		t = append(t, shorts(tagPredictor, 2))
	}
	if w.hasND {
		t = append(t, ascii(tagGDALNoData, formatNumber(w.nodata)))
	}
	if k > 0 {
		return t, nil
	}
	if w.opts.Software != "" {
		t = append(t, ascii(tagSoftware, w.opts.Software))
	}
	if g := w.opts.Transform; g != (raster.Transform{}) {
		t = append(t, doubles(tagModelPixelScale, g.StepX, -g.StepY, 0),
			doubles(tagModelTiepoint, 0, 0, 0, g.OriginX, g.OriginY, 0))
	}
	t = append(t, geoTags(w.opts.GeoKeys)...)
	x, err := w.metadata()
	if err != nil {
		return nil, err
	}
	if x != "" {
		t = append(t, ascii(tagGDALMetadata, x))
	}
	return t, nil
}

func formatNumber(v float64) string {
	if math.IsNaN(v) {
		return "nan"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// geoTags encodes the GeoKeys (OGC 19-008r4, 7.1) of a raster whose
// transform means cell corners.
func geoTags(k raster.GeoKeys) []tag {
	if k.Empty() {
		return nil
	}
	all := map[uint16]bool{keyRasterType: true}
	for id := range k.Shorts {
		all[id] = true
	}
	for id := range k.Doubles {
		all[id] = true
	}
	for id := range k.Strings {
		all[id] = true
	}
	dir := []uint16{1, 1, 0, uint16(len(all))}
	var nums []float64
	var text string
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if id == keyRasterType {
			dir = append(dir, id, 0, 1, rasterIsArea)
		} else if v, ok := k.Shorts[id]; ok {
			dir = append(dir, id, 0, 1, v)
		} else if v, ok := k.Doubles[id]; ok {
			dir = append(dir, id, tagGeoDoubleParams, uint16(len(v)), uint16(len(nums)))
			nums = append(nums, v...)
		} else {
			v := k.Strings[id] + "|"
			dir = append(dir, id, tagGeoASCIIParams, uint16(len(v)), uint16(len(text)))
			text += v
		}
	}
	t := []tag{shorts(tagGeoKeyDirectory, dir...)}
	if len(nums) > 0 {
		t = append(t, doubles(tagGeoDoubleParams, nums...))
	}
	if text != "" {
		t = append(t, ascii(tagGeoASCIIParams, text))
	}
	return t
}

// metadata is the GDAL_METADATA document, empty when there is nothing to say.
func (w *Writer) metadata() (string, error) {
	var doc gdalMetadata
	for _, name := range slices.Sorted(maps.Keys(w.opts.Metadata)) {
		doc.Items = append(doc.Items, gdalItem{Name: name, Value: w.opts.Metadata[name]})
	}
	for i, b := range w.opts.Bands {
		n := strconv.Itoa(i)
		if b.Description != "" {
			doc.Items = append(doc.Items, gdalItem{Name: "DESCRIPTION", Sample: n, Role: "description", Value: b.Description})
		}
		if b.Unit != "" {
			doc.Items = append(doc.Items, gdalItem{Name: "UNITTYPE", Sample: n, Role: "unittype", Value: b.Unit})
		}
		items := map[string]string{}
		if !w.opts.Plain {
			items = merge(w.bands[i].stats).items(int64(w.opts.Width) * int64(w.opts.Height))
		}
		maps.Copy(items, b.Metadata)
		for _, name := range slices.Sorted(maps.Keys(items)) {
			doc.Items = append(doc.Items, gdalItem{Name: name, Sample: n, Value: items[name]})
		}
	}
	if len(doc.Items) == 0 {
		return "", nil
	}
	for i := range doc.Items {
		doc.Items[i].Value = escape.Replace(doc.Items[i].Value)
	}
	b, err := xml.Marshal(doc)
	return string(b), err
}
