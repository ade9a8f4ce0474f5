package geotiff

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/geotiff/internal/gdal"
	"github.com/cyverse-gis/eemt/shared/geotiff/internal/geokey"
	"github.com/cyverse-gis/eemt/shared/geotiff/internal/ifd"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// georeference reads the transform and the GeoKeys.
func (m *Image) georeference() error {
	if err := m.readKeys(); err != nil {
		return err
	}
	m.PixelIsPoint = m.GeoKeys.Shorts[geokey.RasterType] == geokey.RasterIsPoint
	t, err := m.readTransform()
	if err != nil || t == nil {
		return err
	}
	if m.PixelIsPoint {
		t.OriginX -= t.StepX / 2
		t.OriginY -= t.StepY / 2
	}
	switch {
	case !raster.Finite(t.OriginX), !raster.Finite(t.OriginY), !raster.Finite(t.StepX), !raster.Finite(t.StepY):
		return fmt.Errorf("the file is damaged: its position is %v", *t)
	case t.StepX == 0 || t.StepY == 0:
		return fmt.Errorf("the file is damaged: cells of %g x %g", t.StepX, t.StepY)
	case t.StepY > 0:
		return &Unsupported{Feature: "a raster with its south edge first is not read", Fix: fixWarp}
	case t.StepX < 0:
		return &Unsupported{Feature: "a raster with its east edge first is not read", Fix: fixWarp}
	}
	m.Transform, m.HasTransform = *t, true
	return nil
}

// readTransform returns the transform as the file states it, nil if it does not.
func (m *Image) readTransform() (*raster.Transform, error) {
	scale, err := m.src.Doubles(m.dir, ifd.ModelPixelScale)
	if err != nil {
		return nil, err
	}
	tie, err := m.src.Doubles(m.dir, ifd.ModelTiepoint)
	if err != nil {
		return nil, err
	}
	matrix, err := m.src.Doubles(m.dir, ifd.ModelTransformation)
	if err != nil {
		return nil, err
	}
	var t raster.Transform
	switch {
	case len(scale) >= 2 && len(tie) >= 6:
		t.StepX, t.StepY = scale[0], -scale[1]
		t.OriginX = tie[3] - tie[0]*t.StepX
		t.OriginY = tie[4] - tie[1]*t.StepY
		// A step of 0 is that of a raster without heights.
		if len(scale) >= 3 && m.heights && scale[2] != 0 && raster.Finite(scale[2]) && raster.Finite(tie[5]-tie[2]*scale[2]) {
			m.ScaleZ, m.OffsetZ = scale[2], tie[5]-tie[2]*scale[2]
		}
	case len(matrix) == 16:
		if matrix[1] != 0 || matrix[4] != 0 {
			return nil, &Unsupported{Feature: "a rotated or sheared raster is not read", Fix: fixWarp}
		}
		t = raster.Transform{OriginX: matrix[3], StepX: matrix[0], OriginY: matrix[7], StepY: matrix[5]}
	case len(tie) > 6:
		return nil, &Unsupported{Feature: "a raster placed by ground control points alone is not read", Fix: fixWarp}
	default:
		return nil, nil
	}
	return &t, nil
}

// readKeys reads the GeoKey directory (OGC 19-008r4, 7.1).
func (m *Image) readKeys() error {
	dir, err := m.src.Uints(m.dir, ifd.GeoKeyDirectory)
	if err != nil || len(dir) < 4 {
		return err
	}
	doubles, err := m.src.Doubles(m.dir, ifd.GeoDoubleParams)
	if err != nil {
		return err
	}
	text, _, err := m.src.Text(m.dir, ifd.GeoASCIIParams)
	if err != nil {
		return err
	}
	if m.GeoKeys, err = geokey.Decode(dir, doubles, text); err != nil {
		return err
	}
	// Before revision 1.1 writers put anything there.
	m.heights = dir[1] == 1 && dir[2] >= 1
	return nil
}

// readMetadata reads GDAL_NODATA and GDAL_METADATA.
func (m *Image) readMetadata() error {
	text, ok, err := m.src.Text(m.dir, ifd.GDALNoData)
	if err != nil {
		return err
	}
	if text = strings.TrimSpace(text); ok && text != "" {
		if m.NoData, err = parseNoData(text, m.Type); err != nil {
			return err
		}
		m.HasNoData = true
	}
	m.Metadata = map[string]string{}
	m.bands = map[int]BandInfo{}
	text, ok, err = m.src.Text(m.dir, ifd.GDALMetadata)
	if err != nil || !ok || strings.TrimSpace(text) == "" {
		return err
	}
	doc, err := gdal.ParseMetadata(text)
	if err != nil {
		return fmt.Errorf("the GDAL_METADATA tag is not readable as XML: %w; write it anew with: %s", err, fixTranslate)
	}
	for _, it := range doc.Items {
		if err := m.addItem(it); err != nil {
			return err
		}
	}
	return nil
}

// addItem takes one entry of GDAL_METADATA.
func (m *Image) addItem(it gdal.Item) error {
	if it.Sample == "" {
		if it.Domain == "" {
			m.Metadata[it.Name] = it.Value
		}
		return nil
	}
	n, err := strconv.Atoi(it.Sample)
	if err != nil || n < 0 || n >= m.Bands {
		return nil //nolint:nilerr // an item of a band that does not exist
	}
	b := m.bands[n]
	switch it.Role {
	case "scale":
		b.Scale, err = bandNumber(n, it)
	case "offset":
		b.Offset, err = bandNumber(n, it)
	case "unittype":
		b.Unit = it.Value
	case "description":
		b.Description = it.Value
	case "colorinterp": // where GDAL cannot say it by the tags of TIFF
		if n > 0 && m.Alpha == 0 && strings.EqualFold(strings.TrimSpace(it.Value), "Alpha") {
			m.Alpha = n
		}
	default:
		b.addItem(it)
	}
	m.bands[n] = b
	return err
}

// addItem takes an entry without a role.
func (b *BandInfo) addItem(it gdal.Item) {
	if it.Domain != "" {
		return
	}
	if b.Metadata == nil {
		b.Metadata = map[string]string{}
	}
	b.Metadata[it.Name] = it.Value
}

// bandNumber is the scale or the offset of a band, counted from 0.
func bandNumber(n int, it gdal.Item) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(it.Value), 64)
	if err != nil || !raster.Finite(v) {
		return 0, fmt.Errorf("band %d has the %s %q, which is not a number", n+1, it.Role, it.Value)
	}
	return v, nil
}

// parseNoData returns the value as the sample type holds it: writers print
// fewer digits than a float needs.
func parseNoData(text string, t SampleType) (float64, error) {
	v, err := gdal.ParseNoData(text)
	if err != nil {
		return 0, err
	}
	switch t {
	case Float32:
		if f := float64(float32(v)); !math.IsInf(f, 0) {
			v = f
		}
	case Float16: // -9999 is stored as -10000
		if a := math.Abs(v); a > 0 && a < 65520 {
			ulp := math.Ldexp(1, max(-14, math.Ilogb(a))-10)
			v = math.RoundToEven(v/ulp) * ulp
		}
	}
	return v, nil
}

// isNoData returns the test for missing data, nil when no number can match.
func (m *Image) isNoData() func(float64) bool {
	declared := m.isDeclared()
	switch {
	case len(m.missing) == 0:
		return declared
	case declared == nil:
		return m.isMissing
	}
	return func(v float64) bool { return declared(v) || m.isMissing(v) }
}

// isMissing is the test for the values of AddNoData, which a writer may have printed with fewer digits than are stored.
func (m *Image) isMissing(v float64) bool {
	for _, nd := range m.missing {
		if v == nd || m.Type == Float32 && float32(v) == float32(nd) || math.Abs(nd) > 1e30 && math.Abs(v-nd) <= 1e-6*math.Abs(nd) {
			return true
		}
	}
	return false
}

// isDeclared is the test for the value that the file declares.
func (m *Image) isDeclared() func(float64) bool {
	nd := m.NoData
	if !m.HasNoData || math.IsNaN(nd) {
		return nil
	}
	if m.Type == Float64 && math.Abs(nd) > 1e30 {
		// Such values mark nodata only, often printed with 15 digits.
		tol := 1e-12 * math.Abs(nd)
		return func(v float64) bool { return v == nd || math.Abs(v-nd) <= tol }
	}
	return func(v float64) bool { return v == nd }
}
