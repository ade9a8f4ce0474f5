package inputfile

import (
	"os"

	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/param"
)

// BesidePRJ states the coordinate system of a DEM which lacks one by the .prj file beside it.
func BesidePRJ(path string, p param.Parameters) (param.Parameters, error) {
	f, err := os.Open(path)
	if err != nil {
		return p, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return p, err
	}
	return inspect.Beside(f, info.Size(), p, func() (string, error) { return ReadPRJ(path), nil })
}

// ReadPRJ returns the text of the .prj file beside a DEM; empty where there is none, or none for us.
func ReadPRJ(path string) string {
	for _, name := range inspect.PRJNames(path) {
		prj, err := os.Open(name)
		if err != nil {
			continue
		}
		text, err := inspect.PRJ(prj)
		_ = prj.Close()
		if err == nil && text != "" {
			return text
		}
	}
	return ""
}
