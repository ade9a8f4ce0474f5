package param

import (
	"fmt"
	"strings"
)

// Input is a parameter of the air or the ground that is one value, one for each
// month, or a raster of either.
type Input struct {
	// Name is that of the flag.
	Name string
	// Values are one or twelve; nil stands for 1 where Optional.
	Values *[]float64
	// Rasters names a GeoTIFF of one or twelve bands, or twelve of one band from
	// January to December; {month} in a single name stands for 01 to 12. When there
	// is any it takes the place of Values.
	Rasters *[]string
	// Low and High bound the values.
	Low, High float64
	// Optional inputs may be left out.
	Optional bool
	// word points to whether a word was given in place of values; nil where the parameter takes none.
	word *bool
}

// MonthMark stands for 01 to 12 in the name of a raster.
const MonthMark = "{month}"

// Words that may stand in place of values.
const (
	// FromClimate, given as the clear-sky index, computes it from the radiation in the climate.
	FromClimate = "climate"
	// FromClimatology, given as the turbidity, reads it from the climatology of the world (shared/turbidity).
	FromClimatology = "climatology"
)

// Inputs lists the parameters that may be rasters. What the caller sets through
// them is set in p.
func (p *Parameters) Inputs() []Input {
	var list []Input
	for _, f := range fields {
		if f.Monthly {
			list = append(list, f.of(p))
		}
	}
	return list
}

// of is the input that a field describes, with its range.
func (f Field) of(p *Parameters) Input {
	in := f.input(p)
	in.Name, in.Low, in.High = f.Input(), f.Minimum, f.Maximum
	in.Optional = f.Unset != "" || in.word != nil && *in.word
	return in
}

// SetInput reads the text of one of Inputs: a number, twelve separated by commas,
// or the name of a raster, ending in .tif or .tiff; or twelve of those; or the word
// that it takes. Rasters that are set stay, whatever values come after them, but for
// a word.
func (p *Parameters) SetInput(name, text string) error {
	text = strings.TrimSpace(text)
	f, ok := FieldOf(strings.ReplaceAll(name, "-", "_"))
	if !ok || !f.Monthly {
		return fmt.Errorf("%s: not an input", name)
	}
	word := ""
	if f.Word != "" {
		word = ", or " + f.Word
		given := strings.EqualFold(text, f.Word)
		if p.SetWord(f, given); given {
			return nil
		}
	}
	in := f.of(p)
	if names := rasterNames(text); names != nil {
		*in.Rasters = names
		return nil
	}
	values, err := ParseMonthly(text)
	if err != nil {
		return fmt.Errorf("%s %.80q: %w; or the name of a GeoTIFF that ends in .tif%s", name, text, err, word)
	}
	*in.Values = values
	return nil
}

// SetWord sets that the word of a field is given in place of values, or that it is not: then the values are the default
// again.
func (p *Parameters) SetWord(f Field, given bool) {
	in := f.of(p)
	if given {
		*in.Values, *in.Rasters = nil, nil
	} else if *in.word {
		usual := DefaultParameters()
		*in.Values = *f.of(&usual).Values
	}
	*in.word = given
}

// rasterNames splits the names of rasters; nil if the text names none.
func rasterNames(text string) []string {
	names := strings.Split(text, ",")
	any := false
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
		lower, _, _ := strings.Cut(strings.ToLower(names[i]), "?")
		any = any || strings.HasSuffix(lower, ".tif") || strings.HasSuffix(lower, ".tiff") || strings.Contains(lower, MonthMark) || strings.Contains(lower, "://")
	}
	if !any {
		return nil
	}
	return names
}

// Files lists the rasters one by one, {month} replaced.
func (in Input) Files() []string {
	names := *in.Rasters
	if len(names) == 1 && strings.Contains(names[0], MonthMark) {
		files := make([]string, 12)
		for m := range files {
			files[m] = strings.ReplaceAll(names[0], MonthMark, fmt.Sprintf("%02d", m+1))
		}
		return files
	}
	return names
}

// check reports what is wrong with one input, each in one sentence; word may stand in place of values.
func (in Input) check(word string, fail func(format string, args ...any)) {
	if in.word != nil && *in.word && (*in.Values != nil || *in.Rasters != nil) {
		fail("%s: give %s, values or a raster, not several", in.Name, word)
	}
	if names := *in.Rasters; len(names) > 0 {
		in.checkNames(names, fail)
		return
	}
	values := *in.Values
	if in.Optional && values == nil {
		return
	}
	if len(values) != 1 && len(values) != 12 {
		fail("%s has %d values: give one, or one for each of the 12 months", in.Name, len(values))
	}
	for _, v := range values {
		if !(v >= in.Low && v <= in.High) {
			fail("%s %g: must be %g to %g", in.Name, v, in.Low, in.High)
		}
	}
}

// checkNames reports what is wrong with the names of rasters. A single one may hold {month}.
func (in Input) checkNames(names []string, fail func(format string, args ...any)) {
	if len(names) != 1 && len(names) != 12 {
		fail("%s has %d rasters: give one, one for each of the 12 months, or one name with {month} in it", in.Name, len(names))
	}
	for _, n := range names {
		rest := n
		if len(names) == 1 {
			rest = strings.ReplaceAll(n, MonthMark, "_")
		}
		switch {
		case n == "":
			fail("%s: the name of a raster is empty", in.Name)
		case len(n) > 2048:
			fail("%s: the name of a raster has %d bytes: at most 2048", in.Name, len(n))
		case strings.IndexFunc(n, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
			fail("%s %.80q: control characters are not allowed in the name of a raster", in.Name, n)
		case strings.ContainsAny(rest, "{}"):
			fail("%s %.80q: the only placeholder is {month}, in a single name", in.Name, n)
		}
	}
}

// Factor spreads optional factors over the months, 1 where there are none.
func Factor(values []float64) [12]float64 {
	if values == nil {
		values = []float64{1}
	}
	return Monthly(values)
}
