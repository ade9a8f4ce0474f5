package golden

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the records anew: the results change on purpose")

// record is what is known of a job: the checksums of its files, and what its report and its item say.
type record struct {
	Command string            `json:"command"`
	Files   map[string]string `json:"files"`
	Reports map[string]any    `json:"reports"`
}

// program builds the command once for all tests.
func program(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "eemt")
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-X main.version=golden", "-o", file, "../../cmd/eemt")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// whole are the jobs, by name: arguments of eemt run. All have two threads and the same memory, on which results do not
// depend but estimates in reports do.
var whole = map[string]string{
	"sol":             "sol utm.asc --dem-crs EPSG:32613",
	"sol-annual":      "sol utm.asc --dem-crs EPSG:32613 --maps annual --step 20 --north grid --shadows off",
	"sol-daily":       "sol utm.asc --dem-crs EPSG:32613 --daily --step 30",
	"sol-layers":      "sol utm.asc --dem-crs EPSG:32613 --layers beam,diffuse,reflected,horizon,skyview --step 30 --linke-value climatology",
	"sol-tiled":       "sol large.asc --dem-crs EPSG:32613 --tile-size 48 --step 30",
	"sol-holes":       "sol holes.asc --dem-crs EPSG:32613 --tile-size 32 --step 30 --albedo-value 0.1,0.2,0.3,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.4",
	"sol-voids":       "sol voids.asc --dem-crs EPSG:32613 --nodata -500,-501 --strict --step 60 --maps annual",
	"sol-degrees":     "sol degrees.asc --dem-crs EPSG:4326 --step 30",
	"sol-feet":        "sol feet.asc --dem-crs EPSG:32613 --elevation-unit ft --step 30",
	"sol-rasters":     "sol utm.asc --dem-crs EPSG:32613 --linke-value linke.tif --albedo-value albedo.tif --kb kb.tif --kd 0.9 --step 30",
	"sol-reference":   "sol utm.asc --dem-crs EPSG:32613 --method reference --step 60",
	"sol-south":       "sol south.asc --dem-crs EPSG:32713 --step 30 --linke-value 2.5,2.6,2.7,2.8,2.9,3,3.1,3,2.9,2.8,2.7,2.6",
	"eemt":            "eemt utm.asc --dem-crs EPSG:32613 --climate table:normals.csv --step 30",
	"eemt-years":      "eemt utm.asc --dem-crs EPSG:32613 --climate table:station.csv --start-year 2018 --end-year 2020 --step 30 --kc 0.8",
	"eemt-annual":     "eemt holes.asc --dem-crs EPSG:32613 --climate table:station.csv --start-year 2019 --end-year 2020 --maps annual --tile-size 32 --step 30",
	"eemt-pixel":      "eemt utm.asc --dem-crs EPSG:32613 --climate pixel:pixel.csv --climate-units temperature=K --kc climate --accept dem-steps --maps annual --step 60",
	"eemt-rasters":    "eemt utm.asc --dem-crs EPSG:32613 --climate raster:climate/{var}_{year}.tif --climate-elevation elevation.tif --start-year 2019 --end-year 2020 --step 30",
	"eemt-tiled":      "eemt large.asc --dem-crs EPSG:32613 --climate table:normals.csv --climate-elevation 700 --tile-size 64 --step 60 --layers beam --daily",
	"eemt-maungawhau": "eemt maungawhau.tif --climate table:maungawhau.csv",
}

// TestJobs: whole jobs give the bytes that they gave, and say of them what they said.
func TestJobs(t *testing.T) {
	eemt := program(t)
	dir := t.TempDir()
	inputs(t, dir)
	for name, from := range map[string]string{"maungawhau.tif": "dem.tif", "maungawhau.csv": "climate.csv"} {
		data, err := os.ReadFile(filepath.Join("../../examples/maungawhau", from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arguments := append(append([]string{"run"}, strings.Fields(whole[name])...), "--num-threads", "2", "--memory", "512")
			c := exec.CommandContext(t.Context(), eemt, append(arguments, "--output", "out-"+name)...)
			c.Dir = dir
			c.Env = append(os.Environ(), "GOMEMLIMIT=")
			var errs bytes.Buffer
			c.Stderr = &errs
			out, err := c.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, errs.Bytes())
			}
			r := read(t, name, filepath.Join(dir, "out-"+name))
			r.Command = "eemt " + strings.Join(arguments, " ")
			r.Reports["stdout"] = strings.Split(normal(string(out)), "\n")
			check(t, "jobs/"+name, r)
		})
	}
}

// inFull are the jobs whose items and layers are recorded word by word; of the others the checksum and the values are.
var inFull = []string{"sol", "eemt", "sol-layers"}

// read collects what job name left in a directory: the checksum of each file, of the maps of days one for all, and what
// its reports say.
func read(t *testing.T, name, dir string) record {
	t.Helper()
	r := record{Files: map[string]string{}, Reports: map[string]any{}}
	days := sha256.New()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, ".") {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		switch {
		case strings.Contains(path, "/daily/"):
			days.Write(data)
			r.Files["all maps of days"] = hex.EncodeToString(days.Sum(nil))
		case !strings.HasSuffix(path, ".json"):
			r.Files[path] = checksum(data)
		case path == "item.json" && !slices.Contains(inFull, name):
			r.Files[path+", without what changes"] = checksum(marshal(t, parse(t, data)))
		default:
			v := parse(t, data)
			if m, ok := v.(map[string]any); ok {
				shorten(m, slices.Contains(inFull, name))
			}
			r.Reports[path] = v
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shorten takes the maps of days from the layers of a report: they have one checksum together. Unless it is recorded in
// full, the other layers keep what their values are.
func shorten(report map[string]any, full bool) {
	layers, _ := report["layers"].([]any)
	if layers == nil {
		return
	}
	report["layers"] = slices.DeleteFunc(layers, func(l any) bool {
		m, _ := l.(map[string]any)
		if !full {
			maps.DeleteFunc(m, func(k string, _ any) bool {
				return !slices.Contains([]string{"name", "unit", "minimum", "mean", "maximum", "summary"}, k)
			})
		}
		name, _ := m["name"].(string)
		return strings.Contains(name, "/daily/")
	})
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func parse(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return steady(v)
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// changing are the members of JSON objects that differ from run to run, or from machine to machine.
var changing = regexp.MustCompile(`^(seconds|core_seconds|tile_seconds|slowest.*|longest.*|created|ended|updated|started|submitted|finished|completed_at|created_at|memory.*|file:size|version)$`)

// steady replaces what differs from run to run.
func steady(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if _, scalar := e.(map[string]any); changing.MatchString(k) && !scalar {
				v[k] = "-"
				continue
			}
			v[k] = steady(e)
		}
	case []any:
		for i, e := range v {
			v[i] = steady(e)
		}
	case string:
		return normal(v)
	}
	return v
}

var (
	times    = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)
	ids      = regexp.MustCompile(`\b0[0-9A-HJKMNP-TV-Z]{25}\b`)
	duration = regexp.MustCompile(`\b\d+(\.\d+)? ?(s|ms|min|h)\b`)
)

// normal replaces times, ids and durations in a text.
func normal(s string) string {
	s = times.ReplaceAllString(s, "TIME")
	s = ids.ReplaceAllString(s, "ID")
	return duration.ReplaceAllString(s, "DURATION")
}

// check compares with the record of that name, or writes it.
func check(t *testing.T, name string, got any) {
	t.Helper()
	data := marshal(t, got)
	file := filepath.Join("testdata", filepath.FromSlash(name)+".json")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: write it with -update", err)
	}
	if !bytes.Equal(data, want) {
		t.Errorf("%s is not what it was:\n%s", name, difference(want, data))
	}
}

// difference lists the first lines in which two texts differ.
func difference(want, got []byte) string {
	w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	var b strings.Builder
	shown := 0
	for len(w) > 0 && len(g) > 0 && shown < 12 {
		if w[0] == g[0] {
			w, g = w[1:], g[1:]
			continue
		}
		// Lines that one has more are passed over up to where both go on alike.
		skipped := false
		for n := 1; n < 40; n++ {
			if n < len(w) && w[n] == g[0] {
				for _, l := range w[:n] {
					fmt.Fprintf(&b, "- %s\n", l)
				}
				w, skipped = w[n:], true
				break
			}
			if n < len(g) && g[n] == w[0] {
				for _, l := range g[:n] {
					fmt.Fprintf(&b, "+ %s\n", l)
				}
				g, skipped = g[n:], true
				break
			}
		}
		shown++
		if !skipped {
			fmt.Fprintf(&b, "- %s\n+ %s\n", w[0], g[0])
			w, g = w[1:], g[1:]
		}
	}
	return b.String()
}
