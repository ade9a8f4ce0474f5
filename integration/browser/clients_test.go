package browser

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// The preview of a cleanup answers, and removes nothing.
func TestCleanupPreview(t *testing.T) {
	url := serve(t)
	id := exampleJob(t, url)
	p := open(t, url, "/monitor", wide, high)
	p.until("the cleanup is shown", `document.querySelector("#clean-look")`)
	p.click("#clean-look")
	p.until("it says what would go", `[...document.querySelectorAll("[role=status]")].some(e => e.innerText.includes("Nothing is old enough yet"))`)
	get(t, url+"/api/jobs/"+id)
}

// The pages that show a document to people, and that of what is not there, are readable on a phone as on a desk: no column
// is narrower than a few words, nothing is wider than the screen, and axe-core finds nothing serious.
func TestDocumentsAreReadable(t *testing.T) {
	url := serve(t)
	p := open(t, url, "/processes/eemt?f=html", phone, phoneHigh)
	axe, err := os.ReadFile(root + "/functions/submission/web/node_modules/axe-core/axe.min.js")
	if err != nil && os.Getenv("EEMT_REQUIRE_TOOLS") != "" {
		t.Fatal(err)
	}
	for _, width := range []int64{phone, wide} {
		for _, scheme := range []string{"light", "dark"} {
			p.do(emulation.SetDeviceMetricsOverride(width, high, 1, false), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
			for _, path := range []string{"/processes/eemt?f=html", "/processes?f=html", "/jobs?f=html", "/api?f=html", "/nothere"} {
				p.goTo(path)
				p.until("it is a page", `document.querySelector("main h1")`)
				var narrow []string
				p.eval(&narrow, `[...document.querySelectorAll("dt, dd, li")].filter(e => e.getBoundingClientRect().width < 90 && e.innerText.trim().length > 8).map(e => e.innerText.slice(0, 40))`)
				var page int64
				p.eval(&page, `document.documentElement.scrollWidth`)
				if len(narrow) > 0 || page > width {
					t.Errorf("%s on %d pixels: is %d wide, narrow are %.200q", path, width, page, narrow)
				}
				if err != nil {
					continue
				}
				p.do(chromedp.Evaluate(string(axe), nil))
				var found []string
				p.eval(&found, `axe.run().then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.target).join("; ")))`)
				if len(found) > 0 {
					t.Errorf("%s, %s: %.500q", path, scheme, found)
				}
			}
		}
	}
	p.shot("process")
}

const kelvin = "# elevation_m: 7\nmonth,tmin,tmax,prcp,vp\n1,288,296,70,1500\n2,288,296,70,1500\n3,288,296,70,1500\n4,288,296,70,1500\n5,288,296,70,1500\n6,288,296,70,1500\n" +
	"7,288,296,70,1500\n8,288,296,70,1500\n9,288,296,70,1500\n10,288,296,70,1500\n11,288,296,70,1500\n12,288,296,70,1500\n"

// A climate that will not do is said at its field and in the verdict, by the name that the user gave; another one mends it.
func TestWrongClimate(t *testing.T) {
	p := open(t, serve(t), "/", wide, high)
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.click(`input[value=eemt]`)
	p.drop("#drop", "dem.tif", read(t, example+"dem.tif"))
	p.until("the DEM is taken", `document.querySelector(".verdict.good, .verdict.fair")?.innerText.includes("dem.tif is ready")`)
	var shown string
	if p.eval(&shown, `document.querySelector("#dem-file").files[0]?.name ?? ""`); shown != "dem.tif" {
		t.Errorf("the file input shows %q", shown)
	}
	p.drop("body", "kelvin.csv", []byte(kelvin))
	p.until("it is refused at its field", `document.querySelector("#climate-problem")?.innerText.includes("kelvin.csv")`)
	for _, at := range []string{"#climate-problem", "#verdict"} {
		if s := p.text(at); !strings.Contains(s, "288") || strings.Contains(s, "inputs/") || strings.Contains(s, "ready") || strings.Contains(s, "o climate was named") {
			t.Errorf("%s says %s", at, s)
		}
	}
	if p.eval(&shown, `document.querySelector("#climate-file").files[0]?.name ?? ""`); shown != "kelvin.csv" {
		t.Errorf("the file input shows %q", shown)
	}
	p.shot("wrong-climate")
	p.click("#submit")
	p.until("it is not submitted", `!document.querySelector("#submit-error").hidden && location.pathname === "/"`)
	// Another parameter does not hide it.
	p.fill("#p-step", "60")
	p.until("it is still refused", `document.querySelector("#verdict .verdict.bad")?.innerText.includes("kelvin.csv")`)
	p.drop("body", "climate.csv", read(t, example+"climate.csv"))
	p.until("the right one mends it", `document.querySelector("#verdict .verdict.good, #verdict .verdict.fair")?.innerText.includes("dem.tif is ready") && document.querySelector("#climate-problem").hidden`)
	// The DEM is not to blame, whichever comes first.
	p.drop("body", "kelvin.csv", []byte(kelvin))
	p.until("it is refused again", `document.querySelector("#verdict .verdict.bad")`)
	p.drop("#drop", "again.tif", read(t, example+"dem.tif"))
	p.until("the DEM is kept", `document.querySelector("#verdict .verdict.bad")?.innerText.includes("again.tif is uploaded")`)
	p.drop("body", "climate.csv", read(t, example+"climate.csv"))
	p.until("the right one mends it", `document.querySelector("#verdict .verdict.good, #verdict .verdict.fair")?.innerText.includes("again.tif is ready")`)
	p.click("#submit")
	p.until("the map is drawn", drawn)
}

// A page that follows a job says when the server is away, and goes on when it is there again.
func TestConnectionLost(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "")
	p := open(t, s.url, "/", wide, high)
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.do(chromedp.SetUploadFiles("#dem-file", []string{large(t)}, chromedp.ByQuery))
	p.until("the DEM is taken", `document.querySelector(".verdict.good, .verdict.fair")?.innerText.includes("large.tif")`)
	p.fill("#p-step", "1")
	p.click("#submit")
	p.until("the job runs", `document.querySelector(".badge.running")`)
	s.stop()
	p.until("the page says so", `document.querySelector("#connection")?.innerText.includes("Connection lost")`)
	p.shot("connection-lost")
	start(t, data, s.address)
	p.until("it is followed again", `document.querySelector("#connection").innerText === "" && document.querySelector(".badge.running")`)
	p.click("#cancel")
	p.until("a question is asked", `document.querySelector("dialog[open]")`)
	p.click("dialog button.danger")
	p.until("the job is cancelled", `document.querySelector(".badge.cancelled")`)
	p.mu.Lock()
	p.said = nil // a browser complains of the server that was away
	p.mu.Unlock()
}

// The page of the former suite, as far as it speaks to the server: its requests one after the other, and what it does with the
// answers.
func TestFormerPage(t *testing.T) {
	p := open(t, serve(t), "/", wide, high)
	var said []string
	p.eval(&said, formerPage, base64.StdEncoding.EncodeToString(read(t, example+"dem.tif")))
	for _, s := range said {
		t.Error(s)
	}
}

// formerPage runs in the browser; it returns what the former page would have shown wrongly.
var formerPage = strings.ReplaceAll(`(async () => {
	const wrong = [];
	const want = (what, ok, got) => ok || wrong.push(what + ": " + JSON.stringify(got));
	const json = async (path, init) => {
		const r = await fetch(path, init);
		const body = await r.json();
		want((init?.method ?? "GET") + " " + path, r.ok, body);
		return body;
	};
	// On load, and every 15 s: without docker_available the button is disabled.
	const status = await json("/api/system/status");
	want("the button is enabled", status.docker_available === true && typeof status.active_jobs === "number", status);
	// A chosen file is uploaded at once.
	const upload = new FormData();
	upload.append("file", new File([Uint8Array.from(atob(%q), c => c.charCodeAt(0))], "dem.tif", {type: "image/tiff"}));
	const up = await json("/api/upload-file", {method: "POST", body: upload});
	want("the upload has a name", up.status === "success" && typeof up.filename === "string" && up.size > 0, up);
	// The form names it.
	const form = new FormData();
	for (const [name, value] of Object.entries({workflow_type: "sol", uploaded_filename: up.filename, step: "60", linke_value: "3.5", albedo_value: "0.2", num_threads: "4", start_year: "2020", end_year: "2020"})) form.append(name, value);
	const made = await json("/api/submit-job", {method: "POST", body: form});
	want("the job has an id", typeof made.job_id === "string" && made.status === "submitted", made);
	// The lists.
	let job;
	for (let i = 0; i < 600; i++) {
		const jobs = await json("/api/jobs");
		job = jobs.find(j => j.id === made.job_id);
		want("the list has what a row shows", job && job.workflow_type.toUpperCase() === "SOL" && job.dem_filename === "dem.tif" && job.id.substring(0, 8) && !isNaN(new Date(job.created_at)), job);
		await json("/api/jobs?status=running");
		if (!job || job.status === "completed" || job.status === "failed") break;
		await new Promise(r => setTimeout(r, 100));
	}
	want("the job is completed", job?.status === "completed" && job.progress === 100, job);
	const details = await json("/api/jobs/" + made.job_id);
	const shown = [details.parameters.step, details.parameters.linke_value, details.parameters.albedo_value, details.parameters.num_threads];
	want("the details are numbers", shown.every(v => typeof v === "number") && shown[0] === 60 && shown[1] === 3.5, details.parameters);
	const log = await json("/api/jobs/" + made.job_id + "/logs?tail=50");
	want("the log is text", typeof log === "string" && log.includes("---"), log);
	const zip = await fetch("/api/jobs/" + made.job_id + "/results");
	const blob = await zip.blob();
	want("the archive is one", zip.ok && blob.size > 1000 && (await blob.slice(0, 2).text()) === "PK", blob.size);
	const removed = await json("/api/jobs/" + made.job_id, {method: "DELETE"});
	want("the job is deleted", removed.status === "success", removed);
	const again = await fetch("/api/jobs/" + made.job_id + "/cancel", {method: "POST"});
	want("a refusal has a detail", again.status === 404 && typeof (await again.json()).detail === "string", again.status);
	return wrong;
})()`, "\t", " ")

// server is a running eemt.
type server struct {
	url, address string
	stop         func()
}

// start runs eemt serve on a bucket in a directory, at an address or at any.
func start(t *testing.T, data, address string) server {
	t.Helper()
	address, stop := launch(t, data, address)
	return server{fmt.Sprintf("http://%s", address), address, stop}
}
