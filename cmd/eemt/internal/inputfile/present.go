package inputfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/param"
)

// CheckDEM refuses a DEM that is no file.
func CheckDEM(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("DEM: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("DEM %s is not a file", name)
	}
	return nil
}

// CheckClimate refuses a climate table that is not there; false for a source of another kind.
func CheckClimate(kind, name string) (isFile bool, err error) {
	if kind != climate.KindTable && kind != climate.KindPixel {
		return false, nil
	}
	if _, err := os.Stat(name); err != nil {
		return true, fmt.Errorf("climate table: %w", err)
	}
	return true, nil
}

// IsLocal reports whether a raster is a file of this machine.
func IsLocal(name string) bool { return !strings.Contains(name, "://") }

// CheckRasters reports the first raster that is not there.
func CheckRasters(p *param.Parameters) error {
	for _, in := range p.Inputs() {
		for _, name := range in.Files() {
			if !IsLocal(name) {
				continue
			}
			info, err := os.Stat(name)
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s: no file %s", in.Name, name)
			}
			if err == nil && !info.Mode().IsRegular() {
				err = fmt.Errorf("%s is not a file", name)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", in.Name, err)
			}
		}
	}
	return nil
}
