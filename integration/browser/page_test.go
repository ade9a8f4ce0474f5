package browser

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	wide, high       = 1280, 900
	phone, phoneHigh = 390, 844
)

// drawn is true when a map has all it needs on the canvas, and something is there to see.
const drawn = `[...document.querySelectorAll("canvas.map")].length > 0 && [...document.querySelectorAll("canvas.map")].every(c => c.dataset.drawn && (() => {
	const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; const seen = new Set();
	for (let i = 0; i < d.length; i += 4) if (d[i + 3]) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);
	return seen.size > 20; })())`

// A doubt about the DEM is shown with the DEM, is settled by a parameter, and stands on the page of a job that was submitted with it.
func TestDoubtfulDEM(t *testing.T) {
	p := open(t, serve(t), "/", wide, high)
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.drop("#drop", "feet.tif", read(t, root+"/shared/dem/testdata/feet_map_unit_unstated.tif"))
	doubt := `document.querySelector("#verdict .verdict.fair li[data-severity=doubt]")?.innerText.includes("dem-unit")`
	p.until("the unit is doubted", "%s", doubt)
	p.shot("doubt")
	p.eval(nil, `document.querySelectorAll("details").forEach(d => d.open = true)`)
	p.fill("#p-elevation_unit", "ft")
	p.until("the unit is settled", `document.querySelector("#verdict .verdict.good") && !document.querySelector("#verdict li[data-severity=doubt]")`)
	p.fill("#p-elevation_unit", "file")
	p.until("the unit is doubted again", "%s", doubt)
	p.click("[data-accept=dem-unit]")
	p.until("the doubt is accepted", `document.querySelector("#verdict .verdict.good li[data-severity=doubt]")?.innerText.includes("Doubt, accepted")`)
	p.click("[data-accept=dem-unit]")
	p.until("it is no longer", "%s", doubt)
	p.fill("#p-step", "60")
	p.click("#submit")
	p.until("the map is drawn", drawn)
	p.until("the result shows the doubt", `document.querySelector("main details[open] li[data-severity=doubt]")?.innerText.includes("dem-unit")`)
	var loose int // a finding that floats over the page, or is not as wide as the list
	p.eval(&loose, `[...document.querySelectorAll(".findings li")].filter(e => getComputedStyle(e).display !== "list-item" || getComputedStyle(e).boxShadow !== "none").length`)
	if loose > 0 {
		t.Errorf("%d findings do not look like lines of a list", loose)
	}
	p.shot("doubt-result")
	p.do(emulation.SetDeviceMetricsOverride(375, 812, 2, true))
	var wide int
	if p.eval(&wide, `document.documentElement.scrollWidth`); wide > 375 {
		t.Errorf("on a phone the page is %d pixels wide", wide)
	}
	p.shot("phone-doubt-result")
}

// A grid that does not state where it lies need not be sent again when a .prj file says it.
func TestSystemBeside(t *testing.T) {
	grid := filepath.Join(t.TempDir(), "hill.asc")
	if out, err := exec.Command(tool(t, "gdal_translate"), "-q", "-of", "AAIGrid", example+"dem.tif", grid).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p := open(t, serve(t), "/", wide, high)
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.drop("#drop", "hill.asc", read(t, grid))
	p.until("its place is asked for", `document.querySelector("#verdict .verdict.bad")?.innerText.includes("no coordinate reference system")`)
	p.shot("no-system")
	p.drop("body", "hill.prj", read(t, strings.TrimSuffix(grid, "asc")+"prj"))
	p.until("it is ready", `document.querySelector("#verdict .verdict.good, #verdict .verdict.fair")?.innerText.includes("hill.asc is ready")`)
}

// looks is a number that differs where pictures do.
const looks = `(() => { const c = document.querySelector("canvas.map"); const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; let h = 0; for (const v of d) h = (h * 31 + v) | 0; return h; })()`

// From a file that falls on the page to a map, its values, its months, its archive, its end.
func TestSubmitByDropAndLook(t *testing.T) {
	p := open(t, serve(t), "/", wide, high)
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.shot("new")

	p.drop("#drop", "notes.txt", []byte("no raster"))
	p.until("a file of another kind is refused", `document.querySelector(".verdict.bad")?.innerText.includes("notes.txt")`)
	p.drop("#drop", "bad.tif", []byte("this is no TIFF at all"))
	p.until("a bad file is refused with a sentence", `document.querySelector(".verdict.bad")?.innerText.includes("bad.tif") && document.querySelector(".verdict.bad").innerText.trim().endsWith(".")`)
	p.shot("refused")

	p.click(`input[value=eemt]`)
	p.drop("#drop", "dem.tif", read(t, example+"dem.tif"))
	p.until("the DEM is taken", `document.querySelector(".verdict.good, .verdict.fair")?.innerText.includes("dem.tif")`)
	if s := p.text("#verdict"); !strings.Contains(s, "61 × 87 cells") || !strings.Contains(s, "New Zealand") {
		t.Errorf("the verdict does not tell what the DEM is: %s", s)
	}
	p.drop("body", "climate.csv", read(t, example+"climate.csv"))
	p.until("the climate is taken", `document.querySelector("#climate-said").innerText.includes("climate.csv")`)
	p.fill("#p-step", "90")
	p.click("#submit")
	if s := p.text("#p-step-said"); !strings.Contains(s, "1 to 60") {
		t.Errorf("step 90: %q", s)
	}
	p.fill("#p-step", "60")
	p.shot("ready")
	p.click("#submit")
	p.until("the page of the job is shown", `location.pathname === "/monitor" && /^#[0-9A-Z]{26}$/.test(location.hash)`)
	p.until("the map is drawn", drawn)
	var id string
	p.eval(&id, `location.hash.slice(1)`)
	p.shot("map")

	t.Run("the value of a cell", func(t *testing.T) {
		for _, cell := range [][2]int{{30, 40}, {12, 60}, {45, 20}} {
			p.eval(nil, `(() => { const c = document.querySelector("canvas.map"), r = c.getBoundingClientRect();
				const z = Math.min(r.width / 61, r.height / 87) * 0.96, x = (%d + 0.5 - 30.5) * z + r.width / 2, y = (%d + 0.5 - 43.5) * z + r.height / 2;
				c.scrollIntoView(); const n = c.getBoundingClientRect();
				for (const type of ["pointerdown", "pointerup"]) c.dispatchEvent(new PointerEvent(type, {bubbles: true, pointerId: 1, button: 0, clientX: n.left + x, clientY: n.top + y})); })()`, cell[0], cell[1])
			p.until("the value is shown", `document.querySelector("#value")?.innerText.includes("Column %d, row %d") && document.querySelector("#value [data-curve]")`, cell[0], cell[1])
			var shown, curve string
			p.eval(&shown, `document.querySelector("#value data").value`)
			p.eval(&curve, `document.querySelector("#value [data-curve]").dataset.curve`)
			same(t, shown, location(t, p.url, id, "eemt/EEMT_Topo_2020.tif", cell))
			for i, v := range strings.Fields(curve) {
				month := strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec")[i]
				if i%5 == 0 {
					same(t, v, location(t, p.url, id, "eemt/EEMT_Topo_"+month+"_2020.tif", cell))
				}
			}
		}
	})
	p.shot("value")

	var year, january, july int
	p.eval(&year, looks)
	for at, v := range map[string]*int{"1": &january, "7": &july} {
		p.fill("#month", at)
		p.until("the month is drawn", `document.querySelector("canvas.map").dataset.drawn.includes(%q)`, map[string]string{"1": "_jan_", "7": "_jul_"}[at])
		p.eval(v, looks)
	}
	if year == january || january == july {
		t.Errorf("the slider does not change the picture: %d %d %d", year, january, july)
	}

	p.click("#compare")
	p.until("two maps are drawn", `document.querySelectorAll("canvas.map").length === 2 && (%s)`, drawn)
	var pair []string
	p.eval(&pair, `[...document.querySelectorAll("select.layer")].map(s => s.selectedOptions[0].text)`)
	if len(pair) != 2 || !strings.Contains(pair[0], "Topo") || !strings.Contains(pair[1], "Trad") {
		t.Errorf("side by side: %q", pair)
	}
	p.until("both values are shown", `document.querySelectorAll("#value data").length === 2`)
	p.shot("compare")

	var href string
	p.eval(&href, `document.querySelector("#zip").href`)
	archive := get(t, href)
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil || len(z.File) < 188 {
		t.Errorf("archive: %v", err)
	}
	p.click("#delete")
	p.until("a question is asked", `document.querySelector("dialog[open]")`)
	p.click("dialog button.danger")
	p.until("the list is shown without the job", `location.pathname === "/monitor" && !location.hash && document.querySelector("main").innerText.includes("No job yet")`)
}

// location is what gdallocationinfo reads from the file by range.
func location(t *testing.T, url, id, name string, cell [2]int) string {
	t.Helper()
	out, err := exec.Command(tool(t, "gdallocationinfo"), "-valonly", fmt.Sprintf("/vsicurl/%s/jobs/%s/results/%s", url, id, name), strconv.Itoa(cell[0]), strconv.Itoa(cell[1])).Output()
	if err != nil {
		t.Fatalf("gdallocationinfo %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

// same compares two texts of a float32.
func same(t *testing.T, got, want string) {
	t.Helper()
	g, err1 := strconv.ParseFloat(got, 64)
	w, err2 := strconv.ParseFloat(want, 64)
	if err1 != nil || err2 != nil || float32(g) != float32(w) && !(math.IsNaN(g) && math.IsNaN(w)) {
		t.Errorf("the page shows %s, gdallocationinfo %s", got, want)
	}
}

// large writes the example with many more cells, so that a job takes a while.
func large(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large.tif")
	if out, err := exec.Command(tool(t, "gdal_translate"), "-q", "-outsize", "3000%", "0", "-r", "bilinear", "-co", "COMPRESS=DEFLATE", example+"dem.tif", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// A long job: progress moves, a reload in the middle finds it again, cancelling ends it, running it again takes its parameters over.
func TestFollowCancelRunAgain(t *testing.T) {
	p := open(t, serve(t), "/", wide, high)
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.do(chromedp.SetUploadFiles("#dem-file", []string{large(t)}, chromedp.ByQuery))
	p.until("the DEM is taken", `document.querySelector(".verdict.good, .verdict.fair")?.innerText.includes("large.tif")`)
	p.fill("#p-step", "5")
	p.fill("#p-tile_size", "256")
	p.click("#submit")
	p.until("the job runs", `document.querySelector(".badge.running") && document.querySelector("main progress")`)
	var first int
	p.eval(&first, `document.querySelector("main progress").value`)
	p.until("progress moves", `document.querySelector("main progress")?.value > %d`, first)
	p.shot("running")
	p.do(chromedp.Reload())
	p.until("after a reload the job still runs", `document.querySelector(".badge.running") && document.querySelector("main progress").value > %d`, first)
	p.until("messages come", `document.querySelectorAll("#log li").length > 0`)
	p.click("#cancel")
	p.until("a question is asked", `document.querySelector("dialog[open]")`)
	p.click("dialog button.danger")
	p.until("the job is cancelled", `document.querySelector(".badge.cancelled") && document.querySelector("#delete")`)
	p.shot("cancelled")
	p.click("#again")
	p.until("the form has the parameters and the DEM of the job", `document.querySelector("#p-step")?.value === "5" && document.querySelector("#p-tile_size").value === "256" && document.querySelector("#verdict").innerText.includes("large.tif")`)
	p.fill("#p-step", "60")
	p.click("#submit")
	p.until("another job runs", `document.querySelector(".badge.running")`)
	p.goTo("/monitor")
	p.until("both are listed", `document.querySelectorAll("tbody tr").length === 2`)
	p.shot("jobs")
	p.fill("#f-state", "cancelled")
	p.until("the filter works", `document.querySelectorAll("tbody tr").length === 1`)
	p.fill("#f-state", "any")
	p.fill("#f-text", "nothing like it")
	p.until("the search works", `document.querySelectorAll("tbody tr").length === 0 && document.querySelector("main").innerText.includes("No job matches the filter")`)
	p.fill("#f-text", "large")
	p.until("the search works", `document.querySelectorAll("tbody tr").length === 2`)
	p.click(`tbody tr:first-child [data-action=cancel]`)
	p.until("a question is asked", `document.querySelector("dialog[open]")`)
	p.click("dialog button.danger")
	p.until("the job is cancelled", `document.querySelectorAll(".badge.cancelled").length === 2`)
}

// Where the stream of events is refused, the page asks instead.
func TestPollingWithoutEvents(t *testing.T) {
	p := open(t, serve(t), "/", wide, high)
	p.do(network.SetBlockedURLs([]string{"*/events"}))
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.drop("#drop", "dem.tif", read(t, example+"dem.tif"))
	p.until("the DEM is taken", `document.querySelector(".verdict.good, .verdict.fair")`)
	p.click("#submit")
	p.until("the map is drawn", drawn)
}

// Names are text, whatever is in them.
func TestHostileName(t *testing.T) {
	url := serve(t)
	p := open(t, url, "/", wide, high)
	p.until("the form is there", `document.querySelector("#p-step")`)
	const name = `<img src=x onerror=document.title='hit'>"'&.tif`
	p.drop("#drop", name, read(t, example+"dem.tif"))
	p.until("the DEM is taken", `document.querySelector("#verdict").innerText.includes("<img src=x")`)
	p.fill("#p-step", "60")
	p.click("#submit")
	p.until("the map is drawn", drawn)
	p.goTo("/monitor")
	p.until("it is listed", `document.querySelectorAll("tbody tr").length === 1`)
	var hit bool
	p.eval(&hit, `document.querySelector("img") !== null || document.title.includes("hit")`)
	if hit {
		t.Error("a name became HTML")
	}
}

// Everything by keyboard, from the form to the value of a cell.
func TestKeyboardOnly(t *testing.T) {
	p := open(t, serve(t), "/", wide, high)
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.eval(nil, `document.activeElement.blur()`)
	tabTo := func(selector string) {
		t.Helper()
		for range 80 {
			p.do(chromedp.KeyEvent(kb.Tab))
			var there bool
			p.eval(&there, `document.activeElement.matches(%q)`, selector)
			if there {
				return
			}
		}
		t.Fatalf("%s is not reached by Tab", selector)
	}
	tabTo("input[name=workflow]")
	tabTo("#dem-file")
	// The system's own dialog chooses the file; a browser without a screen has none.
	dem, err := filepath.Abs(example + "dem.tif")
	if err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.SetUploadFiles("#dem-file", []string{dem}, chromedp.ByQuery))
	p.until("the DEM is taken", `document.querySelector(".verdict.good, .verdict.fair")`)
	tabTo("#p-step")
	p.do(chromedp.KeyEvent(kb.End), chromedp.KeyEvent(kb.Backspace+kb.Backspace+"60"))
	tabTo("#submit")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.until("the map is drawn", drawn)
	tabTo("canvas.map")
	p.shot("keyboard")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.until("the centre is marked", `document.querySelector("#value").innerText.includes("Column 30, row 43")`)
	p.do(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowUp))
	p.until("the mark moves", `document.querySelector("#value").innerText.includes("Column 31, row 42")`)
}

// On a phone nothing is wider than the screen; in the dark the paper is dark.
func TestPhoneAndDark(t *testing.T) {
	url := serve(t)
	id := exampleJob(t, url)
	p := open(t, url, "/", phone, phoneHigh)
	for name, path := range map[string]string{"new": "/", "jobs": "/monitor", "job": "/monitor#" + id} {
		p.goTo("/api/jobs") // another document, so that the next is loaded anew
		p.goTo(path)
		p.until(name, map[string]string{"new": `document.querySelector("#p-step")`, "jobs": `document.querySelector("tbody tr")`, "job": drawn}[name])
		var width int
		p.eval(&width, `document.documentElement.scrollWidth`)
		if width > phone {
			var wide []string
			p.eval(&wide, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.tagName + "." + e.className + "#" + e.id)`)
			t.Errorf("%s is %d pixels wide on a phone of %d: %q", name, width, phone, wide)
		}
		p.shot("phone-" + name)
	}
	dark := `(() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number); return r + g + b < 200; })()`
	var is bool
	p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}), emulation.SetDeviceMetricsOverride(wide, high, 1, false))
	p.goTo("/api/jobs")
	p.goTo("/monitor#" + id)
	p.until("the page follows the system into the dark", "%s", dark)
	p.until("the map is drawn", drawn)
	p.shot("dark")
	p.click("#theme")
	p.until("the choice of light is taken", "!%s", dark)
	p.do(chromedp.Reload())
	p.until("the map is drawn", drawn)
	if p.eval(&is, "%s", dark); is {
		t.Error("the choice of light is forgotten")
	}
}

// schemes are the themes of systems.
var schemes = []string{"light", "dark"}

// axeCore is the script of axe-core; a test without it is skipped.
func axeCore(t *testing.T) string {
	t.Helper()
	const script = root + "/functions/submission/web/node_modules/axe-core/axe.min.js"
	axe, err := os.ReadFile(script)
	if err != nil {
		if os.Getenv("EEMT_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip("axe-core is not installed: make web")
	}
	return string(axe)
}

// scheme gives the system a theme.
func (p *tab) scheme(name string) {
	p.Helper()
	p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}))
}

// accessible reports what axe-core finds serious in a view.
func (p *tab) accessible(axe, view string) {
	p.Helper()
	p.do(chromedp.Evaluate(axe, nil))
	var found []string
	p.eval(&found, `axe.run().then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.target + " " + n.failureSummary).join("; ")))`)
	for _, f := range found {
		p.Errorf("%s: %s", view, f)
	}
}

// axe-core finds nothing serious in any view, light or dark.
func TestAccessibility(t *testing.T) {
	axe := axeCore(t)
	url := serve(t)
	id := exampleJob(t, url)
	p := open(t, url, "/", wide, high)
	for _, scheme := range schemes {
		p.scheme(scheme)
		for name, path := range map[string]string{"new": "/", "jobs": "/monitor", "job": "/monitor#" + id} {
			p.goTo("/api/jobs")
			p.goTo(path)
			p.until(name, map[string]string{"new": `document.querySelector("#p-step")`, "jobs": `document.querySelector("tbody tr")`, "job": drawn}[name])
			if name == "job" {
				p.eval(nil, `document.querySelectorAll("details").forEach(d => d.open = true)`)
			}
			p.accessible(axe, name+", "+scheme)
		}
	}
}

// What the page weighs, and when it shows something. The time is told, not judged.
func TestWeight(t *testing.T) {
	url := serve(t)
	p := open(t, url, "/", wide, high)
	p.until("the form is there", `document.querySelector("#p-step")`)
	var bytes, paint float64
	p.eval(&bytes, `performance.getEntriesByType("resource").filter(e => /\.(js|css|svg)$/.test(e.name)).reduce((n, e) => n + e.encodedBodySize, performance.getEntriesByType("navigation")[0].encodedBodySize)`)
	p.until("something is painted", `performance.getEntriesByName("first-contentful-paint").length`)
	p.eval(&paint, `performance.getEntriesByName("first-contentful-paint")[0].startTime`)
	t.Logf("%.0f bytes, first contentful paint after %.0f ms", bytes, paint)
	if bytes > 400e3 || bytes < 1000 {
		t.Errorf("the page weighs %.0f bytes, want at most 400 kB", bytes)
	}
}

// old writes the records of ended jobs as the program keeps them in a directory, the newest first in the list.
func old(t *testing.T, data string, n int, dem func(i int) string) {
	t.Helper()
	write := func(name, text string) {
		path := filepath.Join(data, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(path), 0o777)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now().UTC()
	for i := range n {
		id := fmt.Sprintf("01JTEST%019d", n-i)
		created := now.Add(-time.Duration(i) * time.Second)
		stamp := created.Format(time.RFC3339Nano)
		write(fmt.Sprintf("index/%015d-%s", int64(1)<<47-created.UnixMilli(), id), "")
		write("jobs/"+id+"/job.json", fmt.Sprintf(`{"id":%q,"workflow":"sol","parameters":{"step":15,"linke_value":[3],"albedo_value":[0.2],"start_year":2020,"end_year":2020,"north":"true","shadows":"on","method":"fast"},"dem":{"key":"inputs/x.tif","name":%q},"created":%q}`, id, dem(i), stamp))
		write("jobs/"+id+"/end.json", fmt.Sprintf(`{"state":"completed","ended":%q}`, stamp))
	}
}

// Of many jobs the page loads some, finds the others by asking, and keeps those that are pinned.
func TestManyJobsSearchAndKeep(t *testing.T) {
	data := t.TempDir()
	old(t, data, 620, func(i int) string {
		if i == 610 {
			return "needle.tif"
		}
		return fmt.Sprintf("hay%d.tif", i)
	})
	p := open(t, serveIn(t, data), "/monitor", wide, high)
	p.until("the newest are shown", `document.querySelectorAll("tbody tr").length === 50 && document.querySelector("tbody .name").innerText === "hay0.tif"`)
	p.click("#older")
	p.until("older ones follow", `document.querySelectorAll("tbody tr").length === 100 && [...document.querySelectorAll("tbody .name")].pop().innerText === "hay99.tif"`)
	p.fill("#f-text", "needle")
	p.until("one beyond what a request looks at is found", `document.querySelectorAll("tbody tr").length === 1 && document.querySelector("tbody .name").innerText === "needle.tif"`)
	p.until("all are looked at", `document.querySelector("#older").hidden`)
	p.shot("search")

	row := `document.querySelector("tbody tr [data-action=pin]")`
	p.until("it goes some day", `document.querySelector("tbody tr").innerText.includes("kept for 7 d")||document.querySelector("tbody tr").innerText.includes("kept for 6 d")`)
	p.click("tbody tr [data-action=pin]")
	p.until("it is kept", row+`.getAttribute("aria-pressed") === "true" && document.querySelector("tbody tr").innerText.includes("kept until it is unpinned")`)
	p.shot("kept")
	p.click("tbody tr .name")
	p.until("its page says so", `document.querySelector("h1")?.innerText === "needle.tif" && document.querySelector("main").innerText.includes("kept until it is unpinned")`)
	p.do(chromedp.Reload())
	p.until("a reload does not change that", `document.querySelector(".pin")?.getAttribute("aria-pressed") === "true"`)
	p.click(".pin")
	p.until("it is let go", `document.querySelector(".pin")?.getAttribute("aria-pressed") === "false" && document.querySelector("main").innerText.includes("kept for 7 d")||document.querySelector("main").innerText.includes("kept for 6 d")`)
}

// A raster in place of a value is chosen in the form, refused with a sentence or sent with the job.
func TestRasterInTheForm(t *testing.T) {
	p := open(t, serve(t), "/", wide, high)
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.drop("#drop", "dem.tif", read(t, example+"dem.tif"))
	p.until("the DEM is taken", `document.querySelector(".verdict.good, .verdict.fair")`)
	p.fill("#p-step", "60")
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	p.eval(nil, `document.querySelectorAll("details").forEach(d => d.open = true)`)
	choose := func(path string) { p.do(chromedp.SetUploadFiles("#r-kb", []string{path}, chromedp.ByQuery)) }
	choose(file("text.tif", []byte("hello")))
	p.until("what is no raster is refused", `document.querySelector("#submit-error").innerText.includes("text.tif") && !document.querySelector("#submit-error").hidden`)
	factor := filepath.Join(dir, "factor.tif")
	if out, err := exec.Command(tool(t, "gdal_translate"), "-q", "-ot", "Float32", "-scale", "0", "300", "0.5", "1", example+"dem.tif", factor).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	choose(factor)
	p.until("a raster is taken", `document.querySelector("#r-kb-said").innerText.includes("factor.tif") && document.querySelector("#p-kb").disabled && document.querySelector("#submit-error").hidden`)
	p.shot("raster")
	p.click("#submit")
	p.until("the map is drawn", drawn)
	var id string
	p.eval(&id, `location.hash.slice(1)`)
	if s := string(get(t, p.url+"/api/jobs/"+id)); !strings.Contains(s, `"kb_raster":["inputs/`) || !strings.Contains(s, `_factor.tif"]`) {
		t.Errorf("the job does not name the raster: %s", s)
	}
}
