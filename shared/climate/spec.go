package climate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/climate/units"
)

// Kinds of source.
const (
	KindTable  = "table"
	KindPixel  = "pixel" // Daymet's single-pixel service
	KindRaster = "raster"
)

// ElevationDEM as reference elevation stands for the mean elevation of the DEM
// within each cell of the climate rasters.
const ElevationDEM = "dem"

// Spec says where the climate comes from. It is plain data, to be stored with a job.
type Spec struct {
	Kind string `json:"kind"` // KindTable, KindPixel or KindRaster
	// Path is the name of the table, or the template of the rasters' names:
	// {var} stands for tmin, tmax, prcp and vp, {year} for the year, {stat} for
	// monttl with prcp and monavg with the others, {month} for 01 to 12 where each
	// month has a file. Without {year} the rasters are a climatology. Where there is
	// no file by a variable's name, those are tried by which other archives call it.
	Path string `json:"path"`
	// Elevation is the elevation the climate holds for. Of rasters: the name of
	// a single-band raster in metres ({year} is replaced), or ElevationDEM. Of
	// a table or pixel: metres, replacing the table's own; empty: the table's own.
	Elevation string `json:"elevation,omitempty"`
	// NoLeapDays: every year has 365 days, leap years keep 29 February and lack
	// 31 December (Daymet), so that their December's prcp is of 30 days.
	NoLeapDays bool `json:"no_leap_days,omitempty"`
	// Units of the values in the files.
	Units units.Set `json:"units,omitzero"`
}

const specForms = `must be "table:FILE.csv", "raster:TEMPLATE" with {var} and, where the files have them, {year} or {month} in it, "daymet:BASE" with the folder, bucket prefix or https address of Daymet's monthly files, or "pixel:FILE.csv" from Daymet's single-pixel service`

const daymetNames = "daymet_v4_{var}_{stat}_na_{year}.tif"

// ParseSpec reads a climate source as users write it:
//
//	table:FILE.csv     twelve months at a station (see ReadTable)
//	raster:TEMPLATE    one raster of 12 bands per variable and year, see Spec.Path
//	daymet:BASE        Daymet V4 monthly files under BASE, named daymet_v4_tmin_monavg_na_2020.tif ...
//	pixel:FILE.csv     days from Daymet's single-pixel service (see ReadPixel)
//
// elevation is the reference elevation (see Spec.Elevation); empty means
// ElevationDEM for rasters and the table's own for tables. stated are the units of the
// values (see units.Parse); empty means those of the engine.
func ParseSpec(s, elevation, stated string) (Spec, error) {
	form, rest, found := strings.Cut(strings.TrimSpace(s), ":")
	unit, err := units.Parse(stated)
	if err != nil {
		return Spec{}, err
	}
	spec := Spec{Path: rest, Elevation: strings.TrimSpace(elevation), Units: unit}
	switch form {
	case "table":
		spec.Kind = KindTable
	case "pixel":
		spec.Kind = KindPixel
	case "raster":
		spec.Kind = KindRaster
	case "daymet":
		spec.Kind, spec.NoLeapDays = KindRaster, true
		if rest != "" {
			spec.Path = strings.TrimRight(rest, "/") + "/" + daymetNames
		}
	default:
		hint := ""
		if !found || strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, `\`) {
			hint = fmt.Sprintf("; for a table write %.80q", "table:"+s)
			if strings.Contains(s, "{var}") {
				hint = fmt.Sprintf("; for rasters write %.80q", "raster:"+s)
			}
		}
		return Spec{}, fmt.Errorf("climate %.80q: %s%s", s, specForms, hint)
	}
	if spec.Path == "" {
		return Spec{}, fmt.Errorf("climate %.80q: nothing after the colon: %s", s, specForms)
	}
	if spec.Kind == KindRaster && spec.Elevation == "" {
		spec.Elevation = ElevationDEM
	}
	if err := spec.check(); err != nil {
		return Spec{}, err
	}
	return spec, nil
}

func (s Spec) check() error {
	if err := checkName("climate", s.Path); err != nil {
		return err
	}
	switch s.Kind {
	case KindTable, KindPixel:
		return checkStationElevation(s.Elevation)
	case KindRaster:
		if err := checkTemplate("climate", s.Path, "{var}", "{year}", "{stat}", "{month}"); err != nil {
			return err
		}
		if !strings.Contains(s.Path, "{var}") {
			return fmt.Errorf("climate %.80q: {var} is missing: it stands for tmin, tmax, prcp and vp, as in raster:{var}_{year}.tif or raster:wc_{var}_{month}.tif", s.Path)
		}
		if s.Elevation == "" {
			return fmt.Errorf("climate %.80q: reference elevation is missing: must be %q or the name of a raster in metres", s.Path, ElevationDEM)
		}
		if _, err := strconv.ParseFloat(s.Elevation, 64); err == nil {
			return fmt.Errorf("climate elevation %.80q: of climate rasters it is the name of a raster in metres, or %q; a number is for a station", s.Elevation, ElevationDEM)
		}
		if err := checkName("reference elevation", s.Elevation); err != nil {
			return err
		}
		return checkTemplate("reference elevation", s.Elevation, "{year}")
	}
	return fmt.Errorf("climate kind %.80q: must be %q, %q or %q", s.Kind, KindTable, KindPixel, KindRaster)
}

func checkName(what, name string) error {
	if name == "" {
		return fmt.Errorf("%s: name is empty", what)
	}
	if len(name) > 2048 {
		return fmt.Errorf("%s: name of %d bytes: must be at most 2048", what, len(name))
	}
	if i := strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return fmt.Errorf("%s %.80q: control character at byte %d: not allowed in a name", what, name, i)
	}
	return nil
}

// checkTemplate refuses braces that are not one of the placeholders.
func checkTemplate(what, template string, allowed ...string) error {
	rest := template
	for _, p := range allowed {
		// Not by nothing: what stood around it must not close up to another placeholder.
		rest = strings.ReplaceAll(rest, p, "_")
	}
	if strings.ContainsAny(rest, "{}") {
		return fmt.Errorf("%s %.80q: unknown placeholder: must be one of %s", what, template, strings.Join(allowed, " "))
	}
	return nil
}

func checkStationElevation(s string) error {
	if s == "" {
		return nil
	}
	z, err := strconv.ParseFloat(s, 64)
	if err != nil || !(z >= minElevation && z <= maxElevation) {
		return fmt.Errorf("reference elevation %.80q of a climate table: must be %d to %d (metres), or empty for the elevation the table states", s, minElevation, maxElevation)
	}
	return nil
}

// File names the raster of a variable (tmin, tmax, prcp, vp) and year.
func (s Spec) File(variable string, year int) string {
	stat := "monavg"
	if variables[prcp].is(variable) {
		stat = "monttl"
	}
	return strings.NewReplacer("{var}", variable, "{stat}", stat, "{year}", strconv.Itoa(year)).Replace(s.Path)
}

// Files lists the files that the source is read from over some years, each once: by the name of a
// variable under which open finds one. Those on the network are not asked for, but named as they are asked for first.
func (s Spec) Files(ctx context.Context, years []int, open Opener) []string {
	if s.Kind != KindRaster {
		return []string{s.Path}
	}
	var files []string
	add := func(name string) {
		if !slices.Contains(files, name) {
			files = append(files, name)
		}
	}
	months := 1
	if s.monthly() {
		months = Months
	}
	for _, year := range years {
		for v := range variables {
			for month := range months {
				add(s.found(ctx, v, year, month, open))
			}
		}
	}
	for _, year := range years {
		if s.Elevation != ElevationDEM {
			add(s.elevationFile(year))
		}
	}
	return files
}

// found is the file of a variable, year and month under the first of its names that open finds, or else under the first.
func (s Spec) found(ctx context.Context, v, year, month int, open Opener) string {
	usual := s.file(variables[v].name, year, month)
	if strings.Contains(usual, "://") {
		return usual
	}
	for _, name := range append([]string{variables[v].name}, variables[v].aliases...) {
		file := s.file(name, year, month)
		if _, _, c, err := open(ctx, file); err == nil {
			_ = c.Close()
			return file
		}
	}
	return usual
}

// file is File of a month, 0 for January.
func (s Spec) file(variable string, year, month int) string {
	return strings.ReplaceAll(s.File(variable, year), "{month}", fmt.Sprintf("%02d", month+1))
}

func (s Spec) elevationFile(year int) string {
	return strings.ReplaceAll(s.Elevation, "{year}", strconv.Itoa(year))
}
