package dem

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/foreign"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/remedy"
)

func refusal(code finding.Code, message, next string) error {
	return finding.Refuse(finding.Finding{Code: code, Message: message, Next: next})
}

// Named puts the user's own name of a file into the commands of a refusal that was made without it.
func Named(name string, err error) error {
	var known *finding.Error
	if !errors.As(err, &known) {
		return err
	}
	f := known.Finding
	f.Next = remedy.For(name, f.Next)
	return refused{&finding.Error{Finding: f}, err}
}

// refused is a fault of the file as a finding, which still is the error that it was made of.
type refused struct {
	finding *finding.Error
	cause   error
}

func (r refused) Error() string   { return r.finding.Error() }
func (r refused) Unwrap() []error { return []error{r.finding, r.cause} }

// refuse makes a finding of what a file is refused for, with the user's own name of it. Faults of reading stay as they are.
func (o Options) refuse(err error) error {
	var known *finding.Error
	if errors.As(err, &known) {
		f := known.Finding
		f.Next = remedy.For(o.Name, f.Next)
		return finding.Refuse(f)
	}
	f := finding.Finding{Code: finding.DEMFormat, Severity: finding.Refusal, Message: err.Error()}
	var u *geotiff.Unsupported
	switch {
	case errors.As(err, &u) && u.Bits == 1:
		f.Code, f.LooksLike, f.Next = finding.DEMNotElevation, "a mask: each cell has one bit", chooseDEM
		f.Message = "the DEM has 1-bit data"
	case errors.As(err, &u):
		f.Message, f.Next = strings.TrimSuffix(f.Message, "; convert with: "+u.Fix), "convert it with: "+u.Fix
	case errors.Is(err, geotiff.ErrDamaged):
		f.Message, f.Next = advice(f.Message)
	default:
		return err
	}
	f.Next = remedy.For(o.Name, f.Next)
	return refused{&finding.Error{Finding: f}, err}
}

// advice parts a sentence from the command at its end.
func advice(text string) (message, next string) {
	i := strings.LastIndex(text, "; ")
	if i < 0 || !strings.Contains(text[i:], "in.tif") {
		return text, ""
	}
	return text[:i], text[i+2:]
}

// notTIFF refuses what is no TIFF, and says what it is.
func notTIFF(r io.ReaderAt, size int64, name string) error {
	head := make([]byte, min(max(size, 0), foreign.HeadSize))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("reading %d bytes at 0: %w", len(head), err)
	}
	if foreign.IsTIFF(head) {
		return nil
	}
	return &finding.Error{Finding: foreign.Find(name, head, r, size)}
}

const chooseDEM = "give the raster of elevations itself"

// picture refuses a raster whose numbers are colours by what the file says.
func picture(img *geotiff.Image) error {
	what := ""
	colours := img.Type == geotiff.Uint8 || img.Type == geotiff.Uint16
	switch {
	case !colours:
	case img.Photometric == geotiff.RGB && img.Bands >= 3:
		what = "a picture in colours (red, green, blue)"
	case img.Photometric == geotiff.Palette:
		what = "a picture, or classes, with a table of colours"
	case img.Photometric == geotiff.CMYK, img.Photometric == geotiff.YCbCr, img.Photometric == geotiff.CIELab:
		what = "a picture in colours"
	case img.Photometric == geotiff.MaskImage:
		what = "a mask"
	}
	if what == "" {
		return nil
	}
	return finding.Refuse(finding.Finding{
		Code: finding.DEMNotElevation, Message: fmt.Sprintf("the numbers of the DEM are not elevations (%d bands of %s)", img.Bands, img.Type),
		LooksLike: what, Next: chooseDEM,
	})
}
