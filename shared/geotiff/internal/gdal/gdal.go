// Package gdal reads and writes the tags that GDAL adds to TIFF.
package gdal

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Metadata is the XML of the tag GDAL_METADATA.
type Metadata struct {
	XMLName xml.Name `xml:"GDALMetadata"`
	Items   []Item   `xml:"Item"`
}

// Item is one entry, of the dataset or, with Sample, of a band counted from 0.
type Item struct {
	Name   string `xml:"name,attr"`
	Sample string `xml:"sample,attr,omitempty"`
	Role   string `xml:"role,attr,omitempty"`
	Domain string `xml:"domain,attr,omitempty"`
	Value  string `xml:",chardata"`
}

// GDAL escapes the values of items once more inside of the XML.
var (
	escape   = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")
	unescape = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'")
)

// ParseMetadata reads the XML. It is as lenient as GDAL is with characters that XML does not permit,
// which are found in remarks: other programs write those in any encoding.
func ParseMetadata(text string) (doc Metadata, err error) {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return utf8.RuneError
		}
		return r
	}, text)
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	if err := d.Decode(&doc); err != nil {
		return doc, err
	}
	for i := range doc.Items {
		doc.Items[i].Value = unescape.Replace(doc.Items[i].Value)
	}
	return doc, nil
}

// Encode returns the XML, empty without items.
func (m Metadata) Encode() (string, error) {
	if len(m.Items) == 0 {
		return "", nil
	}
	items := slices.Clone(m.Items)
	for i := range items {
		items[i].Value = escape.Replace(items[i].Value)
	}
	b, err := xml.Marshal(Metadata{Items: items})
	return string(b), err
}

// ParseNoData reads the number of the tag GDAL_NODATA, also as Windows printed those that are not finite.
func ParseNoData(text string) (float64, error) {
	text = strings.TrimRight(text, "\x00 ")
	v, err := strconv.ParseFloat(text, 64)
	if math.IsInf(v, 0) && err != nil { // -1.79769313486232e+308 rounded past the largest number
		return math.Copysign(math.MaxFloat64, v), nil
	}
	if err != nil {
		// Windows printed 1.#QNAN, -1.#IND and 1.#INF.
		switch low := strings.ToLower(text); {
		case strings.Contains(low, "nan") || strings.Contains(low, "#ind"):
			return math.NaN(), nil
		case strings.HasSuffix(low, "#inf"):
			return math.Inf(1 - 2*strings.Count(low, "-")), nil
		}
		return 0, fmt.Errorf("the nodata value %.40q is not a number; leave it out with: gdal_translate -a_nodata none in.tif out_plain.tif", text)
	}
	return v, nil
}

// FormatNoData writes the number of the tag GDAL_NODATA.
func FormatNoData(v float64) string {
	if math.IsNaN(v) {
		return "nan"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
