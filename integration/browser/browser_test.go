// Package browser walks the page of a running eemt in a real browser.
package browser

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	root    = "../.."
	example = root + "/examples/maungawhau/"
	// patience bounds every wait: far more than anything takes.
	patience = 60 * time.Second
)

// program is the path of the built eemt.
var program string

func TestMain(m *testing.M) {
	code := func() int {
		dir, err := os.MkdirTemp("", "eemt-browser-*")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		program = filepath.Join(dir, "eemt")
		build := exec.Command("go", "build", "-o", program, "./cmd/eemt")
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build eemt: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}()
	os.Exit(code)
}

// tool finds a program, or skips the test; with EEMT_REQUIRE_TOOLS it must be there.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("EEMT_REQUIRE_TOOLS") != "" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// serve runs eemt serve on an empty bucket and returns its address.
func serve(t *testing.T) string {
	t.Helper()
	return serveIn(t, t.TempDir())
}

// serveIn is serve with the bucket in a directory.
func serveIn(t *testing.T, data string) string {
	t.Helper()
	address, _ := launch(t, data, "")
	return "http://" + address
}

// launch runs eemt serve at an address, or at any if that is empty, until the test ends or the server is stopped.
func launch(t *testing.T, data, address string) (at string, stop func()) {
	t.Helper()
	if address == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address = l.Addr().String()
		_ = l.Close()
	}
	var log bytes.Buffer
	c := exec.Command(program, "serve", "--address", address, "--data", data, "--num-threads", "2")
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
		if r, err := http.Get("http://" + address + "/healthz"); err == nil {
			_ = r.Body.Close()
			return address, stop
		}
	}
	t.Fatal("serve does not answer")
	return "", stop
}

// tab is a page of a browser that reaches this machine only.
type tab struct {
	*testing.T
	ctx context.Context
	url string

	mu sync.Mutex
	// asked are the addresses that the page loaded, said what it complained of.
	asked, said []string
}

// attacker ends the names of other sites, which all lead to this machine.
const attacker = ".attacker.test"

// open starts a browser with an empty profile on the page at path. It may ask other servers only where they are named.
func open(t *testing.T, url, path string, width, height int64, others ...string) *tab {
	t.Helper()
	chromium := tool(t, "chromium")
	profile, err := os.MkdirTemp("", "eemt-browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The browser's children may write for a moment after it has gone.
		for range 100 {
			if os.RemoveAll(profile) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Logf("the profile %s stays", profile)
	})
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.UserDataDir(profile), chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("no-first-run", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("host-resolver-rules", "MAP *"+attacker+" 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"), chromedp.WindowSize(int(width), int(height)),
		chromedp.WSURLReadTimeout(patience))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	ctx, close := chromedp.NewContext(ctx)
	t.Cleanup(close)
	p := &tab{T: t, ctx: ctx, url: url}
	chromedp.ListenTarget(ctx, func(e any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch e := e.(type) {
		case *network.EventRequestWillBeSent:
			p.asked = append(p.asked, e.Request.URL)
		case *runtime.EventExceptionThrown:
			p.said = append(p.said, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError {
				p.said = append(p.said, fmt.Sprint(e.Args))
			}
		}
	})
	p.do(network.Enable(), emulation.SetDeviceMetricsOverride(width, height, 1, width < 600))
	p.goTo(path)
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, a := range p.asked {
			known := func(server string) bool { return strings.HasPrefix(a, server+"/") }
			if !known(url) && !slices.ContainsFunc(others, known) && !strings.HasPrefix(a, "data:") && !strings.HasPrefix(a, "about:") {
				t.Errorf("the page asked for %s", a)
			}
		}
		if len(p.said) > 0 {
			t.Errorf("the page complained: %q", p.said)
		}
	})
	return p
}

func (p *tab) do(actions ...chromedp.Action) {
	p.Helper()
	if err := p.try(actions...); err != nil {
		p.shot("failed-" + p.Name())
		p.Fatal(err)
	}
}

func (p *tab) try(actions ...chromedp.Action) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	// The first run of a context must not end with the timeout: it holds the browser.
	run := ctx
	if chromedp.FromContext(p.ctx).Target == nil {
		run = p.ctx
	}
	return chromedp.Run(run, actions...)
}

func (p *tab) goTo(path string) {
	p.Helper()
	p.do(chromedp.Navigate(p.url + path))
}

// eval runs an expression, awaiting promises, and decodes what it gives into v.
func (p *tab) eval(v any, expression string, args ...any) {
	p.Helper()
	p.do(evaluate(fmt.Sprintf(expression, args...), v))
}

func evaluate(expression string, v any) chromedp.Action {
	return chromedp.Evaluate(expression, v, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) })
}

func (p *tab) text(selector string) string {
	p.Helper()
	var s string
	p.eval(&s, `[...document.querySelectorAll(%q)].map(e => e.innerText).join("\n")`, selector)
	return s
}

// until waits until an expression is true. One that cannot be evaluated, as of an element that is not there yet or
// while the page is loaded again, is not.
func (p *tab) until(what, expression string, args ...any) {
	p.Helper()
	expression = fmt.Sprintf(expression, args...)
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		var ok bool
		err := p.try(evaluate("!!("+expression+")", &ok))
		if ok && err == nil {
			return
		}
		if time.Now().After(end) {
			p.shot("failed-" + p.Name())
			p.Fatalf("%s: it never came to that (%v); the page shows\n%s", what, err, p.text("main"))
		}
	}
}

// click clicks on an element. The page draws anew what changes, so that the element which was found may be gone before
// it is clicked on: another then has its place.
func (p *tab) click(selector string) {
	p.Helper()
	var err error
	for range 20 {
		if err = p.try(chromedp.ScrollIntoView(selector, chromedp.ByQuery), chromedp.Click(selector, chromedp.ByQuery)); !replaced(err) {
			break
		}
	}
	if err != nil {
		p.shot("failed-" + p.Name())
		p.Fatalf("click %s: %v", selector, err)
	}
}

// replaced reports whether an action failed because its element has left the page: then it was not done.
func replaced(err error) bool {
	var gone *cdproto.Error
	if !errors.As(err, &gone) {
		return false
	}
	return slices.ContainsFunc([]string{"detached", "layout object", "box model", "Could not find node", "No node with given id"}, func(words string) bool {
		return strings.Contains(gone.Message, words)
	})
}

// fill gives a field a value as typing does.
func (p *tab) fill(selector, value string) {
	p.Helper()
	p.eval(nil, `(() => { const e = document.querySelector(%q); e.value = %q; e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})); })()`, selector, value)
}

// shot keeps a picture in the directory EEMT_SCREENSHOTS, if that is set.
func (p *tab) shot(name string) {
	dir := os.Getenv("EEMT_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.FullScreenshot(&png, 100)); err != nil {
		p.Logf("picture %s: %v", name, err)
		return
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, "/", "-")+".png"), png, 0o666); err != nil {
		p.Fatal(err)
	}
}

// drop lets a file fall on an element, as dragging does.
func (p *tab) drop(selector, name string, data []byte) {
	p.Helper()
	p.eval(nil, `(() => {
		const bytes = Uint8Array.from(atob(%q), c => c.charCodeAt(0));
		const d = new DataTransfer();
		d.items.add(new File([bytes], %q));
		const e = document.querySelector(%q);
		for (const type of ["dragenter", "dragover", "drop"]) e.dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: d}));
	})()`, base64.StdEncoding.EncodeToString(data), name, selector)
}

// job makes a job without the page, and waits for its end.
func job(t *testing.T, url string, fields map[string]string, files map[string]string) string {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	_ = w.WriteField("fresh", "true")
	for k, v := range fields {
		_ = w.WriteField(k, v)
	}
	for k, path := range files {
		f, err := w.CreateFormFile(k, filepath.Base(path))
		if err == nil {
			_, err = f.Write(read(t, path))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = w.Close()
	res, err := http.Post(url+"/api/submit-job", w.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var made struct {
		JobID string `json:"job_id"`
	}
	if err := json.NewDecoder(res.Body).Decode(&made); err != nil || made.JobID == "" {
		t.Fatalf("submit: %s %v", res.Status, err)
	}
	for end := time.Now().Add(2 * patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if s := string(get(t, url+"/api/jobs/"+made.JobID)); strings.Contains(s, `"status":"completed"`) {
			return made.JobID
		} else if strings.Contains(s, `"status":"failed"`) {
			t.Fatal(s)
		}
	}
	t.Fatal("the job does not end")
	return ""
}

func exampleJob(t *testing.T, url string) string {
	t.Helper()
	return job(t, url, map[string]string{"workflow_type": "eemt", "step": "60"}, map[string]string{"dem_file": example + "dem.tif", "climate_file": example + "climate.csv"})
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	data, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, r.Status, err)
	}
	return data
}
