package dem

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
)

// georeference returns the coordinate reference system that the user states, or else the file. That of the user becomes the image's own.
func georeference(img *geotiff.Image, o Options) (*crs.CRS, finding.List, error) {
	if !img.HasTransform {
		return nil, nil, refusal(finding.DEMCRS, "the DEM has no georeferencing", "give it one with: gdal_translate -a_srs EPSG:CODE -a_ullr WEST NORTH EAST SOUTH in.tif out_placed.tif")
	}
	if o.CRS == "" {
		if img.GeoKeys.Empty() {
			return nil, nil, refusal(finding.DEMCRS, "the DEM has no coordinate reference system", "state it with --dem-crs EPSG:CODE, or write it into a copy with: gdal_translate -a_srs EPSG:CODE in.tif out_placed.tif")
		}
		c, err := crs.FromGeoKeys(img.GeoKeys)
		if err != nil {
			return nil, nil, refuseCRS(err)
		}
		c = c.In(img.Transform, img.Width, img.Height)
		return c, c.Findings(), nil
	}
	c, err := crs.Parse(o.CRS)
	if err != nil {
		return nil, nil, refuseCRS(fmt.Errorf("dem_crs: %w", err))
	}
	c = c.In(img.Transform, img.Width, img.Height)
	list := finding.List(c.Findings())
	if stated, err := crs.FromGeoKeys(img.GeoKeys); err == nil && stated.Name() != c.Name() {
		list.Add(finding.Finding{
			Code: finding.DEMCRS, Severity: finding.Note,
			Message: fmt.Sprintf("the file states the coordinate system %s; it is read in %s, as dem_crs says", stated.Name(), c.Name()),
		})
	}
	img.GeoKeys = c.GeoKeys()
	for _, o := range img.Overviews() {
		o.GeoKeys = img.GeoKeys
	}
	return c, list, nil
}

// refuseCRS marks a refusal which another system, stated by the user, can settle.
func refuseCRS(err error) error {
	message, next := advice(err.Error())
	return refusal(finding.DEMCRS, message, next)
}

// cutPoles takes out the rows on the poles and beyond, which global grids have: their cells have no width. The raster
// keeps its size, and those rows hold no data.
func (d *DEM) cutPoles() finding.List {
	if !d.CRS.Geographic() {
		return nil
	}
	n := len(d.Cell.DX)
	flat := func(row int) bool {
		_, y := d.Image.Transform.Center(0, row)
		return math.Abs(y) > 90-1e-6
	}
	first, last := 0, 0
	for first < n && flat(first) {
		first++
	}
	for last < n-first && flat(n-1-last) {
		last++
	}
	if first+last == 0 || n-first-last < 3 {
		return nil
	}
	for row := range first {
		d.Cell.DX[row], d.Cell.DY[row] = d.Cell.DX[first], d.Cell.DY[first]
	}
	for row := n - last; row < n; row++ {
		d.Cell.DX[row], d.Cell.DY[row] = d.Cell.DX[n-last-1], d.Cell.DY[n-last-1]
	}
	d.Image.Blank(first, last)
	return finding.List{{
		Code: finding.DEMCells, Severity: finding.Note,
		Message: fmt.Sprintf("%d rows lie on the poles or beyond, where cells have no width; they are left out, and hold no data in the results", first+last),
	}}
}

// distorted doubts a map whose metres are not those of the ground, by more than 5 %, or whose axes do not meet at right
// angles there, by more than 3 degrees: slopes are wrong by as much.
func (d *DEM) distorted() finding.List {
	if d.CRS.Geographic() {
		return nil
	}
	if d.CRS.Mirrored() {
		lon, lat := d.Center()
		return finding.List{{
			Code: finding.DEMCRS, Severity: finding.Doubt,
			Message: fmt.Sprintf("the axes of %s count south and west, so that the map is a mirror image of the ground: its aspects have east and west exchanged, which sums of whole days do not notice", d.CRS.Name()),
			Next:    fmt.Sprintf("reproject it with: gdalwarp -t_srs EPSG:%d -r bilinear -dstnodata -9999 -ot Float32 in.tif out_utm.tif", crs.Proposal(lon, lat)),
		}}
	}
	const most, skew = 0.05, 3.0
	m := d.Image
	for _, at := range [][2]int{{m.Width / 2, m.Height / 2}, {0, 0}, {m.Width - 1, 0}, {0, m.Height - 1}, {m.Width - 1, m.Height - 1}} {
		x, y := m.Transform.Center(at[0], at[1])
		east, north, angle := d.CRS.Distortion(x, y)
		cell := math.Abs(m.Transform.StepX) * d.CRS.MetresPerUnit()
		east, north = east*cell/d.Cell.DX[at[1]], north*math.Abs(m.Transform.StepY)*d.CRS.MetresPerUnit()/d.Cell.DY[at[1]]
		if !(math.Abs(east-1) > most || math.Abs(north-1) > most || math.Abs(angle-90) > skew) { // or nowhere
			continue
		}
		lon, lat := d.Center()
		return finding.List{{
			Code: finding.DEMCells, Severity: finding.Doubt,
			Message: fmt.Sprintf("the map distorts the ground: at column %d, row %d a cell of %.4g x %.4g m is %.4g x %.4g m large with corners of %.0f degrees, which slopes and shadows do not know",
				at[0], at[1], d.Cell.DX[at[1]], d.Cell.DY[at[1]], d.Cell.DX[at[1]]*east, d.Cell.DY[at[1]]*north, angle),
			Next: fmt.Sprintf("reproject it with: gdalwarp -t_srs EPSG:%d -r bilinear -dstnodata -9999 -ot Float32 in.tif out_utm.tif", crs.Proposal(lon, lat)),
		}}
	}
	return nil
}
