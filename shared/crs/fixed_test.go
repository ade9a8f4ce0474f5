package crs

import (
	"math"
	"testing"
)

// fixedPoints were computed by PROJ 9.1.1 (proj -V, proj -f %.5f): code, name,
// longitude and latitude, easting and northing in map units, convergence in
// degrees.
var fixedPoints = []struct {
	epsg           int
	name           string
	lon, lat, x, y float64
	convergence    float64
}{
	{26913, "NAD83 / UTM zone 13N", -106.624, 35.803, 353263.32397, 3963315.36788, -0.95020984},
	{26913, "NAD83 / UTM zone 13N", -103.2, 41.0, 651386.27269, 4540317.42700, 1.18113012},
	{32611, "WGS 84 / UTM zone 11N", -118.2, 34.3, 389570.72179, 3796071.92189, -0.67629968},
	{32719, "WGS 84 / UTM zone 19S", -70.1, -33.4, 397706.26625, 6303827.00783, 0.60558140},
	{32760, "WGS 84 / UTM zone 60S", 178.2, -40.5, 601681.80691, 5516053.67489, -0.77940432},
	{25832, "ETRS89 / UTM zone 32N", 10.9, 46.9, 644716.15938, 5195803.89566, 1.38754800},
	{25833, "ETRS89 / UTM zone 33N", 24.0, 60.0, 1000961.40453, 6685590.89341, 7.81031494},
	{2193, "NZGD2000 / New Zealand Transverse Mercator 2000", 174.76, -36.88, 1756850.58835, 5916993.45251, -1.05646360},
	{28355, "GDA94 / MGA zone 55", 148.3, -36.4, 616574.35490, 5970899.34431, -0.77153145},
	{7855, "GDA2020 / MGA zone 55", 148.3, -36.4, 616574.35490, 5970899.34431, -0.77153145},
	{2180, "ETRF2000-PL / CS92", 19.0, 52.0, 500000.00000, 459309.20940, 0},
	{3006, "SWEREF99 TM", 18.0, 59.3, 670817.91557, 6577304.56701, 2.58017443},
	{3067, "ETRS89 / TM35FIN(E,N)", 27.0, 62.0, 500000.00000, 6874180.14772, 0},
	{6669, "JGD2011 / Japan Plane Rectangular CS I", 131.0, 33.0, 140172.36926, 999.47076, 0.81709173},
	{4547, "CGCS2000 / 3-degree Gauss-Kruger CM 114E", 112.0, 36.0, 319661.20636, 3987393.16542, -1.17588723},
	{5070, "NAD83 / Conus Albers", -119.3, 37.4, -2022743.34551, 1844794.64367, -14.04763452},
	{5070, "NAD83 / Conus Albers", -75.0, 44.0, 1664598.98942, 2518989.40165, 12.66095815},
	{3005, "NAD83 / BC Albers", -123.1, 49.3, 1211046.64824, 480285.14043, 2.34713213},
	{3310, "NAD83 / California Albers", -120.0, 37.0, 0.00000, -112982.40908, 0},
	{3577, "GDA94 / Australian Albers", 147.0, -42.0, 1272213.83478, -4666485.80078, -6.72718496},
	{6350, "NAD83(2011) / Conus Albers", -110.9, 32.2, -1392018.61112, 1123418.65576, -8.98325126},
	{9473, "GDA2020 / Australian Albers", 135.0, -25.0, 299362.22085, -2706085.97953, -1.34543699},
	{2225, "NAD83 / California zone 1 (ftUS)", -122.5, 40.9, 6423456.74688, 2211539.43341, -0.32694215},
	{6424, "NAD83(2011) / California zone 5 (ftUS)", -122.5, 40.9, 5310796.65049, 4367059.94443, -2.56505353},
	{2276, "NAD83 / Texas North Central (ftUS)", -97.0, 32.8, 2429371.49644, 6977276.03461, 0.81809162},
	{2868, "NAD83(HARN) / Arizona Central (ft)", -110.9, 32.2, 1014473.46958, 437978.03935, 0.54179885},
	{3034, "ETRS89-extended / LCC Europe", 10.0, 50.0, 4000000.00000, 2585140.62053, 0},
	{2154, "RGF93 v1 / Lambert-93", 2.35, 48.85, 652301.56483, 6861302.72590, -0.47164505},
	{3978, "NAD83 / Canada Atlas Lambert", -75.7, 45.4, 1511127.63574, -172193.05990, 17.38524867},
	{3112, "GDA94 / Geoscience Australia Lambert", 135.0, -28.0, 97166.65943, -3170614.73154, -0.45591795},
	{6312, "CGRS93 / Cyprus Local Transverse Mercator", 33.0, 35.0, 200000.00000, 374399.17205, 0},
	{3035, "ETRS89-extended / LAEA Europe", -8.0, 39.5, 2780231.40342, 2006799.94978, -12.33568425},
	{3035, "ETRS89-extended / LAEA Europe", 24.9, 60.2, 5142477.84894, 4208976.22570, 12.70195959},
	{6931, "WGS 84 / NSIDC EASE-Grid 2.0 North", -45.0, 72.0, -1415334.08195, -1415334.08195, -45.00000000},
	{6932, "WGS 84 / NSIDC EASE-Grid 2.0 South", 130.0, -75.0, 1279485.74157, -1073616.01385, -130.00000000},
	{2163, "US National Atlas Equal Area", -110.9, 32.2, -1028639.16612, -1354837.79003, -6.40419604},
	{3571, "WGS 84 / North Pole LAEA Bering Sea", -150.0, 70.0, 1110835.44375, -1924023.42742, 30.00000000},
	{3031, "WGS 84 / Antarctic Polar Stereographic", 166.7, -77.8, 306055.51438, -1294705.93677, -166.70000000},
	{3413, "WGS 84 / NSIDC Sea Ice Polar Stereographic North", -50.0, 69.2, -198478.42528, -2268618.78192, -5.00000000},
	{3995, "WGS 84 / Arctic Polar Stereographic", 15.6, 78.2, 345956.36466, -1239076.46311, 15.60000000},
	{3976, "WGS 84 / NSIDC Sea Ice Polar Stereographic South", 0.0, -71.0, 0.00000, 2076527.85295, 0},
	{32661, "WGS 84 / UPS North (N,E)", 20.0, 86.0, 2151948.75188, 1582524.23528, 20.00000000},
	{5041, "WGS 84 / UPS North (E,N)", 20.0, 86.0, 2151948.75188, 1582524.23528, 20.00000000},
	{32761, "WGS 84 / UPS South (N,E)", -120.0, -85.0, 1518959.78834, 1722271.30431, 120.00000000},
	{3857, "WGS 84 / Pseudo-Mercator", -111.0, 32.0, -12356463.47805, 3763310.62714, 0},
	{3857, "WGS 84 / Pseudo-Mercator", 25.0, 65.0, 2782987.26983, 9608371.50993, 0},
	{3395, "WGS 84 / World Mercator", -111.0, 32.0, -12356463.47805, 3740670.11358, 0},
	{3832, "WGS 84 / PDC Mercator", 160.0, 10.0, 1113194.90793, 1111475.10285, 0},
	{3994, "WGS 84 / Mercator 41", 175.0, -41.0, 6310138.88356, -3767131.99217, 0},
	{2222, "NAD83 / Arizona East (ft)", -110.9, 32.2, 473169.16448, 437264.75512, -0.39079144},
	{3437, "NAD83 / New Hampshire (ftUS)", -71.5, 43.2, 1028690.69028, 255162.76131, 0.11409136},
}

func TestFixedPoints(t *testing.T) {
	const metres, degrees = 1e-4, 1e-7
	for _, tt := range fixedPoints {
		t.Run(tt.name, func(t *testing.T) {
			c, err := FromEPSG(tt.epsg)
			if err != nil {
				t.Fatal(err)
			}
			if c.Name() != tt.name || c.EPSG() != tt.epsg {
				t.Errorf("got %s (EPSG:%d)", c.Name(), c.EPSG())
			}
			x, y := c.Forward(tt.lon, tt.lat)
			if d := math.Hypot(x-tt.x, y-tt.y) * c.MetresPerUnit(); !(d < metres) {
				t.Errorf("forward: got %.5f %.5f, want %.5f %.5f", x, y, tt.x, tt.y)
			}
			lon, lat := c.Inverse(tt.x, tt.y)
			if d := math.Hypot((lon-tt.lon)*math.Cos(tt.lat*rad), lat-tt.lat) * 111320; !(d < metres) {
				t.Errorf("inverse: got %.10f %.10f, want %g %g", lon, lat, tt.lon, tt.lat)
			}
			if got := c.Convergence(tt.lon, tt.lat) / rad; !(math.Abs(got-tt.convergence) < degrees) {
				t.Errorf("convergence: got %.8f, want %.8f degrees", got, tt.convergence)
			}
		})
	}
}

// TestConvergenceIsTheMeridian walks a metre along the meridian on the map.
func TestConvergenceIsTheMeridian(t *testing.T) {
	for _, tt := range fixedPoints {
		c, err := FromEPSG(tt.epsg)
		if err != nil {
			t.Fatal(err)
		}
		const step = 1e-5
		x0, y0 := c.Forward(tt.lon, tt.lat-step)
		x1, y1 := c.Forward(tt.lon, tt.lat+step)
		want := -math.Atan2(x1-x0, y1-y0)
		if got := c.Convergence(tt.lon, tt.lat); math.Abs(math.Remainder(got-want, 2*math.Pi)) > 1e-7 {
			t.Errorf("%s: got %.9f, want %.9f rad", tt.name, got, want)
		}
	}
}

// The values of EEMT on Daymet's grid (science notes, azimuth reference).
func TestConvergenceOfDaymet(t *testing.T) {
	c, err := FromGeoKeys(daymetKeys())
	if err != nil {
		t.Fatal(err)
	}
	// PROJ 9.1.1: proj -V +proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +datum=WGS84
	if got := c.Convergence(-110.9, 32.2) / rad; math.Abs(got+7.48702165) > 1e-7 {
		t.Errorf("convergence at Tucson: got %.8f, want -7.48702165 degrees", got)
	}
	x, y := c.Forward(-110.9, 32.2)
	if math.Abs(x+994891.78) > 0.01 || math.Abs(y+1032062.93) > 0.01 {
		t.Errorf("Tucson: got %.3f %.3f, want -994891.78 -1032062.93", x, y)
	}
}
