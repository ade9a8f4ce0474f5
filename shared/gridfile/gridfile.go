// Package gridfile converts ESRI ASCII grids, or SRTM tiles (.hgt), to GeoTIFF.
package gridfile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/foreign"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// HeadSize is how many bytes of a file Detect looks at.
const HeadSize = 512

const (
	// maxCells bounds a grid: what one of 2^32 cells takes as text is 20 GB.
	maxCells = 1 << 32
	maxSide  = 1 << 20
	// maxSystem bounds the text of a coordinate system.
	maxSystem = 16 << 10
)

// Format is one that is read here.
type Format string

// The formats. None is any other.
const (
	None  Format = ""
	ASCII Format = "ESRI ASCII grid"
	SRTM  Format = "SRTM tile"
)

// Detect tells the format of a file by its name, its first HeadSize bytes (less of a shorter file) and its size in bytes;
// a size of 0 or less is not known.
func Detect(name string, head []byte, size int64) Format {
	if isASCII(head) {
		return ASCII
	}
	packed := bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("\x1f\x8b"))
	if strings.EqualFold(path.Ext(name), ".hgt") && !packed && !foreign.IsTIFF(head) && (size <= 0 || sides(size) != [2]int{}) {
		return SRTM
	}
	return None
}

// File is a grid to convert.
type File struct {
	// Name of the file. That of an SRTM tile states its south-west corner.
	Name   string
	Format Format
	// Size in bytes of an SRTM tile; 0 where it is not known, and the tile is held in memory.
	Size int64
	// System is the text of the .prj file beside an ASCII grid; empty where there is none.
	System string
	// Software is written into the GeoTIFF.
	Software string
	// Spool gives room for compressed cells that memory should not hold; nil keeps all in memory.
	Spool func() (geotiff.Spool, error)
}

// Convert reads a grid from r and writes it as a GeoTIFF of 32-bit floating-point numbers, or of 16-bit integers for an SRTM
// tile, with missing data declared. A refusal is a *finding.Error of one sentence.
func Convert(w io.Writer, r io.Reader, f File) error {
	switch f.Format {
	case ASCII:
		return convertASCII(w, r, f)
	case SRTM:
		return convertSRTM(w, r, f)
	}
	return fmt.Errorf("file %s: format %q is not converted", f.Name, f.Format)
}

func refuse(next, format string, args ...any) error {
	return finding.Refuse(finding.Finding{Code: finding.DEMFormat, Message: fmt.Sprintf(format, args...), Next: next})
}

// largestTile is the size of an SRTM tile of 1 arc second, bytes.
const largestTile = 2 * 3601 * 3601

// sides are the columns and rows of an SRTM tile of a size; zero if no tile has it.
func sides(size int64) [2]int {
	for _, s := range [][2]int{{1201, 1201}, {3601, 3601}, {1801, 3601}} {
		if size == 2*int64(s[0])*int64(s[1]) {
			return s
		}
	}
	return [2]int{}
}

// corner reads the south-west corner, degrees, from the name of an SRTM tile, such as N36W107.hgt or n36_w107_1arc_v3.hgt.
func corner(name string) (south, west float64, ok bool) {
	base := strings.ToUpper(path.Base(strings.ReplaceAll(name, `\`, "/")))
	for i := range base {
		var ns, ew byte
		var lat, lon int
		text := strings.Replace(base[i:], "_", "", 1)
		if n, _ := fmt.Sscanf(text, "%c%02d%c%03d", &ns, &lat, &ew, &lon); n < 4 || i > 0 && letter(base[i-1]) {
			continue
		}
		if !strings.ContainsRune("NS", rune(ns)) || !strings.ContainsRune("EW", rune(ew)) || lat > 90 || lon > 180 {
			continue
		}
		if ns == 'S' {
			lat = -lat
		}
		if ew == 'W' {
			lon = -lon
		}
		return float64(lat), float64(lon), true
	}
	return 0, 0, false
}

func letter(b byte) bool { return b >= 'A' && b <= 'Z' }

// convertSRTM converts a tile: rows of big-endian 16-bit integers from the north, whose outer cells have their centres on
// the edges of a square of one degree (SRTM Topo documentation, 2015). -32768 marks missing data.
func convertSRTM(w io.Writer, r io.Reader, f File) error {
	if f.Size <= 0 {
		data, err := io.ReadAll(io.LimitReader(r, largestTile+1))
		if err != nil {
			return fmt.Errorf("SRTM tile %s: %w", f.Name, err)
		}
		r, f.Size = bytes.NewReader(data), int64(len(data))
	}
	side := sides(f.Size)
	if side == [2]int{} {
		return refuse("download it again", "the SRTM tile %s has %d bytes: must be 2884802 (3 arc seconds), 25934402 (1 arc second) or 12967202 (2 x 1 arc seconds)", f.Name, f.Size)
	}
	south, west, ok := corner(f.Name)
	if !ok {
		return refuse("name it after its south-west corner, as N36W107.hgt", "the SRTM tile %s does not have its place in its name", f.Name)
	}
	stepX, stepY := 1/float64(side[0]-1), 1/float64(side[1]-1)
	missing := -32768.0
	out, err := geotiff.NewWriter(geotiff.Options{
		Width: side[0], Height: side[1], Type: geotiff.Int16, NoData: &missing, Software: f.Software, Spool: f.Spool,
		Transform: raster.Transform{OriginX: west - stepX/2, OriginY: south + 1 + stepY/2, StepX: stepX, StepY: -stepY},
		GeoKeys:   raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326, 4099: 9001}},
	})
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(r, 1<<16)
	raw, row := make([]byte, 2*side[0]), make([]float64, side[0])
	for i := range side[1] {
		if _, err := io.ReadFull(in, raw); err != nil {
			return fmt.Errorf("SRTM tile %s: row %d: %w", f.Name, i, err)
		}
		for c := range row {
			v := int16(uint16(raw[2*c])<<8 | uint16(raw[2*c+1]))
			row[c] = float64(v)
			if v == -32768 {
				row[c] = math.NaN()
			}
		}
		if err := out.WriteRows64(0, row); err != nil {
			return err
		}
	}
	return out.Close(w)
}
