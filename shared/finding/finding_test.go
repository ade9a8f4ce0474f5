package finding_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/finding"
)

var (
	place = finding.Finding{Code: finding.ClimatePlace, Severity: finding.Refusal, Message: "the station lies 900 km from the DEM", Next: "take another"}
	crs   = finding.Finding{Code: finding.DEMCRS, Severity: finding.Refusal, Message: "no system"}
	unit  = finding.Finding{Code: finding.ClimateVapour, Severity: finding.Doubt, Message: "vapour pressure is 0.45", LooksLike: "kPa", Next: "multiply by 1000"}
	note  = finding.Finding{Code: finding.DEMBands, Severity: finding.Note, Message: "two bands"}
)

func TestSentence(t *testing.T) {
	if got, want := unit.Sentence(), "vapour pressure is 0.45; looks like kPa; multiply by 1000"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestErr(t *testing.T) {
	for name, c := range map[string]struct {
		list   finding.List
		accept string
		strict bool
		want   string // empty: the job may go on
	}{
		"nothing":                      {},
		"a doubt":                      {list: finding.List{unit, note}},
		"a doubt of a strict job":      {list: finding.List{note, unit}, strict: true, want: "vapour pressure is 0.45; looks like kPa; multiply by 1000; if it is right, accept it (--accept climate-vapour)"},
		"an accepted doubt":            {list: finding.List{unit}, strict: true, accept: "climate-vapour"},
		"a refusal":                    {list: finding.List{unit, crs}, want: "no system"},
		"a refusal is not to settle":   {list: finding.List{crs}, accept: "dem-crs", want: "no system"},
		"a settleable refusal":         {list: finding.List{place}, want: "the station lies 900 km from the DEM; take another; if it is right, accept it (--accept climate-place)"},
		"a settled refusal":            {list: finding.List{place}, accept: "climate-place"},
		"one of two refusals settled":  {list: finding.List{place, crs}, accept: "climate-place", want: "no system"},
		"another code settles nothing": {list: finding.List{place}, accept: "dem-unit", want: "the station"},
	} {
		t.Run(name, func(t *testing.T) {
			codes, err := finding.ParseCodes(c.accept)
			if err != nil {
				t.Fatal(err)
			}
			list := slices.Clone(c.list)
			list.Accept(codes)
			err = list.Err(c.strict)
			if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			var found finding.List
			if err != nil && (!found.AddError(fmt.Errorf("job: %w", err)) || len(found) != len(c.list)) {
				t.Errorf("the error holds %v", found)
			}
		})
	}
}

func TestAdd(t *testing.T) {
	var list finding.List
	list.Add(unit, note)
	list.Add(unit)
	if len(list) != 2 || list.AddError(errors.New("a fault")) {
		t.Errorf("%v", list)
	}
	if !list.AddError(finding.Refuse(note)) || list[2].Severity != finding.Refusal {
		t.Errorf("%v", list)
	}
}

func TestCodes(t *testing.T) {
	kinds := finding.Kinds()
	if !slices.IsSortedFunc(kinds, func(a, b finding.Kind) int { return strings.Compare(string(a.Code), string(b.Code)) }) {
		t.Error("the codes are not in order")
	}
	for _, k := range kinds {
		if got, err := finding.ParseCodes(" " + string(k.Code) + ","); err != nil || len(got) != 1 || k.Title == "" {
			t.Errorf("%v: %v %v", k, got, err)
		}
	}
	if _, err := finding.ParseCodes("climate-place,nonsense"); err == nil || !strings.Contains(err.Error(), `accept "nonsense": must be a list of climate-coverage, `) {
		t.Error(err)
	}
}
