package browser

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// records are the jobs of a server, as their owner sees them.
func records(t *testing.T, server string) string {
	t.Helper()
	return string(get(t, server+"/api/jobs"))
}

// TestHostileSite: a page of another site makes the browser send whatever a browser sends for it. The server's jobs stay
// as they are, and none is added.
func TestHostileSite(t *testing.T) {
	server := serve(t)
	id := exampleJob(t, server)
	before := records(t, server)
	if !strings.Contains(before, id) || !strings.Contains(before, "completed") {
		t.Fatalf("jobs before: %s", before)
	}
	dem := base64.StdEncoding.EncodeToString(read(t, example+"dem.tif"))
	page := fmt.Sprintf(`<!DOCTYPE html><title>Other</title>
<form method=post></form>
<iframe name=frame></iframe>
<script>
const server = %q, id = %q;
// A form needs no permission of the server that it goes to. It shows its answer in the frame.
function form(path) {
  const f = document.forms[0];
  f.action = server + path; f.target = 'frame';
  return new Promise(done => { document.querySelector('iframe').onload = () => done('sent'); f.submit(); });
}
// Nor does a request whose answer nobody may read.
const blind = (path, init) => fetch(server + path, {mode: 'no-cors', credentials: 'include', ...init}).then(() => 'sent', String);
// This one asks first.
const open = (path, init) => fetch(server + path, init).then(async r => 'read ' + await r.text(), () => 'refused');
function upload() {
  const f = new FormData();
  f.append('dem_file', new File([Uint8Array.from(atob(%q), c => c.charCodeAt(0))], 'theirs.tif'));
  f.append('workflow_type', 'sol');
  return f;
}
async function attack() {
  return [
    await form('/api/cleanup?success_retention_days=0&failed_retention_hours=0'),
    await form('/api/jobs/' + id + '/cancel'),
    await form('/jobs/' + id + '/rerun'),
    await blind('/api/submit-job', {method: 'POST', body: upload()}),
    await blind('/processes/sol/execution', {method: 'POST', body: '{}'}),
    await blind('/events', {method: 'POST', body: '{}'}),
    await open('/api/jobs'),
    await open('/jobs/' + id, {method: 'DELETE'}),
    await open('/jobs/' + id + '/keep', {method: 'PUT'}),
  ];
}
</script>`, server, id, dem)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(page))
	}))
	t.Cleanup(site.Close)
	at, err := url.Parse(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	other := "http://page" + attacker + ":" + at.Port()
	p := open(t, other, "/", 800, 600, server)
	var sent []string
	p.eval(&sent, `attack()`)
	want := []string{"sent", "sent", "sent", "sent", "sent", "sent", "refused", "refused", "refused"}
	if fmt.Sprint(sent) != fmt.Sprint(want) {
		t.Errorf("the browser did %q, not %q: the test sends nothing", sent, want)
	}
	if after := records(t, server); after != before {
		t.Errorf("jobs before\n%s\nand after\n%s", before, after)
	}
}

// TestReboundName: a name of another site that leads to this machine has the server's pages in its own origin, where
// scripts may read all. The server does not answer to it.
func TestReboundName(t *testing.T) {
	server := serve(t)
	id := exampleJob(t, server)
	before := records(t, server)
	at, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, "http://rebound"+attacker+":"+at.Port(), "/api/jobs", 800, 600)
	var shown string
	p.do(chromedp.Evaluate(`document.documentElement.innerText`, &shown))
	if strings.Contains(shown, id) || !strings.Contains(shown, "rebound"+attacker) {
		t.Errorf("the browser shows %s", shown)
	}
	var answers []int
	p.eval(&answers, `Promise.all([['GET', '/api/jobs'], ['GET', '/jobs/%[1]s/results'], ['DELETE', '/jobs/%[1]s'], ['POST', '/api/cleanup']]
		.map(([method, path]) => fetch(path, {method}).then(r => r.status)))`, id)
	if fmt.Sprint(answers) != fmt.Sprint([]int{421, 421, 421, 421}) {
		t.Errorf("answers %v, not 421", answers)
	}
	if after := records(t, server); after != before {
		t.Errorf("jobs before\n%s\nand after\n%s", before, after)
	}
}
