package remedy_test

import (
	"os/exec"
	"testing"

	"github.com/cyverse-gis/eemt/shared/remedy"
)

func TestFor(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"", "gdalwarp in.tif out.tif", "gdalwarp in.tif out.tif"},
		{"dem.tif", "gdalwarp -t_srs EPSG:32613 in.tif out_utm.tif", "gdalwarp -t_srs EPSG:32613 dem.tif dem_utm.tif"},
		{"data/my dem.tif", "convert with: gdal_translate in.tif out.tif", "convert with: gdal_translate 'data/my dem.tif' 'my dem_converted.tif'"},
		{"-dem.tif", "gdal_translate in.tif out_north_up.tif; or choose another", "gdal_translate ./-dem.tif ./-dem_north_up.tif; or choose another"},
		{"it's $HOME.tif", "gdal_edit.py -a_nodata 0 in.tif", `gdal_edit.py -a_nodata 0 'it'\''s $HOME.tif'`},
		{"in.tif", "gdalwarp in.tif out.tif", "gdalwarp in.tif in_converted.tif"},
		{"out.tif", "gdalwarp in.tif out_utm.tif", "gdalwarp out.tif out_utm.tif"},
		{"a in.tif b", "x in.tif out.tif", "x 'a in.tif b' 'a in_converted.tif'"},
		{"noext", "x --outfile=out_m.tif", "x --outfile=noext_m.tif"},
		{"a.b/dem", "x in.tif out_m.tif", "x a.b/dem dem_m.tif"},
		{"dem.tif", "plain.tif and within.tif stay", "plain.tif and within.tif stay"},
		{"dem.tif.gz", "gdal_translate /vsigzip/in.tif out.tif", "gdal_translate /vsigzip/dem.tif.gz dem_converted.tif"},
		{".hidden", "x out_m.tif", "x .hidden_m.tif"},
		{"höhe 100%.tif", "x in.tif", "x 'höhe 100%.tif'"},
	} {
		if got := remedy.For(c.name, c.text); got != c.want {
			t.Errorf("%q: %s, want %s", c.name, got, c.want)
		}
	}
}

// A shell gives back the name that was quoted.
func TestShellTakesNames(t *testing.T) {
	for _, name := range []string{"dem.tif", "my dem.tif", "it's.tif", `a"b.tif`, "$HOME.tif", "`date`.tif", "a\\b.tif", "~.tif", "*.tif", "a;b&c|d.tif", "tab\tline\n.tif", "!x.tif", "#x.tif", "a=b.tif", "{a,b}.tif"} {
		out, err := exec.Command("sh", "-c", "printf %s "+remedy.Input(name)).Output()
		if err != nil || string(out) != name {
			t.Errorf("%q came back as %q, %v", name, out, err)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("it's $HOME")
	f.Fuzz(func(t *testing.T, word string) {
		for _, r := range word {
			if r == 0 {
				t.Skip("no name of a file")
			}
		}
		if q := remedy.Quote(word); q == "" || q[0] != '\'' && q != word {
			t.Errorf("%q became %q", word, q)
		}
	})
}
