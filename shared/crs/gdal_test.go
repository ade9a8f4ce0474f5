package crs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// TestKeysAgainstGDAL lets GDAL write keys for us to read, and read the keys we
// write; coordinates must be those of PROJ for the same text.
func TestKeysAgainstGDAL(t *testing.T) {
	translate, srsinfo, proj := reference.Program(t, "gdal_translate"), reference.Program(t, "gdalsrsinfo"), reference.Program(t, "proj")
	tests := []struct {
		proj     string
		lon, lat float64
	}{
		{"+proj=tmerc +lat_0=31 +lon_0=-110.1667 +k=0.9999 +x_0=213360 +y_0=100 +datum=NAD83 +units=ft", -110.9, 32.2},
		{"+proj=utm +zone=13 +datum=NAD83 +units=us-ft", -106.6, 35.8},
		{"+proj=utm +zone=19 +south +datum=WGS84 +units=km", -70, -33},
		{"+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +x_0=0 +y_0=0 +datum=WGS84 +units=m", -110.9, 32.2},
		{"+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +x_0=0 +y_0=0 +R=6370997 +units=km", -110.9, 32.2},
		{"+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +x_0=304.8 +y_0=609.6 +ellps=GRS80 +units=us-ft", -110.9, 32.2},
		{"+proj=lcc +lat_1=40 +lat_0=40 +lon_0=-97 +k_0=0.999 +x_0=1000 +y_0=2000 +datum=NAD83 +units=m", -90, 44},
		{"+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=37.5 +lon_0=-96 +x_0=10 +y_0=20 +datum=NAD83 +units=m", -119, 37},
		{"+proj=aea +lat_1=-18 +lat_2=-36 +lat_0=0 +lon_0=132 +x_0=0 +y_0=0 +ellps=GRS80 +units=km", 147, -42},
		{"+proj=laea +lat_0=45 +lon_0=-100 +x_0=5 +y_0=6 +datum=WGS84 +units=m", -110.9, 32.2},
		{"+proj=laea +lat_0=-90 +lon_0=30 +x_0=0 +y_0=0 +datum=WGS84 +units=m", 100, -75},
		{"+proj=laea +lat_0=45 +lon_0=-100 +x_0=0 +y_0=0 +R=6370997 +units=m", -110.9, 32.2},
		{"+proj=stere +lat_0=90 +lat_ts=71 +lon_0=-45 +x_0=0 +y_0=0 +datum=WGS84 +units=m", -50, 69},
		{"+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=10 +x_0=7 +y_0=8 +datum=WGS84 +units=m", 166.7, -77.8},
		{"+proj=stere +lat_0=90 +k=0.994 +lon_0=10 +x_0=2000000 +y_0=2000000 +datum=WGS84 +units=m", 20, 86},
		{"+proj=merc +lon_0=100 +k=0.997 +x_0=3900000 +y_0=900000 +datum=WGS84 +units=m", 110, -7},
		{"+proj=merc +lat_ts=41 +lon_0=100 +x_0=0 +y_0=0 +datum=WGS84 +units=m", 110, -7},
		{"EPSG:3857", -111, 32},
		{"EPSG:2225", -122.5, 40.9},
		{"EPSG:3035", 24.9, 60.2},
		{"ESRI:102003", -110.9, 32.2},
		{"ESRI:102039", -110.9, 32.2},
		{"ESRI:102009", -75.7, 45.4},
	}
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.tif")
	if err := os.WriteFile(empty, tinyTIFF(raster.GeoKeys{}), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v: %s", name, args, err, stderr.String())
		}
		return string(out)
	}
	for i, tt := range tests {
		t.Run(tt.proj, func(t *testing.T) {
			theirs, ours := filepath.Join(dir, fmt.Sprintf("%d.tif", i)), filepath.Join(dir, fmt.Sprintf("%dours.tif", i))
			run(translate, "-q", "-a_srs", tt.proj, "-a_ullr", "0", "10", "10", "0", empty, theirs)
			file, err := os.ReadFile(theirs)
			if err != nil {
				t.Fatal(err)
			}
			c, err := FromGeoKeys(readKeys(file))
			if err != nil {
				t.Fatalf("%v in %v", err, readKeys(file))
			}
			x, y := c.Forward(tt.lon, tt.lat)
			compare := func(what, text string) {
				args := []string{"-f", "%.6f"}
				for _, a := range strings.Fields(text) {
					if a != "+type=crs" && a != "+no_defs" {
						args = append(args, a)
					}
				}
				want := pipe(t, [][2]float64{{tt.lon, tt.lat}}, proj, args...)[0]
				if d := math.Hypot(x-want[0], y-want[1]) * c.MetresPerUnit(); !(d < 0.001) {
					t.Errorf("%s %s: got %.4f %.4f, PROJ gives %.4f %.4f", what, text, x, y, want[0], want[1])
				}
			}
			text := tt.proj
			if !strings.HasPrefix(text, "+") {
				text = run(srsinfo, "-o", "proj4", text)
			}
			compare("reading", strings.TrimSpace(text))
			if err := os.WriteFile(ours, tinyTIFF(c.GeoKeys()), 0o644); err != nil {
				t.Fatal(err)
			}
			compare("writing", strings.TrimSpace(run(srsinfo, "-o", "proj4", ours)))
		})
	}
}

const (
	tagDirectory = 34735
	tagDoubles   = 34736
	tagStrings   = 34737
)

// tinyTIFF is a file of one grey cell with the given keys.
func tinyTIFF(k raster.GeoKeys) []byte {
	type tag struct {
		id, kind uint16
		count    uint32
		data     []byte
	}
	le := binary.LittleEndian
	short := func(v ...uint16) []byte {
		var b []byte
		for _, s := range v {
			b = le.AppendUint16(b, s)
		}
		return b
	}
	one := func(id, v uint16) tag { return tag{id, 3, 1, short(v)} }
	tags := []tag{
		one(256, 1), one(257, 1), one(258, 8), one(259, 1), one(262, 1),
		{273, 4, 1, le.AppendUint32(nil, 8)},
		one(277, 1), one(278, 1),
		{279, 4, 1, le.AppendUint32(nil, 1)},
	}
	if !k.Empty() {
		var ids []int
		for id := range k.Shorts {
			ids = append(ids, int(id))
		}
		for id := range k.Doubles {
			ids = append(ids, int(id))
		}
		for id := range k.Strings {
			ids = append(ids, int(id))
		}
		slices.Sort(ids)
		dir := []uint16{1, 1, 0, uint16(len(ids))}
		var doubles []byte
		var ascii string
		for _, i := range ids {
			id := uint16(i)
			if v, ok := k.Shorts[id]; ok {
				dir = append(dir, id, 0, 1, v)
			} else if v, ok := k.Doubles[id]; ok {
				dir = append(dir, id, tagDoubles, uint16(len(v)), uint16(len(doubles)/8))
				for _, f := range v {
					doubles = le.AppendUint64(doubles, math.Float64bits(f))
				}
			} else {
				s := k.Strings[id] + "|"
				dir = append(dir, id, tagStrings, uint16(len(s)), uint16(len(ascii)))
				ascii += s
			}
		}
		tags = append(tags, tag{tagDirectory, 3, uint32(len(dir)), short(dir...)})
		if len(doubles) > 0 {
			tags = append(tags, tag{tagDoubles, 12, uint32(len(doubles) / 8), doubles})
		}
		if ascii != "" {
			tags = append(tags, tag{tagStrings, 2, uint32(len(ascii) + 1), append([]byte(ascii), 0)})
		}
	}
	const ifd = 16
	head := append([]byte("II*\x00"), le.AppendUint32(nil, ifd)...)
	head = append(head, make([]byte, ifd-len(head))...)
	head = le.AppendUint16(head, uint16(len(tags)))
	var tail []byte
	end := ifd + 2 + 12*len(tags) + 4
	for _, g := range tags {
		head = le.AppendUint32(le.AppendUint16(le.AppendUint16(head, g.id), g.kind), g.count)
		if len(g.data) <= 4 {
			head = append(append(head, g.data...), make([]byte, 4-len(g.data))...)
			continue
		}
		head = le.AppendUint32(head, uint32(end+len(tail)))
		tail = append(tail, g.data...)
	}
	return append(append(head, 0, 0, 0, 0), tail...)
}

// readKeys reads the keys of a little-endian TIFF which GDAL wrote.
func readKeys(b []byte) raster.GeoKeys {
	le := binary.LittleEndian
	k := raster.GeoKeys{Shorts: map[uint16]uint16{}, Doubles: map[uint16][]float64{}, Strings: map[uint16]string{}}
	data := map[uint16][]byte{}
	ifd := le.Uint32(b[4:])
	for i := range int(le.Uint16(b[ifd:])) {
		e := b[int(ifd)+2+12*i:]
		size := map[uint16]uint32{2: 1, 3: 2, 12: 8}[le.Uint16(e[2:])] * le.Uint32(e[4:])
		if size > 4 {
			at := le.Uint32(e[8:])
			data[le.Uint16(e)] = b[at : at+size]
		}
	}
	dir := data[tagDirectory]
	for at := 8; at+8 <= len(dir); at += 8 {
		id, where, n, v := le.Uint16(dir[at:]), le.Uint16(dir[at+2:]), int(le.Uint16(dir[at+4:])), int(le.Uint16(dir[at+6:]))
		switch where {
		case 0:
			k.Shorts[id] = uint16(v)
		case tagDoubles:
			for i := range n {
				k.Doubles[id] = append(k.Doubles[id], math.Float64frombits(le.Uint64(data[tagDoubles][8*(v+i):])))
			}
		case tagStrings:
			k.Strings[id] = strings.TrimRight(string(data[tagStrings][v:v+n]), "|\x00")
		}
	}
	return k
}
