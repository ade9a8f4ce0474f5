package param_test

import (
	"testing"

	"github.com/cyverse-gis/eemt/shared/param"
)

func TestAsFields(t *testing.T) {
	for flags, want := range map[string]string{
		"state it with --dem-crs EPSG:CODE, or write it into a copy with: gdal_translate -a_srs EPSG:CODE in.tif out.tif": "state it with dem_crs=EPSG:CODE, or write it into a copy with: gdal_translate -a_srs EPSG:CODE in.tif out.tif",
		"state it with --elevation-unit m, or --elevation-unit ft, or --elevation-unit us-ft for US survey feet":          "state it with elevation_unit=m, or elevation_unit=ft, or elevation_unit=us-ft for US survey feet",
		"if they are, state it with --elevation-unit km; else with --elevation-unit m":                                    "if they are, state it with elevation_unit=km; else with elevation_unit=m",
		"leave them out with --nodata -9999,0; if it is right, accept it (--accept dem-spikes)":                           "leave them out with nodata=-9999,0; if it is right, accept it (accept=dem-spikes)",
		"declare it with --nodata -32768":                                 "declare it with nodata=-32768",
		"turn it into Pa, or have it done: --climate-units vapour=hPa":    "turn it into Pa, or have it done: climate_units=vapour=hPa",
		"take it with --linke-value climatology, or give twelve values":   "take it with linke_value=climatology, or give twelve values",
		"pdal translate in.tif out.tif --writer writers.gdal --steps 3 x": "pdal translate in.tif out.tif --writer writers.gdal --steps 3 x",
		"": "",
	} {
		got := param.AsFields(flags)
		if got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if back := param.AsFlags(got); back != flags {
			t.Errorf("back %s\nwant %s", back, flags)
		}
	}
	for flags, want := range map[string]string{
		"read as degC unless --climate-units says otherwise":      "read as degC unless climate_units says otherwise",
		"check the elevation of the station: --climate-elevation": "check the elevation of the station: climate_elevation",
	} {
		if got := param.AsFields(flags); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
