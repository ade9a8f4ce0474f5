package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/survey"
)

// besidePRJ states the coordinate system of a DEM which lacks one by the .prj file beside it.
func besidePRJ(path string, p job.Parameters) (job.Parameters, error) {
	f, err := os.Open(path)
	if err != nil {
		return p, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return p, err
	}
	return survey.Beside(f, info.Size(), p, func() (string, error) {
		prj, err := os.Open(strings.TrimSuffix(path, filepath.Ext(path)) + ".prj")
		if err != nil {
			return "", nil // there is none, or none for us
		}
		defer func() { _ = prj.Close() }()
		return survey.PRJ(prj)
	})
}
