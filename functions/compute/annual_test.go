package compute_test

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/assembly"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// ofMonth are the names of maps of a month; slope_dec.tif is in degrees.
var ofMonth = regexp.MustCompile(`/.*_(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)_`)

// mapOfItem finds the maps that a STAC item lists.
var mapOfItem = regexp.MustCompile(`"href": "(?:\./)?([^"]*\.tif)"`)

// TestAnnualMapsAreThoseOfAFullJob: without its months a job has the other maps,
// pictures and statistics, to the byte.
func TestAnnualMapsAreThoseOfAFullJob(t *testing.T) {
	tiff := demtest.Encode(t, demtest.Holes(demtest.Hills(61, 47)))
	months := []float64{0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.75, 0.6, 0.45, 0.35}
	for _, c := range []struct {
		name     string
		workflow param.Workflow
		set      func(*param.Parameters)
		maps     int
	}{
		{"sol", param.Sol, func(*param.Parameters) {}, 10},
		{"sol under clouds, with every layer", param.Sol, func(p *param.Parameters) { p.KC, p.Layers = months, allLayers }, 10 + 3*2 + 2},
		{"eemt", param.EEMT, func(*param.Parameters) {}, 10 + 2 + 8},
		{"eemt of three years under clouds", param.EEMT, func(p *param.Parameters) { p.KC, p.StartYear = months, 2018 }, 10 + 2 + 4*8},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := quick(c.workflow)
			c.set(&p)
			full := calm(t, c.workflow, p, tiff)
			p.Maps = param.AnnualMaps
			some := newWorld(t, newBucket(t), options{threads: 2})
			some.submit(t, c.workflow, p, tiff)
			some.replan(t, 32)
			some.settle(t)
			some.mustComplete(t)
			got := some.results(t)

			maps := 0
			for name, data := range full {
				switch {
				case ofMonth.MatchString(name):
					if _, ok := got[name]; ok {
						t.Errorf("%s is there", name)
					}
				case got[name] == nil:
					t.Errorf("%s is missing", name)
				case strings.HasSuffix(name, ".tif"):
					maps++
					fallthrough
				case strings.HasSuffix(name, ".png"):
					if !bytes.Equal(data, got[name]) {
						t.Errorf("%s differs from that of all maps", name)
					}
				}
			}
			if maps != c.maps {
				t.Errorf("%d maps, want %d", maps, c.maps)
			}
			for name := range got {
				if full[name] == nil {
					t.Errorf("%s is there, which a job with all maps has not", name)
				}
			}

			report, all := reportOf(t, got), reportOf(t, full)
			all.Layers = slices.DeleteFunc(all.Layers, func(l assembly.Layer) bool { return ofMonth.MatchString(l.Name) })
			if report.Parameters.Maps != param.AnnualMaps || !reflect.DeepEqual(report.Layers, all.Layers) || !reflect.DeepEqual(report.Previews, all.Previews) {
				t.Errorf("the report has maps %q of %d, %v, want those of years of %d, %v", report.Parameters.Maps, len(report.Layers), report.Previews, len(all.Layers), all.Previews)
			}
			listed := mapOfItem.FindAllStringSubmatch(string(got[workfile.ItemName]), -1)
			if len(listed) != maps {
				t.Errorf("the item lists %d maps, want %d", len(listed), maps)
			}
			for _, href := range listed {
				if got[href[1]] == nil {
					t.Errorf("the item lists %s, which is not there", href[1])
				}
			}
		})
	}
}

// TestAnnualWorkFilesHoldNoMonths counts the bands that tiles leave for the assembly.
func TestAnnualWorkFilesHoldNoMonths(t *testing.T) {
	p := quick(param.EEMT)
	p.Maps, p.StartYear, p.Layers = param.AnnualMaps, 2019, allLayers
	w := newWorld(t, newBucket(t), options{publish: func(kind string) bool { return kind != eventing.TilesCompleted }})
	w.submit(t, param.EEMT, p, hills(t))
	w.settle(t)
	got := map[string]int{}
	for name, data := range objects(t, w.bucket, job.WorkKey(jobID, "r0000c0000/")) {
		img, err := geotiff.Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got[name] = img.Bands
		for b := range img.Bands {
			// E_PPT of EEMT-TOPO waits for kappa, which each month has its own of.
			if text := img.Band(b).Description; regexp.MustCompile(`\b(jan|jul)\b`).MatchString(text) && !strings.HasPrefix(text, "E_PPT Topo") {
				t.Errorf("%s holds %s", name, text)
			}
		}
	}
	want := map[string]int{
		"sol.tif": 2 + 3*2, "beam.tif": 2, "diffuse.tif": 2, "reflected.tif": 2, "horizon.tif": 36, "skyview.tif": 1,
		"eemt_2019.tif": 4 + 12 + 3, "eemt_2020.tif": 4 + 12 + 3,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("bands of work files: %v, want %v", got, want)
	}
}
