package gridfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// isASCII reports whether a file begins with the header of an ESRI ASCII grid.
func isASCII(head []byte) bool {
	word, _, _ := bytes.Cut(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n"), []byte(" "))
	word, _, _ = bytes.Cut(word, []byte("\t"))
	word, _, _ = bytes.Cut(word, []byte("\n"))
	word = bytes.TrimSpace(word)
	if len(word) == 0 || len(word) > longest {
		return false
	}
	switch key(string(bytes.ToLower(word))) {
	case keyColumns, keyRows:
		return bytes.Contains(bytes.ToLower(head), []byte("ncols")) && bytes.Contains(bytes.ToLower(head), []byte("nrows"))
	}
	return false
}

// key is a word of the header.
type key string

const (
	keyColumns key = "ncols"
	keyRows    key = "nrows"
	keyCell    key = "cellsize"
	keyDX      key = "dx"
	keyDY      key = "dy"
	keyXCorner key = "xllcorner"
	keyYCorner key = "yllcorner"
	keyXCenter key = "xllcenter"
	keyYCenter key = "yllcenter"
	keyNoData  key = "nodata_value"
)

// aliases are other spellings of keys.
var aliases = map[string]key{"nodata": keyNoData, "xllcentre": keyXCenter, "yllcentre": keyYCenter, "cell_size": keyCell, "xdim": keyDX, "ydim": keyDY}

func keyOf(word string) (key, bool) {
	low := strings.ToLower(strings.TrimSuffix(word, ":"))
	switch k := key(low); k {
	case keyColumns, keyRows, keyCell, keyDX, keyDY, keyXCorner, keyYCorner, keyXCenter, keyYCenter, keyNoData:
		return k, true
	}
	k, ok := aliases[low]
	return k, ok
}

// longest is how many letters a word of the file may have.
const longest = 64

// words reads a text word by word.
type words struct {
	in   *bufio.Reader
	word []byte // the last one
	line int    // that it stands in, from 1
	next int    // lines behind it
}

var errLong = errors.New("a word is too long for a number")

// read returns the next word, valid until it is called again; io.EOF behind the last.
func (w *words) read() ([]byte, error) {
	w.word = w.word[:0]
	w.line += w.next
	w.next = 0
	for {
		b, err := w.in.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && len(w.word) > 0:
			return w.word, nil
		case err != nil:
			return nil, err
		case b == ' ', b == '\t', b == '\r', b == '\n', b == '\f', b == 0x1a:
			if len(w.word) == 0 {
				if b == '\n' {
					w.line++
				}
				continue
			}
			if b == '\n' {
				w.next = 1
			}
			return w.word, nil
		}
		if len(w.word) == longest {
			return nil, errLong
		}
		w.word = append(w.word, b)
	}
}

// convertASCII converts an ESRI ASCII grid: keys with values, then the numbers of all cells from the north-west, row by row,
// over any lines.
func convertASCII(w io.Writer, r io.Reader, f File) error {
	in := bufio.NewReaderSize(r, 1<<16)
	if mark, _ := in.Peek(3); string(mark) == "\xef\xbb\xbf" {
		_, _ = in.Discard(3)
	}
	t := &words{in: in, line: 1}
	h, first, err := readHeader(t)
	if err != nil {
		return f.refusal(t, err)
	}
	width, height := int(h[keyColumns]), int(h[keyRows])
	at, err := h.transform()
	if err != nil {
		return f.refusal(t, err)
	}
	keys, err := systemKeys(f.System)
	if err != nil {
		return err
	}
	out, err := geotiff.NewWriter(geotiff.Options{Width: width, Height: height, Type: geotiff.Float32, Transform: at, GeoKeys: keys, Software: f.Software, Spool: f.Spool})
	if err != nil {
		return err
	}
	nodata, declared := h[keyNoData]
	if !declared {
		nodata = -9999 // as the format says
	}
	row := make([]float64, width)
	word := first
	for i := range height {
		if err := f.row(t, word, row, nodata, i, height); err != nil {
			return err
		}
		word = nil
		if err := out.WriteRows64(0, row); err != nil {
			return err
		}
	}
	if _, err := t.read(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = textError(fmt.Sprintf("there are more numbers than %d rows of %d columns have", height, width))
		}
		return f.refusal(t, err)
	}
	return out.Close(w)
}

// row reads the numbers of row i of height; word is the first if it was read already.
func (f File) row(t *words, word []byte, row []float64, nodata float64, i, height int) (err error) {
	for c := range row {
		if word == nil {
			if word, err = t.read(); errors.Is(err, io.EOF) {
				return refuse("download or copy it again", "the ASCII grid %s ends at row %d, column %d of %d rows and %d columns", f.Name, i, c, height, len(row))
			} else if err != nil {
				return f.refusal(t, err)
			}
		}
		v, err := number(word)
		if err != nil {
			return f.refusal(t, err)
		}
		if v == nodata || float32(v) == float32(nodata) {
			v = math.NaN()
		}
		row[c], word = v, nil
	}
	return nil
}

// refusal makes a refusal of an error in a line. Errors of the reader are returned as they are.
func (f File) refusal(t *words, err error) error {
	var comma commaError
	var text textError
	switch {
	case errors.As(err, &comma):
		return refuse("write numbers with points: sed 's/,/./g' FILE >OTHER", "the ASCII grid %s has a decimal comma in line %d: %s", f.Name, t.line, string(comma))
	case errors.As(err, &text), errors.Is(err, errLong):
		return refuse("", "the ASCII grid %s, line %d: %v", f.Name, t.line, err)
	case errors.Is(err, io.EOF):
		return refuse("download or copy it again", "the ASCII grid %s ends in its header", f.Name)
	}
	return fmt.Errorf("ASCII grid %s: %w", f.Name, err)
}

type commaError string

func (c commaError) Error() string { return string(c) }

// textError is a fault of the file.
type textError string

func (e textError) Error() string { return string(e) }

// header holds the values of its keys.
type header map[key]float64

// readHeader reads keys and values. It returns the first word behind them.
func readHeader(t *words) (header, []byte, error) {
	h := header{}
	for {
		word, err := t.read()
		if err != nil {
			return nil, nil, err
		}
		k, ok := keyOf(string(word))
		if !ok {
			if c := word[0]; c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || strings.EqualFold(string(word), "nan") {
				return h, bytes.Clone(word), h.check()
			}
			return nil, nil, textError(fmt.Sprintf("%.30q is no key of an ESRI ASCII grid", word))
		}
		if _, twice := h[k]; twice {
			return nil, nil, textError(fmt.Sprintf("%s is stated twice", k))
		}
		if word, err = t.read(); err != nil {
			return nil, nil, err
		}
		v, err := number(word)
		if err != nil {
			return nil, nil, err
		}
		if math.IsNaN(v) && k != keyNoData {
			return nil, nil, textError(fmt.Sprintf("%s %s: must be a number", k, word))
		}
		h[k] = v
	}
}

// check refuses a header that misses a key, or has a value that cannot be.
func (h header) check() error {
	for _, k := range []key{keyColumns, keyRows} {
		if v, ok := h[k]; !ok || v < 1 || v > maxSide || v != math.Trunc(v) {
			return textError(fmt.Sprintf("%s is %v: must be a whole number from 1 to %d", k, h.text(k), maxSide))
		}
	}
	if n := h[keyColumns] * h[keyRows]; n > maxCells {
		return textError(fmt.Sprintf("%.0f cells: at most %d", n, maxCells))
	}
	_, err := h.transform()
	return err
}

func (h header) text(k key) string {
	if v, ok := h[k]; ok {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return "missing"
}

// transform places the grid.
func (h header) transform() (raster.Transform, error) {
	dx, dy := h[keyCell], h[keyCell]
	if v, ok := h[keyDX]; ok {
		dx = v
	}
	if v, ok := h[keyDY]; ok {
		dy = v
	}
	if !(dx > 0 && dy > 0) {
		return raster.Transform{}, textError("cellsize is " + h.text(keyCell) + ": must be above 0, or dx and dy must be")
	}
	side := func(corner, center key, step float64) (float64, error) {
		if v, ok := h[corner]; ok {
			return v, nil
		}
		if v, ok := h[center]; ok {
			return v - step/2, nil
		}
		return 0, textError(fmt.Sprintf("neither %s nor %s is stated", corner, center))
	}
	west, err := side(keyXCorner, keyXCenter, dx)
	if err != nil {
		return raster.Transform{}, err
	}
	south, err := side(keyYCorner, keyYCenter, dy)
	if err != nil {
		return raster.Transform{}, err
	}
	t := raster.Transform{OriginX: west, OriginY: south + h[keyRows]*dy, StepX: dx, StepY: -dy}
	for _, v := range []float64{t.OriginX, t.OriginY, t.StepX, t.StepY} {
		if math.IsInf(v, 0) || math.Abs(v) > 1e15 {
			return t, textError(fmt.Sprintf("its place %v is not on the earth", t))
		}
	}
	return t, nil
}

var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// number reads a number; nan is missing data.
func number(word []byte) (float64, error) {
	if v, ok := plain(word); ok {
		return v, nil
	}
	v, err := strconv.ParseFloat(string(word), 64)
	if err == nil && !math.IsInf(v, 0) {
		return v, nil
	}
	low := strings.ToLower(string(word))
	switch {
	case strings.Contains(low, "nan"), strings.Contains(low, "#ind"), low == "null", low == "*":
		return math.NaN(), nil
	case bytes.Count(word, []byte{','}) == 1:
		if _, err := strconv.ParseFloat(strings.Replace(string(word), ",", ".", 1), 64); err == nil {
			return 0, commaError(word)
		}
	}
	return 0, textError(fmt.Sprintf("%.30q is not a number", word))
}

// plain reads what has at most 15 digits and no exponent, exactly: both the digits as a whole number and the power of ten are
// without error then.
func plain(word []byte) (float64, bool) {
	b := word
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 16 {
		return 0, false
	}
	var digits int64
	n, behind, point := 0, 0, false
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			digits = 10*digits + int64(c-'0')
			n++
			if point {
				behind++
			}
		case c == '.' && !point:
			point = true
		default:
			return 0, false
		}
	}
	if n == 0 || n > 15 {
		return 0, false
	}
	v := float64(digits) / powers[behind]
	if negative {
		v = -v
	}
	return v, true
}

const (
	// userDefined is the value of GTModelTypeGeoKey by which ArcGIS says that the system is stated as text, and
	// statedAsText is how that begins.
	userDefined  = 32767
	statedAsText = "ESRI PE String = "
	keyModel     = 1024
	keyRaster    = 1025
	keyCitation  = 3073
)

// systemKeys states the system of a .prj file by its text, as ArcGIS does.
func systemKeys(text string) (raster.GeoKeys, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	if text == "" {
		return raster.GeoKeys{}, nil
	}
	if len(text) > maxSystem || strings.ContainsAny(text, "|\x00") {
		return raster.GeoKeys{}, refuse("", "the .prj file has %d bytes: must be a text of WKT, of at most %d", len(text), maxSystem)
	}
	return raster.GeoKeys{
		Shorts:  map[uint16]uint16{keyModel: userDefined, keyRaster: 1},
		Strings: map[uint16]string{keyCitation: statedAsText + text},
	}, nil
}
