package inspect

import (
	"errors"
	"io"
	"path"
	"strings"

	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/param"
)

// MaxPRJ bounds a .prj file, in bytes.
const MaxPRJ = 16 << 10

// ErrLongPRJ says that a .prj file is too long to be one.
var ErrLongPRJ = errors.New("a .prj file must have at most 16 kB")

// PRJNames are the names that a .prj file beside a DEM may have, the likeliest first.
func PRJNames(dem string) []string {
	stem := strings.TrimSuffix(dem, path.Ext(dem))
	return []string{stem + ".prj", stem + ".PRJ", dem + ".prj"}
}

// PRJ reads the text of a .prj file.
func PRJ(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxPRJ+1))
	if err != nil {
		return "", err
	}
	if len(data) > MaxPRJ {
		return "", ErrLongPRJ
	}
	return strings.TrimSpace(strings.TrimPrefix(string(data), "\ufeff")), nil
}

// LacksCRS reports a refusal of a DEM that a stated coordinate reference system settles.
func LacksCRS(err error) bool {
	var e *finding.Error
	return errors.As(err, &e) && e.Code == finding.DEMCRS
}

// Beside takes the system of a DEM from the .prj file beside it, where the file and the parameters state none that is
// known. A .prj file that is none is left alone: what is said of the DEM then says what to do.
func Beside(r io.ReaderAt, size int64, p param.Parameters, prj func() (string, error)) (param.Parameters, error) {
	if p.DEMCRS != "" {
		return p, nil
	}
	if _, err := dem.Open(r, size, DEMOptions(p)); !LacksCRS(err) {
		return p, nil
	}
	text, err := prj()
	if err != nil || text == "" {
		return p, err
	}
	with := p
	with.DEMCRS = text
	if _, err := dem.Open(r, size, DEMOptions(with)); LacksCRS(err) {
		return p, nil
	}
	return with, nil
}
