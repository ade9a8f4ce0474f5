package docs_test

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/assembly"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/preview"
)

// tags lists the names in a struct's tags.
func tags(v any, key string) []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
		if name, _, _ := strings.Cut(f.Tag.Get(key), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func mentions(t *testing.T, page string, names ...string) {
	t.Helper()
	if len(names) == 0 {
		t.Errorf("no name to look for in %s", page)
	}
	text := read(t, page)
	for _, n := range names {
		if !strings.Contains(text, n) {
			t.Errorf("%s says nothing of %s", page, n)
		}
	}
}

func TestReportFieldsAreDocumented(t *testing.T) {
	for _, n := range tags(assembly.Report{}, "json") {
		mentions(t, "docs/guide.md", "`"+n+"`")
	}
}

// TestParametersAreDocumented holds the list of form fields to those that a job takes.
func TestParametersAreDocumented(t *testing.T) {
	_, form, _ := strings.Cut(read(t, "docs/guide.md"), "\nForm fields of a submission:")
	form, _, _ = strings.Cut(form, "\n```")
	for _, f := range param.Fields("") {
		for _, n := range []string{f.Name, f.RasterFile()} {
			if n != "" && !strings.Contains(form, "`"+n+"`") {
				t.Errorf("docs/guide.md: the form fields lack %s", n)
			}
		}
	}
}

// TestFlagsAreDocumented holds the guide's table of flags to the names, ranges and values of parameters.
func TestFlagsAreDocumented(t *testing.T) {
	_, table, _ := strings.Cut(read(t, "docs/guide.md"), "\n| flag | default | range, meaning |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, f := range param.Fields("") {
		var row string
		for line := range strings.Lines(table) {
			if flags, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |"); strings.Contains(flags, "`--"+f.Flag()+"`") {
				row = line
			}
		}
		var want []string
		if f.Minimum != f.Maximum && f.Minimum != 0 || f.Monthly {
			want = append(want, fmt.Sprintf("%g to %g", f.Minimum, f.Maximum))
		}
		for _, v := range f.Allowed {
			want = append(want, "`"+v+"`")
		}
		if len(f.Items) < 10 { // the table of findings has their codes
			for _, v := range f.Items {
				want = append(want, "`"+v+"`")
			}
		}
		if f.Word != "" {
			want = append(want, "`"+f.Word+"`")
		}
		for _, part := range append(want, " |") {
			if !strings.Contains(row, part) {
				t.Errorf("docs/guide.md: the row of --%s lacks %s: %q", f.Flag(), part, row)
			}
		}
	}
}

// TestFindingsAreDocumented holds the guide's table of findings to that of the program.
func TestFindingsAreDocumented(t *testing.T) {
	for _, k := range finding.Kinds() {
		settle := ""
		if k.Settleable {
			settle = "yes"
		}
		mentions(t, "docs/guide.md", fmt.Sprintf("| `%s` | %s | %s |", k.Code, k.Title, settle))
	}
}

// TestPageKnowsWhatIsSettleable holds the page's list of refusals that can be accepted to the table of codes.
func TestPageKnowsWhatIsSettleable(t *testing.T) {
	var codes []string
	for _, k := range finding.Kinds() {
		if k.Settleable {
			codes = append(codes, fmt.Sprintf("%q", k.Code))
		}
	}
	mentions(t, "functions/submission/web/src/findings.ts", "SETTLEABLE = ["+strings.Join(codes, ", ")+"]")
}

// TestPageHasTheColoursOfPreviews holds the page's palettes to the ramps that previews and tiles are drawn in.
func TestPageHasTheColoursOfPreviews(t *testing.T) {
	text := read(t, "functions/submission/web/src/palettes.ts")
	for _, ramp := range preview.Ramps() {
		_, rest, found := strings.Cut(text, "  "+ramp+": \"")
		line, _, _ := strings.Cut(rest, "\"")
		stops := strings.Fields(line)
		if !found || len(stops) < 2 {
			t.Errorf("the page has no palette %s", ramp)
			continue
		}
		colours, err := preview.Colours(ramp)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range colours {
			at := float64(i) / 255 * float64(len(stops)-1)
			k := min(int(at), len(stops)-2)
			var a, b uint32
			if _, err := fmt.Sscanf(stops[k]+" "+stops[k+1], "%x %x", &a, &b); err != nil {
				t.Fatalf("palette %s: %v", ramp, err)
			}
			for shift, got := range map[uint]uint8{16: c.R, 8: c.G, 0: c.B} {
				low, high := float64(a>>shift&255), float64(b>>shift&255)
				if want := low + (at-float64(k))*(high-low); math.Abs(want-float64(got)) > 1 {
					t.Fatalf("palette %s: colour %d is %v in previews, where the page has %.0f", ramp, i, c, want)
				}
			}
		}
	}
}

func TestEndpointsAreDocumented(t *testing.T) {
	engine := submission.New(submission.Config{}).Routes()
	for _, r := range engine.Routes() {
		if r.Method == "HEAD" || r.Method == "OPTIONS" || r.Path == "/healthz" {
			continue
		}
		path := strings.NewReplacer(":id", "ID", ":name", "NAME", ":collection", "ID", ":day", "DAY", ":asset", "ASSET", ":share", "SHARE", ":key", "KEY", ":owner", "OWNER", ":secret", "SECRET", ":z/:x/:y", "Z/X/Y", "*file", "FILE").Replace(r.Path)
		mentions(t, "docs/guide.md", "| `"+r.Method+" "+path)
	}
}

func TestEventsAreDocumented(t *testing.T) {
	mentions(t, "docs/architecture.md", eventing.JobSubmitted, eventing.TaskRequested, eventing.TilesCompleted,
		eventing.JobCompleted, eventing.JobFailed, eventing.JobCancelled, eventing.CleanupCompleted, eventing.PingTick)
}

// variable is a name of the environment that the program reads, by a tag or by itself.
var variable = regexp.MustCompile("env:\"([A-Z_]+)|(?:Getenv|LookupEnv)\\(\"([A-Z_]+)\"")

// TestEnvironmentIsDocumented reads all code but tests: a variable that it knows is one that people may set.
func TestEnvironmentIsDocumented(t *testing.T) {
	names := map[string]bool{}
	for _, folder := range []string{"cmd", "functions", "shared", "eventing"} {
		err := fs.WalkDir(os.DirFS(filepath.Join(root(t), folder)), ".", func(file string, d fs.DirEntry, err error) error {
			if d != nil && d.Name() == "node_modules" {
				return fs.SkipDir
			}
			if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			for _, m := range variable.FindAllStringSubmatch(read(t, folder+"/"+file), -1) {
				names[m[1]+m[2]] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(names) < 28 {
		t.Errorf("the code reads %d variables only: %v", len(names), names)
	}
	for name := range names {
		mentions(t, "docs/operate.md", "`"+name+"`")
	}
}

// TestNamedTestsExist: what docs/security.md says is shown by a test, is.
func TestNamedTestsExist(t *testing.T) {
	have := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	if err := filepath.WalkDir(root(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, m := range function.FindAllStringSubmatch(string(data), -1) {
			have[m[1]] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]+)`").FindAllStringSubmatch(read(t, "docs/security.md"), -1)
	if len(named) < 100 {
		t.Errorf("docs/security.md names %d tests", len(named))
	}
	for _, m := range named {
		if !have[m[1]] {
			t.Errorf("docs/security.md names %s, which is not there", m[1])
		}
	}
}
