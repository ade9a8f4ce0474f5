package browser

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The validator of the STAC community finds nothing wrong with what the service says of a job: the item, the
// catalogue that is made on request, and the static one. It runs without a network, on schemas of this directory.
func TestValidSTAC(t *testing.T) {
	node := tool(t, "node")
	web, err := filepath.Abs(root + "/functions/submission/web")
	if err != nil {
		t.Fatal(err)
	}
	validator := filepath.Join(web, "node_modules/stac-node-validator/bin/cli.js")
	if _, err := os.Stat(validator); err != nil {
		if os.Getenv("EEMT_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip("stac-node-validator is not installed: make web")
	}
	url := serve(t)
	id := exampleJob(t, url)
	dir := t.TempDir()
	save := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	validate := func(files ...string) (string, error) {
		c := exec.Command(node, append([]string{validator, "--config", "config.json"}, files...)...)
		c.Dir = filepath.Join(web, "test/stac")
		// A proxy that nobody answers at: what asks for a schema elsewhere fails.
		c.Env = append(os.Environ(), "HTTPS_PROXY=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9", "NO_PROXY=")
		out, err := c.CombinedOutput()
		return string(out), err
	}
	item := get(t, url+"/jobs/"+id+"/results/item.json")
	var made struct {
		Properties struct{ Created string }
	}
	if err := json.Unmarshal(item, &made); err != nil {
		t.Fatal(err)
	}
	files := []string{save("item.json", item)}
	for name, at := range map[string]string{
		"root.json": "/stac", "collection.json": "/stac/collections/eemt", "static-root.json": "/stac/catalog.json",
		"static-collection.json": "/stac/eemt/collection.json", "static-day.json": "/stac/eemt/" + made.Properties.Created[:10] + "/catalog.json",
	} {
		data := get(t, url+at)
		if name == "static-day.json" && !strings.Contains(string(data), id) {
			t.Errorf("the catalogue of the day does not link to the job: %s", data)
		}
		files = append(files, save(name, data))
	}
	var page struct{ Features []json.RawMessage }
	if err := json.Unmarshal(get(t, url+"/stac/collections/eemt/items"), &page); err != nil || len(page.Features) != 1 {
		t.Fatalf("%d items (%v)", len(page.Features), err)
	}
	files = append(files, save("whole.json", page.Features[0]))
	if out, err := validate(files...); err != nil || !strings.Contains(out, "Invalid: 0") {
		t.Errorf("%v\n%s", err, out)
	}
	// It would say so.
	for what, change := range map[string][2]string{
		"no geometry":       {`"geometry"`, `"geometri"`},
		"another version":   {`"proj:shape"`, `"proj:size"`},
		"no asset":          {`"href": "./slope_dec.tif"`, `"hrev": "./slope_dec.tif"`},
		"software a string": {`"processing:software": {`, `"processing:software": "x", "y": {`},
	} {
		bad := strings.Replace(string(item), change[0], change[1], 1)
		if bad == string(item) {
			t.Fatalf("%s: the item has no %s", what, change[0])
		}
		if out, err := validate(save("bad.json", []byte(bad))); err == nil && !strings.Contains(out, "Invalid: 1") {
			t.Errorf("%s passes:\n%s", what, out)
		}
	}
}
