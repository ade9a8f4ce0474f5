package preview

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// style is one size of one typeface.
type style struct{ face font.Face }

// types are the sizes a picture uses.
type types struct{ title, text, raised style }

func newTypes() (types, error) {
	regular, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return types{}, err
	}
	medium, err := opentype.Parse(gomedium.TTF)
	if err != nil {
		return types{}, err
	}
	size := func(f *opentype.Font, pixels float64) (style, error) {
		face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: pixels, DPI: 72, Hinting: font.HintingNone})
		return style{face}, err
	}
	var t types
	if t.title, err = size(medium, 24); err != nil {
		return t, err
	}
	if t.text, err = size(regular, 16); err != nil {
		return t, err
	}
	t.raised, err = size(regular, 11)
	return t, err
}

func (s style) width(text string) int { return font.MeasureString(s.face, text).Ceil() }

func (s style) ascent() int { return s.face.Metrics().Ascent.Ceil() }

func (s style) height() int {
	m := s.face.Metrics()
	return m.Ascent.Ceil() + m.Descent.Ceil()
}

// draw writes text with its upper left corner at x, y.
func (s style) draw(img draw.Image, x, y int, text string, c color.Color) {
	d := font.Drawer{Dst: img, Src: image.NewUniform(c), Face: s.face, Dot: fixed.P(x, y+s.ascent())}
	d.DrawString(text)
}

// drawUnit writes a unit with raised exponents and returns its width. A nil
// image only measures.
func (t types) drawUnit(img draw.Image, x, y int, unit string, c color.Color) int {
	start := x
	put := func(s style, dy int, text string) {
		if img != nil {
			s.draw(img, x, y+dy, text, c)
		}
		x += s.width(text)
	}
	for i, word := range strings.Fields(unit) {
		if i > 0 {
			x += t.text.width(" ")
		}
		if rest, ok := strings.CutPrefix(word, "deg"); ok && (rest == "C" || rest == "") {
			word = "°" + rest
		}
		base := strings.TrimRightFunc(word, unicode.IsDigit)
		exponent := word[len(base):]
		if exponent != "" && strings.HasSuffix(base, "-") {
			base, exponent = base[:len(base)-1], "−"+exponent
		}
		if base == "" {
			base, exponent = word, ""
		}
		put(t.text, 0, base)
		if exponent != "" {
			put(t.raised, -1, exponent)
		}
	}
	return x - start
}

const (
	barHeight    = 14
	legendHeight = 44
)

// drawLegend draws the colour bar with its numbers and unit from left, a scale bar up to right.
func drawLegend(img *image.NRGBA, t types, colours [256]color.NRGBA, sc scale, unit string, metresPerPixel float64, left, top, right int) {
	if sc.empty {
		t.text.draw(img, left, top, "no data", faint)
		return
	}
	width := (right - left) * 3 / 5
	for x := range width {
		c := colours[x*255/max(1, width-1)]
		draw.Draw(img, image.Rect(left+x, top, left+x+1, top+barHeight), image.NewUniform(c), image.Point{}, draw.Src)
	}
	low, middle, high := labels(sc)
	y := top + barHeight + 7
	t.text.draw(img, left, y, low, ink)
	t.text.draw(img, left+(width-t.text.width(middle))/2, y, middle, ink)
	t.text.draw(img, left+width-t.text.width(high), y, high, ink)
	t.drawUnit(img, left+width+12, top-3, unit, ink)
	if metresPerPixel > 0 {
		drawScaleBar(img, t, metresPerPixel, left+width+24, right, y)
	}
}

// drawScaleBar draws a round length between left and right, ending at right,
// or nothing if there is no room.
func drawScaleBar(img *image.NRGBA, t types, metresPerPixel float64, left, right, y int) {
	for target := 130.0; target >= 20; target /= 1.6 {
		metres := roundLength(metresPerPixel * target)
		length := int(metres/metresPerPixel + 0.5)
		text := strconv.FormatFloat(metres, 'g', 6, 64) + " m"
		if metres >= 1000 {
			text = strconv.FormatFloat(metres/1000, 'g', 6, 64) + " km"
		}
		start := right - length - t.text.width(text) - 10
		if start < left {
			continue
		}
		line := image.NewUniform(faint)
		base := y + t.text.ascent()
		draw.Draw(img, image.Rect(right-length, base-1, right, base+1), line, image.Point{}, draw.Src)
		draw.Draw(img, image.Rect(right-length, base-7, right-length+2, base+1), line, image.Point{}, draw.Src)
		draw.Draw(img, image.Rect(right-2, base-7, right, base+1), line, image.Point{}, draw.Src)
		t.text.draw(img, start, y, text, faint)
		return
	}
}

// roundLength returns the largest 1, 2 or 5 times a power of ten up to x.
func roundLength(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, f := range []float64{5, 2} {
		if f*p <= x {
			return f * p
		}
	}
	return p
}

// labels returns the numbers at the ends and the middle of the bar.
func labels(sc scale) (low, middle, high string) {
	span := sc.hi - sc.lo
	decimals := min(max(2-int(math.Floor(math.Log10(span))), 0), 9)
	write := func(x float64) string {
		if math.Abs(x) >= 1e7 || math.Abs(x) > 0 && math.Abs(x) < 1e-4 && decimals >= 4 {
			return strings.ReplaceAll(strconv.FormatFloat(x, 'g', 4, 64), "-", "−")
		}
		s := strconv.FormatFloat(x, 'f', decimals, 64)
		if strings.Trim(s, "-0.") == "" {
			s = strings.TrimPrefix(s, "-")
		}
		return strings.Replace(s, "-", "−", 1)
	}
	if sc.hi-sc.lo <= 4e-6*max(1, math.Abs(sc.lo)) {
		return "", strconv.FormatFloat((sc.lo+sc.hi)/2, 'g', 5, 64), ""
	}
	low, middle, high = write(sc.lo), write((sc.lo+sc.hi)/2), write(sc.hi)
	if sc.below {
		low = "≤ " + low
	}
	if sc.above {
		high = "≥ " + high
	}
	return low, middle, high
}
