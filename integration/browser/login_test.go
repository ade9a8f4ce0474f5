package browser

import (
	"bufio"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// serveLogin runs a service that people of a provider log in to, and returns its address.
func serveLogin(t *testing.T, p *provider) string {
	t.Helper()
	server := filepath.Join(t.TempDir(), "loginserver")
	build := exec.Command("go", "build", "-o", server, "./integration/loginserver")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build loginserver: %v\n%s", err, out)
	}
	var log strings.Builder
	c := exec.Command(server, "-issuer", p.URL, "-audience", audience, "-client", clientID)
	c.Stderr = &log
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	p.set(func() { p.page = strings.TrimSpace(address) })
	return strings.TrimSpace(address)
}

// status is that of an address, with a token or without one.
func status(t *testing.T, address, token string) int {
	t.Helper()
	got, _ := ask(t, address, token)
	return got
}

// body is what an address has for whoever has a token.
func body(t *testing.T, address, token string) string {
	t.Helper()
	_, text := ask(t, address, token)
	return text
}

func ask(t *testing.T, address, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// people is a service with its provider, and a page of it.
func people(t *testing.T) (*provider, *tab) {
	t.Helper()
	p := newProvider(t)
	return p, open(t, serveLogin(t, p), "/", wide, high, p.URL)
}

// logIn presses the button as somebody.
func (p *tab) logIn(at *provider, who string) {
	p.Helper()
	p.until("the page asks for a login", `document.querySelector("#login") && !document.querySelector("#drop, table.jobs")`)
	at.set(func() { at.next = who })
	p.click("#login")
	p.until("the name is shown", `document.querySelector("#owner")?.innerText === %q`, "Dr. "+who)
	var address, stored string
	p.eval(&address, `location.href`)
	p.eval(&stored, `JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie`)
	if strings.Contains(address, "code=") || strings.Contains(address, "state=") {
		p.Errorf("the address keeps the provider's answer: %s", address)
	}
	if strings.Contains(stored, "eyJ") || strings.Contains(stored, "refresh-") || strings.Contains(stored, "verifier") {
		p.Errorf("the browser stores what lets in: %s", stored)
	}
}

// logOut presses the button.
func (p *tab) logOut() {
	p.Helper()
	p.click("#logout")
	p.until("the page asks for a login again", `document.querySelector("#login")`)
}

// attribute is what an element has, as it is written.
func (p *tab) attribute(selector, name string) string {
	p.Helper()
	var s string
	p.eval(&s, `document.querySelector(%q).getAttribute(%q)`, selector, name)
	return s
}

// submitted makes the example with the form, waits for its maps, and returns the id of the job.
func (p *tab) submitted() string {
	p.Helper()
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.drop("#drop", "dem.tif", read(p.T, example+"dem.tif"))
	p.until("the DEM is ready", `document.querySelector("#verdict .verdict.good")`)
	p.fill("#p-step", "60")
	p.click("#submit")
	p.until("the map is drawn", drawn)
	var id string
	p.eval(&id, `location.hash.slice(1)`)
	return id
}

// Somebody logs in, makes a job, sees its maps, and is still logged in after a reload. Others see nothing of it.
func TestLogin(t *testing.T) {
	at, p := people(t)
	p.logIn(at, "anna")
	id := p.submitted()
	p.shot("login-result")

	// What the browser opens by itself carries a ticket, and opens for whoever has that alone.
	zip, file := p.attribute("#zip", "href"), p.attribute(".files a", "href")
	tile := "/jobs/" + id + "/tiles/0/0/0.png?layer=slope_dec.tif"
	_, ticket, _ := strings.Cut(zip, "?")
	for _, path := range []string{zip, file, tile + "&" + ticket, "/jobs/" + id + "/results/item.json?" + ticket} {
		if !strings.Contains(path, "ticket=t.") {
			t.Errorf("%s has no ticket", path)
		}
		if got := status(t, p.url+path, ""); got != http.StatusOK {
			t.Errorf("%s with a ticket: %d", path, got)
		}
		if bare := strings.TrimSuffix(strings.ReplaceAll(path, ticket, ""), "?"); status(t, p.url+bare, "") != http.StatusUnauthorized {
			t.Errorf("%s is open without one", bare)
		}
	}
	var lines string
	p.eval(&lines, `[...document.querySelectorAll(".snippet pre")].map(e => e.textContent).join("\n")`)
	if strings.Count(lines, "ticket=t.") != 8 {
		t.Errorf("lines to copy without a ticket:\n%s", lines)
	}
	if _, err := exec.LookPath("gdalinfo"); err == nil {
		_, line, _ := strings.Cut(lines, "gdalinfo ")
		line, _, _ = strings.Cut(line, "\n")
		if out, err := exec.Command("sh", "-c", "gdalinfo "+line).CombinedOutput(); err != nil || !strings.Contains(string(out), "STATISTICS_MEAN") {
			t.Errorf("gdalinfo %s: %v\n%s", line, err, out)
		}
	}
	p.mu.Lock()
	for _, a := range p.asked {
		if strings.Contains(a, "/events") && !strings.Contains(a, "?ticket=t.") {
			t.Errorf("events without a ticket: %s", a)
		}
		if strings.Contains(a, "eyJ") && !strings.HasPrefix(a, at.URL) {
			t.Errorf("a token in the address %s", a)
		}
	}
	p.mu.Unlock()

	p.do(chromedp.Reload())
	p.until("a reload stays logged in", `document.querySelector("#owner")`)
	p.until("and shows the maps again", drawn)
	at.set(func() {
		if at.silent != 1 {
			t.Errorf("%d requests without a question, want one for the reload", at.silent)
		}
	})

	p.logOut()
	at.set(func() {
		if at.logouts != 1 {
			t.Error("the session at the provider was not ended")
		}
	})
	p.do(chromedp.Reload())
	p.until("a reload stays logged out", `document.querySelector("#login") && !document.querySelector("#owner")`)

	p.logIn(at, "boris")
	p.click("header [data-view=jobs]")
	p.until("another sees an empty list", `document.querySelector("main").innerText.includes("No job yet") && !document.querySelector("tr[data-job]")`)
	p.goTo("/monitor#" + id)
	p.do(chromedp.Reload())
	p.until("another does not find the job", `document.querySelector("h1")?.innerText === "No such job"`)
	p.logOut()

	p.logIn(at, "vera")
	p.until("who only reads sees lists", `document.querySelector("table.jobs") && !document.querySelector("#drop") && document.querySelector("header [data-view=new]").hidden`)
}

// A token that has expired is replaced by the refresh token without a word. Without one the page asks for another login, and
// keeps what was typed.
func TestLoginExpires(t *testing.T) {
	at, p := people(t)
	at.set(func() { at.refreshes = true })
	p.logIn(at, "anna")
	p.until("the form is there", `document.querySelector("#p-step")`)
	p.fill("#p-step", "45")
	at.revoke(p.url)
	p.drop("#drop", "dem.tif", read(t, example+"dem.tif"))
	p.until("the DEM is ready", `document.querySelector("#verdict .verdict.good")`)
	at.set(func() {
		if at.refreshed != 1 {
			t.Errorf("refreshed %d times", at.refreshed)
		}
		at.refreshes = false
	})
	at.revoke(p.url)
	p.click("#submit")
	p.until("the page asks for another login", `document.querySelector("#lapsed")`)
	p.shot("login-expired")
	p.click("#login-again")
	p.until("the job goes on, with what was typed", `!document.querySelector("#lapsed") && /^#[0-9A-Z]{26}$/.test(location.hash) && document.querySelector("main")?.innerText.includes("dem.tif")`)
	p.until("the map is drawn", drawn)
	var id string
	p.eval(&id, `location.hash.slice(1)`)
	var token string
	at.set(func() { token = at.access("anna") })
	if made := body(t, p.url+"/api/jobs/"+id, token); !strings.Contains(made, `"step":45`) {
		t.Errorf("the job is another than what was typed: %s", made)
	}
}

// A link shows one job to a stranger, who changes nothing, until it is revoked.
func TestSharedLink(t *testing.T) {
	at, p := people(t)
	p.logIn(at, "anna")
	id := p.submitted()
	p.click("#share")
	p.until("it is not shared yet", `document.querySelector("#shares")?.innerText.includes("Not shared yet")`)
	p.fill("#share-days", "7")
	p.click("#share-make")
	p.until("the link is there", `document.querySelector("#share-link") && document.querySelector("#shares button")`)
	p.shot("share")
	var link string
	p.eval(&link, `document.querySelector("#share-link").value`)
	path, ok := strings.CutPrefix(link, p.url)
	if !ok {
		t.Fatalf("the link %s leads elsewhere", link)
	}

	stranger := open(t, p.url, path, wide, high)
	stranger.until("the link shows the maps", drawn)
	var address string
	stranger.eval(&address, `location.href`)
	if strings.Contains(address, "ticket") || !strings.HasSuffix(address, "#"+id) {
		t.Errorf("the address keeps the ticket: %s", address)
	}
	var doors int
	stranger.eval(&doors, `document.querySelectorAll("#delete, #cancel, #share, #again, [data-action=pin]").length`)
	if doors != 0 {
		t.Errorf("a stranger is offered %d ways to change the job", doors)
	}
	if zip := stranger.attribute("#zip", "href"); status(t, p.url+zip, "") != http.StatusOK {
		t.Errorf("%s does not open", zip)
	}
	stranger.shot("shared")
	stranger.click("main [data-view=jobs]")
	stranger.until("a stranger has no list", `document.querySelector("#login")`)

	// The same ticket in the query of the page, as in an address that somebody made by hand.
	_, ticket, _ := strings.Cut(path, "&")
	other := open(t, p.url, "/monitor?"+ticket+"#"+id, wide, high)
	other.until("a ticket in the query shows the job", `document.querySelector("#zip") && !location.search`)

	p.click("#shares button")
	p.until("it is revoked", `document.querySelector("#shares")?.innerText.includes("Not shared yet")`)
	late := open(t, p.url, path, wide, high)
	late.until("a revoked link shows nothing", `document.querySelector("main .problem") && !document.querySelector("#zip")`)
}

// axe-core finds nothing serious in what a login adds, light or dark.
func TestLoginAccessible(t *testing.T) {
	axe := axeCore(t)
	at, p := people(t)
	each := func(view string) {
		for _, scheme := range schemes {
			p.scheme(scheme)
			p.accessible(axe, view+", "+scheme)
		}
		p.do(emulation.SetDeviceMetricsOverride(phone, phoneHigh, 1, true))
		var width int
		if p.eval(&width, `document.documentElement.scrollWidth`); width > phone {
			t.Errorf("%s: on a phone the page is %d pixels wide", view, width)
		}
		p.shot("phone-" + strings.ReplaceAll(view, " ", "-"))
		p.do(emulation.SetDeviceMetricsOverride(wide, high, 1, false))
	}
	p.until("the page asks for a login", `document.querySelector("#login")`)
	each("login")
	p.logIn(at, "anna")
	p.submitted()
	p.click("#share")
	p.click("#share-make")
	p.until("the link is there", `document.querySelector("#share-link")`)
	each("share")
	p.click("#share-close")
	at.revoke(p.url)
	p.click("header [data-view=new]")
	p.until("the page asks for another login", `document.querySelector("#lapsed")`)
	each("login expired")
}
