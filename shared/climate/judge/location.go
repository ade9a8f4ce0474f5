package judge

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/finding"
)

// Distances of a station from the edge of the DEM, km.
const (
	near = 50  // up to here there is no finding
	far  = 250 // beyond, the station is refused; between, doubted
)

// earthRadius is the mean radius of the earth, km.
const earthRadius = 6371

// SiteOf returns the outline of a DEM. The caller adds its elevations (Elevations.Add).
func SiteOf(d *dem.DEM) Site {
	g := Site{}
	g.CentreLon, g.CentreLat = d.Center()
	const steps = 32
	t, w, h := d.Image.Transform, float64(d.Image.Width), float64(d.Image.Height)
	for _, edge := range [4][4]float64{{0, 0, 1, 0}, {1, 0, 1, 1}, {1, 1, 0, 1}, {0, 1, 0, 0}} {
		for i := range steps {
			f := float64(i) / steps
			col, row := w*(edge[0]+f*(edge[2]-edge[0])), h*(edge[1]+f*(edge[3]-edge[1]))
			lon, lat := d.CRS.Inverse(t.OriginX+t.StepX*col, t.OriginY+t.StepY*row)
			g.Lon, g.Lat = append(g.Lon, lon), append(g.Lat, lat)
		}
	}
	return g
}

// location doubts a station far from the DEM, and refuses one that is very far.
func location(g Site, s Source) []finding.Finding {
	if s.Station == nil {
		return nil
	}
	lon, lat := s.Station.Lon, s.Station.Lat
	if math.IsNaN(lon) || math.IsNaN(lat) {
		f := note(finding.ClimatePlace, "the climate table does not say where its station lies, so that its place is not compared with the DEM's")
		f.Next = "add lines such as # latitude: 32.4 and # longitude: -110.7"
		return []finding.Finding{f}
	}
	km := g.distance(lon, lat)
	if !(km > near) {
		return nil
	}
	where := fmt.Sprintf("the climate is of %.2f, %.2f (latitude, longitude), %.0f km from the DEM, whose middle is %.2f, %.2f", lat, lon, km, g.CentreLat, g.CentreLon)
	value := fmt.Sprintf("%.0f km", km)
	if km > far {
		return []finding.Finding{refusal(finding.ClimatePlace, value, "the climate of another place", fmt.Sprintf("take a station within %d km", near), "%s", where)}
	}
	return []finding.Finding{doubt(finding.ClimatePlace, value, "", fmt.Sprintf("take a station within %d km if there is one", near), "%s", where)}
}

// distance is how far a place lies outside of the DEM, km; 0 within.
func (g Site) distance(lon, lat float64) float64 {
	least := math.Inf(1)
	inside := false
	n := len(g.Lon)
	for i := range g.Lon {
		j := (i + 1) % n
		x0, y0, x1, y1 := offset(g.Lon[i], lon), g.Lat[i]-lat, offset(g.Lon[j], lon), g.Lat[j]-lat
		if math.IsNaN(x0 + y0 + x1 + y1) {
			continue
		}
		if (y0 > 0) != (y1 > 0) && math.Abs(x0-x1) < 180 && x0+(x1-x0)*y0/(y0-y1) > 0 {
			inside = !inside
		}
		least = min(least, toSegment(lat, x0, y0, x1, y1))
	}
	if inside {
		return 0
	}
	return least
}

// offset is a longitude relative to another, -180 to 180.
func offset(lon, from float64) float64 { return math.Remainder(lon-from, 360) }

// toSegment is the distance, km, from a place at latitude lat to the segment of an edge between x0, y0 and x1, y1, which are
// longitude and latitude relative to the place, degrees. It is the shortest great circle to points of the segment.
func toSegment(lat, x0, y0, x1, y1 float64) float64 {
	if math.Abs(x1-x0) > 180 {
		x1 = x0 + math.Remainder(x1-x0, 360)
	}
	least := math.Inf(1)
	const points = 8
	for i := range points + 1 {
		f := float64(i) / points
		least = min(least, greatCircle(lat, lat+y0+f*(y1-y0), x0+f*(x1-x0)))
	}
	return least
}

// greatCircle is the distance of two latitudes and a difference of longitude, km.
func greatCircle(lat0, lat1, lon float64) float64 {
	const rad = math.Pi / 180
	a, b := math.Sin((lat1-lat0)*rad/2), math.Sin(lon*rad/2)
	h := a*a + math.Cos(lat0*rad)*math.Cos(lat1*rad)*b*b
	return 2 * earthRadius * math.Asin(math.Sqrt(min(1, h)))
}

// Seasons are compared only where temperature has a clear cycle: outside of the inner tropics.
const (
	leastLatitude = 12.0 // degrees
	leastCycle    = 2.5  // K, half the range of the annual harmonic
)

// hemisphere compares the seasons of temperature with those of the DEM's latitude.
func hemisphere(g Site, months [12]float64) []finding.Finding {
	amplitude, crest := cycle(months)
	if math.Abs(g.CentreLat) < leastLatitude || amplitude < leastCycle {
		return nil
	}
	winter := 0.0 // middle of the month of the other hemisphere's summer
	if g.CentreLat < 0 {
		winter = 6
	}
	if math.Abs(math.Remainder(crest-winter, 12)) > 2 {
		return nil
	}
	warmest := 0
	for k, v := range months {
		if v > months[warmest] {
			warmest = k
		}
	}
	side := "north"
	if g.CentreLat < 0 {
		side = "south"
	}
	return []finding.Finding{refusal(finding.ClimateHemisphere, names[warmest], "the climate of the other hemisphere, or months that begin with July",
		"take a climate of this hemisphere, January first",
		"the warmest month of the climate is %s, while the DEM lies %s of the equator (latitude %.2f)", names[warmest], side, g.CentreLat)}
}

var names = [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}

// mostExtrapolated is the difference of elevation, m, beyond which extrapolated temperature is doubted.
const mostExtrapolated = 1000

func extrapolation(g Site, s Source, y Year) []finding.Finding {
	if s.OfDEM || g.Elevations.Cells == 0 {
		return nil
	}
	low, high := g.Elevations.Low-y.Elevation, g.Elevations.High-y.Elevation
	what, value := "the climate's elevation", fmt.Sprintf("%.0f m", y.Elevation)
	if s.Station == nil {
		// Of rasters each place has its own: only the means tell something.
		low = g.Elevations.Mean() - y.Elevation
		high = low
		what = "the climate's mean elevation"
	}
	furthest := max(math.Abs(low), math.Abs(high))
	text := fmt.Sprintf("temperature is carried from %s, %s, to the DEM's, %.0f to %.0f m, at %.2f K per km", what, value, g.Elevations.Low, g.Elevations.High, lapse)
	switch {
	case furthest > mostExtrapolated:
		return []finding.Finding{doubt(finding.ClimateElevation, fmt.Sprintf("%.0f m", furthest), "",
			"take a climate of about the DEM's elevation, or check the elevation of the station: --climate-elevation",
			"%s: over %.0f m, which is up to %.1f K", text, furthest, furthest*lapse/1000)}
	case s.Station != nil:
		return []finding.Finding{note(finding.ClimateElevation, "%s", text)}
	}
	return nil
}
