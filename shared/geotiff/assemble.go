package geotiff

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/cyverse-gis/eemt/shared/geotiff/internal/gdal"
	"github.com/cyverse-gis/eemt/shared/geotiff/internal/geokey"
	"github.com/cyverse-gis/eemt/shared/geotiff/internal/ifd"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// ghost is the block after the header that tells readers of cloud-optimised
// files what they may rely on, as documented by GDAL's COG driver.
const ghost = "LAYOUT=IFDS_BEFORE_DATA\n" +
	"BLOCK_ORDER=ROW_MAJOR\n" +
	"BLOCK_LEADER=SIZE_AS_UINT4\n" +
	"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n" +
	"KNOWN_INCOMPATIBLE_EDITION=NO\n "

// layout places everything once all sizes are known: directories from the
// full raster to the smallest overview, then blocks in the opposite order.
type layout struct {
	ifd.Encoder
	tags    [][]ifd.Tag // by level
	offsets [][]uint64
	dirs    []uint64
	end     uint64
}

func (w *Writer) layout(big bool) (*layout, error) {
	l := &layout{Encoder: ifd.Encoder{Big: big}}
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
		at += l.Size(l.tags[k])
	}
	for k := len(w.levels) - 1; k >= 0; k-- {
		for i, p := range w.levels[k].blocks {
			l.offsets[k][i] = at + 4
			at += uint64(p.n) + 8
		}
		tags := l.tags[k]
		tags[len(tags)-1] = l.offsetTag(l.offsets[k])
		slices.SortFunc(tags, func(a, b ifd.Tag) int { return int(a.ID) - int(b.ID) })
	}
	l.end = at
	return l, nil
}

func ghostHead() string { return fmt.Sprintf("GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n", len(ghost)) }

func (l *layout) offsetTag(offsets []uint64) ifd.Tag {
	if l.Big {
		return ifd.Long8s(ifd.TileOffsets, offsets)
	}
	v := make([]uint32, len(offsets))
	for i, o := range offsets {
		v[i] = uint32(o)
	}
	return ifd.Longs(ifd.TileOffsets, v...)
}

// plan is the layout of the file, BigTIFF when it must be.
func (w *Writer) plan() (*layout, error) {
	l, err := w.layout(w.opts.BigTIFF)
	if err == nil && !l.Big && l.end > math.MaxUint32 {
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
	if l.Big {
		head = le.AppendUint16(head, 43)
		head = le.AppendUint16(head, 8)
		head = le.AppendUint16(head, 0)
	} else {
		head = le.AppendUint16(head, 42)
	}
	head = l.Number(head, l.dirs[0])
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
		head = append(head, l.Directory(l.dirs[k], tags, next)...)
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
func (w *Writer) tags(k int) ([]ifd.Tag, error) {
	lv := w.levels[k]
	bands := len(w.opts.Bands)
	each := func(id, v uint16) ifd.Tag {
		vs := make([]uint16, bands)
		for i := range vs {
			vs[i] = v
		}
		return ifd.Shorts(id, vs...)
	}
	counts := make([]uint32, len(lv.blocks))
	for i, p := range lv.blocks {
		counts[i] = uint32(p.n)
	}
	reduced := uint32(0)
	if k > 0 {
		reduced = 1
	}
	t := []ifd.Tag{
		ifd.Longs(ifd.NewSubfileType, reduced),
		ifd.Longs(ifd.ImageWidth, uint32(lv.width)),
		ifd.Longs(ifd.ImageLength, uint32(lv.height)),
		each(ifd.BitsPerSample, uint16(8*w.size)),
		ifd.Shorts(ifd.Compression, uint16(codecOf[w.opts.Compression])),
		ifd.Shorts(ifd.Photometric, 1),
		ifd.Shorts(ifd.SamplesPerPixel, uint16(bands)),
		ifd.Shorts(ifd.TileWidth, uint16(lv.blockW)),
		ifd.Shorts(ifd.TileLength, uint16(lv.blockH)),
		ifd.Longs(ifd.TileByteCounts, counts...),
		each(ifd.SampleFormat, w.opts.Type.Format()),
	}
	if bands > 1 {
		// Each band in blocks of its own: one band is read without the others.
		t = append(t, ifd.Shorts(ifd.PlanarConfig, 2), ifd.Shorts(ifd.ExtraSamples, make([]uint16, bands-1)...))
	} else {
		t = append(t, ifd.Shorts(ifd.PlanarConfig, 1))
	}
	switch {
	case w.opts.Compression == None:
	case w.opts.Type.Float():
		t = append(t, ifd.Shorts(ifd.Predictor, 3))
	default:
		t = append(t, ifd.Shorts(ifd.Predictor, 2))
	}
	if w.hasND {
		t = append(t, ifd.ASCII(ifd.GDALNoData, gdal.FormatNoData(w.nodata)))
	}
	if k > 0 {
		return t, nil
	}
	if w.opts.Software != "" {
		t = append(t, ifd.ASCII(ifd.Software, w.opts.Software))
	}
	if g := w.opts.Transform; g != (raster.Transform{}) {
		t = append(t, ifd.Doubles(ifd.ModelPixelScale, g.StepX, -g.StepY, 0),
			ifd.Doubles(ifd.ModelTiepoint, 0, 0, 0, g.OriginX, g.OriginY, 0))
	}
	t = append(t, geoTags(w.opts.GeoKeys)...)
	x, err := w.metadata()
	if err != nil {
		return nil, err
	}
	if x != "" {
		t = append(t, ifd.ASCII(ifd.GDALMetadata, x))
	}
	return t, nil
}

// geoTags are the tags of the GeoKeys of a raster whose transform means cell corners.
func geoTags(k raster.GeoKeys) []ifd.Tag {
	if k.Empty() {
		return nil
	}
	dir, nums, text := geokey.Encode(k)
	t := []ifd.Tag{ifd.Shorts(ifd.GeoKeyDirectory, dir...)}
	if len(nums) > 0 {
		t = append(t, ifd.Doubles(ifd.GeoDoubleParams, nums...))
	}
	if text != "" {
		t = append(t, ifd.ASCII(ifd.GeoASCIIParams, text))
	}
	return t
}

// metadata is the GDAL_METADATA document, empty when there is nothing to say.
func (w *Writer) metadata() (string, error) {
	var doc gdal.Metadata
	for _, name := range slices.Sorted(maps.Keys(w.opts.Metadata)) {
		doc.Items = append(doc.Items, gdal.Item{Name: name, Value: w.opts.Metadata[name]})
	}
	for i, b := range w.opts.Bands {
		n := strconv.Itoa(i)
		if b.Description != "" {
			doc.Items = append(doc.Items, gdal.Item{Name: "DESCRIPTION", Sample: n, Role: "description", Value: b.Description})
		}
		if b.Unit != "" {
			doc.Items = append(doc.Items, gdal.Item{Name: "UNITTYPE", Sample: n, Role: "unittype", Value: b.Unit})
		}
		items := map[string]string{}
		if !w.opts.Plain {
			items = gdal.Merge(w.bands[i].stats).Items(int64(w.opts.Width) * int64(w.opts.Height))
		}
		maps.Copy(items, b.Metadata)
		for _, name := range slices.Sorted(maps.Keys(items)) {
			doc.Items = append(doc.Items, gdal.Item{Name: name, Sample: n, Value: items[name]})
		}
	}
	return doc.Encode()
}
