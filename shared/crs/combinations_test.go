package crs

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/crs/internal/epsg"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// pick returns one of a list.
func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// imagine is what ERDAS IMAGINE writes before what it has to say.
const imagine = "IMAGINE GeoTIFF Support\nCopyright 1991 - 2001 by ERDAS, Inc. All Rights Reserved\n@(#)$RCSfile: egtf.c $ $Revision: 1.9.3.3 $ $Date: 2002/07/24 15:48:28EDT $\n"

// combine makes up the keys of a file, as writers do and as they should not.
func combine(r *rand.Rand, projected, geographic []int, texts []string) raster.GeoKeys {
	k := raster.GeoKeys{Shorts: map[uint16]uint16{}, Doubles: map[uint16][]float64{}, Strings: map[uint16]string{}}
	set := func(key uint16, v float64) { k.Doubles[key] = []float64{v} }
	k.Shorts[keyModelType] = pick[uint16](r, 1, 1, 1, 1, 1, 1, 2, 2, userDefined, 3)
	k.Shorts[keyRasterType] = 1
	baseKeys := func() {
		switch r.IntN(5) {
		case 0, 1:
			k.Shorts[keyGeodeticCRS] = uint16(pick(r, pick(r, geographic...), 4326, 4269, 4267, 4258, 4807))
		case 2:
			k.Shorts[keyGeodeticCRS] = userDefined
			k.Shorts[keyGeodeticDatum] = pick[uint16](r, 6326, 6269, 6267, 6277, 6314, 6230, 6156)
		default:
			k.Shorts[keyGeodeticCRS] = userDefined
			k.Shorts[keyGeodeticDatum] = userDefined
			if r.IntN(2) == 0 {
				k.Shorts[keyEllipsoid] = pick[uint16](r, 7030, 7019, 7008, 7004, 7022, 7001)
			} else {
				k.Shorts[keyEllipsoid] = userDefined
				set(keySemiMajorAxis, pick(r, 6378137.0, 6378206.4, 6370997, 6371000, 6378140))
				switch r.IntN(3) {
				case 0:
					set(keyInvFlattening, pick(r, 298.257223563, 294.978698214, 298.257))
				case 1:
					set(keySemiMinorAxis, k.Doubles[keySemiMajorAxis][0]*pick(r, 1, 1-1/298.257223563, 1-1/294.9786982))
				default:
					set(keyInvFlattening, 298.257223563)
					set(keySemiMinorAxis, k.Doubles[keySemiMajorAxis][0]*(1-1/298.257223563))
				}
			}
			if r.IntN(4) == 0 {
				k.Doubles[keyToWGS84] = pick(r, []float64{-87, -98, -121}, []float64{0, 0, 0, 0, 0, 0, 0}, []float64{446.448, -125.157, 542.06, 0.15, 0.247, 0.842, -20.489})
			}
			if r.IntN(5) == 0 {
				k.Shorts[keyPrimeMeridian] = pick[uint16](r, 8901, 8903, 8909, userDefined)
				if k.Shorts[keyPrimeMeridian] == userDefined {
					set(keyPrimeMeridianLong, pick(r, 2.33722917, -17.6666666667, 0))
				}
			}
		}
		if r.IntN(2) == 0 {
			k.Strings[keyGeodeticCitation] = pick(r, "unknown", "NAD27", "WGS 84", "GCS Name = GCS_North_American_1927|Datum = D_North_American_1927|Ellipsoid = Clarke_1866|Primem = Greenwich|",
				imagine+"Unable to match Ellipsoid (Datum) to a GeographicTypeGeoKey value\nEllipsoid = Clarke 1866\nDatum = NAD27 (CONUS)")
		}
		if r.IntN(8) == 0 {
			k.Shorts[keyAngularUnits] = pick[uint16](r, 9102, 9105, 9122)
		}
	}
	unitKeys := func() {
		switch r.IntN(6) {
		case 0:
			k.Shorts[keyLinearUnits] = 9001
		case 1:
			k.Shorts[keyLinearUnits] = pick[uint16](r, 9002, 9003, 9036, 9005)
		case 2:
			k.Shorts[keyLinearUnits] = userDefined
			set(keyLinearUnitSize, pick(r, 1, 0.3048, 0.3048006096, 1000))
		}
		if r.IntN(6) == 0 {
			if r.IntN(2) == 0 {
				k.Strings[pick[uint16](r, keyCitation, keyProjectedCitation)] = pick(r, "LUnits = us_survey_feet", "PCS Name = x|LUnits = meters|", "PCS Name = x|LUnits = US survey foot|", "PCS Name = My map|", "unnamed")
			} else {
				k.Strings[keyCitation] = imagine + pick(r, "Projection Name = UTM\nUnits = meters\nGeoTIFF Units = meters", "Projection Name = State Plane\nUnits = us_survey_feet\nGeoTIFF Units = us_survey_feet")
				if r.IntN(2) == 0 {
					k.Strings[keyProjectedCitation] = imagine + pick(r, "State Plane Zone 4204\nNAD = 83", "UTM Zone 13N\nEllipsoid = Clarke 1866\nDatum = NAD27 (CONUS)")
				}
			}
		}
	}
	switch r.IntN(8) {
	case 0: // a code
		k.Shorts[keyProjectedCRS] = uint16(pick(r, projected...))
		unitKeys()
		if r.IntN(4) == 0 {
			baseKeys()
		}
	case 1:
		baseKeys()
		if r.IntN(4) > 0 {
			k.Shorts[keyModelType] = 2
		}
	case 2: // a projection by code
		baseKeys()
		unitKeys()
		k.Shorts[keyProjectedCRS] = userDefined
		k.Shorts[keyProjection] = pick[uint16](r, 16013, 16133, 10404, 14234, 19916, 17901, 16033)
	case 3: // text
		text := peString + pick(r, texts...)
		k.Strings[keyProjectedCitation] = text
		if r.IntN(2) == 0 {
			k.Shorts[keyModelType] = userDefined
		}
		if r.IntN(2) == 0 {
			k.Shorts[keyProjectedCRS] = userDefined
		}
		if r.IntN(2) == 0 {
			baseKeys()
		}
		if r.IntN(2) == 0 {
			k.Shorts[keyLinearUnits] = 9001
		}
	default: // parameters
		baseKeys()
		unitKeys()
		k.Shorts[keyProjectedCRS] = userDefined
		k.Shorts[keyProjection] = userDefined
		k.Shorts[keyProjMethod] = uint16(1 + r.IntN(28))
		lat := pick(r, 0.0, 45, 33.5, -41, 90, -90, 12)
		if r.IntN(8) > 0 {
			set(pick[uint16](r, keyNatOriginLat, keyNatOriginLat, keyFalseOriginLat, keyCenterLat), lat)
			set(pick[uint16](r, keyNatOriginLong, keyNatOriginLong, keyFalseOriginLong, keyCenterLong, keyStraightVertLong), pick(r, -105.0, 15, 0, 171))
		}
		if r.IntN(3) > 0 {
			set(keyStdParallel1, pick(r, 29.5, 45, -36, 70, 0))
			if r.IntN(4) > 0 {
				set(keyStdParallel2, pick(r, 45.5, -18, 60))
			}
		}
		if r.IntN(2) == 0 {
			set(pick[uint16](r, keyScaleAtNatOrigin, keyScaleAtCenter), pick(r, 1, 0.9996, 0.994))
		}
		if r.IntN(2) == 0 {
			fe := pick[uint16](r, keyFalseEasting, keyFalseOriginE, keyCenterEasting)
			set(fe, pick(r, 500000.0, 0, 2e6))
			set(fe+1, pick(r, 1e7, 0))
		}
		if m := k.Shorts[keyProjMethod]; m == 3 || m == 4 || r.IntN(20) == 0 {
			set(keyAzimuth, pick(r, 53.3158204722, 90, 337.25556))
			if r.IntN(2) == 0 {
				set(keyRectifiedGridAngle, pick(r, 53.1301023611, 90))
			}
		}
	}
	return k
}

// TestCombinationsAgainstGDAL lets GDAL place files of two thousand combinations of keys: what is taken here must lie
// where GDAL puts it, within what the transformation of its datum is good to.
func TestCombinationsAgainstGDAL(t *testing.T) {
	if os.Getenv("EEMT_SLOW") == "" {
		t.Skip("GDAL opens 2000 files: set EEMT_SLOW to run it")
	}
	index := reference.Program(t, "gdaltindex")
	env := noGrids(t)
	r := rand.New(rand.NewPCG(12, 7))
	projected, geographic, texts := systemsOf(t)
	dir := t.TempDir()
	type tried struct {
		c    *CRS
		keys raster.GeoKeys
		t    raster.Transform
	}
	taken := map[string]tried{}
	args := []string{"-f", "GeoJSON", "-t_srs", "EPSG:4326", filepath.Join(dir, "index.json")}
	refused := 0
	for i := range 2000 {
		k := combine(r, projected, geographic, texts)
		c, err := FromGeoKeys(k)
		if err != nil {
			refused++
			continue
		}
		p := samplePoints(c.def)[12]
		if c.Geographic() {
			p = [2]float64{c.lon0 + 1.2, 41}
		}
		x, y := c.Forward(p[0], p[1])
		at := raster.Transform{OriginX: x, OriginY: y, StepX: 30, StepY: -30}
		if c.Geographic() {
			at.StepX, at.StepY = 1e-4, -1e-4
		}
		if math.IsNaN(x) {
			continue
		}
		name := filepath.Join(dir, fmt.Sprintf("%04d.tif", i))
		writeTIFF(t, name, k, at)
		taken[name] = tried{c.In(at, 3, 3), k, at}
		args = append(args, name)
	}
	cmd := exec.Command(index, args...)
	cmd.Env = append(slices.Clone(env), "OGR_CT_FORCE_TRADITIONAL_GIS_ORDER=YES")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Logf("gdaltindex: %v: %.2000s", err, out)
	}
	theirs := readIndex(t, filepath.Join(dir, "index.json"))
	wrong := 0
	for name, f := range taken {
		lon, lat := f.c.Inverse(f.t.OriginX, f.t.OriginY)
		p, ok := theirs[name]
		if !ok && (f.c.def.text != "" || f.c.def.base.invf == 0) {
			continue // GDAL asks for a key beside the text, and takes no UTM on a sphere
		}
		if !ok {
			wrong++
			t.Errorf("%s: taken as %s (%v), which GDAL does not place: %+v", filepath.Base(name), f.c.Name(), f.c.Notes(), f.keys)
			continue
		}
		tolerance := 0.02
		switch {
		case slices.ContainsFunc(f.c.findings, func(f finding.Finding) bool { return f.Severity == finding.Doubt }):
			tolerance = 1000 // said, not silent
		case f.c.def.base.op != nil:
			// PROJ tries those of the system's own area first, which lie up to 20 m apart.
			tolerance = max(20, f.c.def.base.op.accuracy)
		case f.c.def.base.relation == equalToWGS84 || f.c.def.base.nearWGS84():
			tolerance = 10
		}
		if d := metresApart(p[0], p[1], lon, lat); !(d <= tolerance) {
			wrong++
			t.Errorf("%s: %s (%v): got %.7f %.7f, GDAL %.7f %.7f: %.2f m: %+v", filepath.Base(name), f.c.Name(), f.c.Notes(), lon, lat, p[0], p[1], d, f.keys)
		}
	}
	t.Logf("%d taken, %d refused, %d wrong", len(taken), refused, wrong)
	if len(taken) < 800 {
		t.Errorf("only %d combinations taken", len(taken))
	}
}

// systemsOf lists codes of projected and of geographic systems, and Esri's texts.
func systemsOf(t *testing.T) (projected, geographic []int, texts []string) {
	for _, p := range placedSystems(t) {
		if p.text != "" {
			texts = append(texts, p.text)
		}
	}
	for f := range epsg.All(epsg.Projected) {
		if code := atoi(f[0]); code <= math.MaxUint16 {
			projected = append(projected, code)
		}
	}
	for f := range epsg.All(epsg.Geodetic) {
		if code := atoi(f[0]); code <= math.MaxUint16 && f[4] == "2" {
			geographic = append(geographic, code)
		}
	}
	return projected, geographic, texts
}

func writeTIFF(t *testing.T, name string, k raster.GeoKeys, at raster.Transform) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := geotiff.Write(f, geotiff.Options{Type: geotiff.Float32, Transform: at, GeoKeys: k}, raster.New[float64](3, 3)); err != nil {
		t.Fatal(err)
	}
}

// readIndex returns the upper left corners of the files in an index, degrees.
func readIndex(t *testing.T, name string) map[string][2]float64 {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var index struct {
		Features []struct {
			Properties struct{ Location string }
			Geometry   struct{ Coordinates [][][2]float64 }
		}
	}
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	corners := map[string][2]float64{}
	for _, f := range index.Features {
		if len(f.Geometry.Coordinates) > 0 {
			corners[f.Properties.Location] = f.Geometry.Coordinates[0][0]
		}
	}
	return corners
}
