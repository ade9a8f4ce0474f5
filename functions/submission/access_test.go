package submission_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/functions/submission/quota"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// people tells callers apart by their bearer token.
type people map[string]access.Caller

func (p people) Authenticate(r *http.Request) (access.Caller, error) {
	token := access.Bearer(r)
	if token == "" {
		return access.Caller{}, access.ErrNone
	}
	if who, ok := p[token]; ok && who.Role == access.Nobody {
		return who, errors.New("the token has no role")
	} else if ok {
		return who, nil
	}
	return access.Caller{}, errors.New("the token is not valid here")
}

var staff = people{
	"anna":   {Owner: "anna", Role: access.User, Groups: []string{"hydrology"}},
	"boris":  {Owner: "boris", Role: access.User},
	"carla":  {Owner: "carla", Role: access.User, Groups: []string{"hydrology"}},
	"viewer": {Owner: "vera", Role: access.Viewer},
	"ops":    {Owner: "olga", Role: access.Operator},
}

// guarded is a service that asks who is calling.
func guarded(t *testing.T) *service {
	t.Helper()
	s := newService(t, nil)
	s.with(func(c *submission.Config) {
		c.Access = access.Settings{Authenticator: staff, Login: access.Login{Mode: "oidc", Issuer: "https://id.example.org"}}
		c.Echo = true
	})
	return s
}

// as sends a request with a token.
func (s *service) as(t *testing.T, token, method, target, body string, header ...string) answer {
	t.Helper()
	if token != "" {
		header = append(header, "Authorization", "Bearer "+token)
	}
	return s.do(t, method, target, strings.NewReader(body), header...)
}

// later is the service after some time.
func (s *service) later(d time.Duration) {
	now := s.Now
	s.with(func(c *submission.Config) { c.Now = func() time.Time { return now().Add(d) } })
}

// formOf writes a form.
func formOf(t *testing.T, fields ...field) (kind, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		var to io.Writer
		var err error
		if f.file != "" {
			to, err = w.CreateFormFile(f.name, f.file)
		} else {
			to, err = w.CreateFormField(f.name)
		}
		if err == nil {
			_, err = io.WriteString(to, f.value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

// echo makes a job of somebody, and returns its id.
func (w *service) echo(t *testing.T, token string) string {
	t.Helper()
	a := w.as(t, token, "POST", "/processes/echo/execution", `{"inputs": {"stringInput": "x"}}`, "Content-Type", "application/json", "Prefer", "respond-async")
	var job struct{ JobID string }
	if err := json.Unmarshal([]byte(a.body), &job); err != nil || job.JobID == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return job.JobID
}

// TestEveryRouteAsks walks all routes as a stranger, a viewer, another user and an operator. What is of a job is not found by
// others, whatever they ask for; what no rule names is for operators alone.
func TestEveryRouteAsks(t *testing.T) {
	w := guarded(t)
	id := w.echo(t, "anna")
	open := []string{
		"GET /", "GET /monitor", "GET /app.js", "GET /style.css", "GET /icon.svg", "GET /static/:asset", "GET /health", "GET /healthz",
		"GET /conformance", "GET /api", "GET /openapi.json", "GET /docs", "GET /redoc", "GET /processes", "GET /processes/:id", "GET /auth",
		"OPTIONS /uploads", "OPTIONS /uploads/:name", "POST /events", "OPTIONS /events",
		"POST /events/notices", "OPTIONS /events/notices", "POST /events/notices/:secret", "OPTIONS /events/notices/:secret",
	}
	operators := []string{
		"GET /auth/quotas/:owner", "PUT /auth/quotas/:owner", "DELETE /auth/quotas/:owner",
		"POST /api/cleanup", "GET /api/cleanup/status", "GET /stac/catalog.json", "GET /stac/:collection/collection.json",
		"GET /stac/:collection/:day/catalog.json",
	}
	for _, r := range w.Routes().Routes() {
		name := strings.Replace(r.Method, "HEAD", "GET", 1) + " " + r.Path
		if r.Method == "HEAD" && r.Path == "/uploads/:name" {
			name = "HEAD " + r.Path
		}
		target := strings.NewReplacer(":id", id, ":asset", "app.js", ":name", "00000000000000000000000000-1_dem.tif", ":key", id, ":share", id, ":owner", "anna",
			":collection", "sol", ":day", "2026-05-04", ":z/:x/:y", "1/0/0.png", "*file", "report.json").Replace(r.Path)
		if r.Path == "/processes/:id" || r.Path == "/processes/:id/execution" {
			target = strings.Replace(r.Path, ":id", "echo", 1)
		}
		ofJob := strings.HasPrefix(r.Path, "/jobs/:id") || strings.HasPrefix(r.Path, "/api/jobs/:id")
		status := func(token string) int {
			a := w.as(t, token, r.Method, target, "", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "eemt.example.org")
			policy := a.header.Get("Content-Security-Policy")
			if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Referrer-Policy") == "" || !strings.Contains(policy, "default-src 'none'") ||
				!strings.Contains(policy, "base-uri 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") ||
				a.header.Get("Strict-Transport-Security") != "max-age=31536000; includeSubDomains" {
				t.Errorf("%s %s: a browser is told %v", r.Method, r.Path, a.header)
			}
			return a.status
		}
		stranger, viewer, other := status(""), status("viewer"), status("boris")
		switch {
		case slices.Contains(open, name):
			if stranger == 401 || stranger == 403 || viewer == 403 {
				t.Errorf("%s %s: a stranger gets %d, a viewer %d", r.Method, r.Path, stranger, viewer)
			}
			continue
		case stranger != 401 || status("forged") != 401:
			t.Errorf("%s %s: a stranger gets %d", r.Method, r.Path, stranger)
		}
		switch {
		case ofJob:
			if viewer != 404 || other != 404 {
				t.Errorf("%s %s: another viewer gets %d, another user %d", r.Method, r.Path, viewer, other)
			}
		case slices.Contains(operators, name):
			if viewer != 403 || other != 403 {
				t.Errorf("%s %s: a viewer gets %d, a user %d", r.Method, r.Path, viewer, other)
			}
		case r.Method != "GET" && r.Method != "HEAD" && !strings.HasPrefix(r.Path, "/auth/keys"), strings.HasPrefix(r.Path, "/uploads"), r.Path == "/api/check":
			if viewer != 403 || other == 401 || other == 403 {
				t.Errorf("%s %s: a viewer gets %d, a user %d", r.Method, r.Path, viewer, other)
			}
		case viewer == 401 || viewer == 403 || other == 401 || other == 403:
			t.Errorf("%s %s: a viewer gets %d, a user %d", r.Method, r.Path, viewer, other)
		}
		if operator := status("ops"); operator == 401 || operator == 403 {
			t.Errorf("%s %s: an operator gets %d", r.Method, r.Path, operator)
		}
	}
}

// TestListsAreTheCallersOwn: each sees their own jobs in all lists, an operator those of everybody, a stranger none.
func TestListsAreTheCallersOwn(t *testing.T) {
	w := guarded(t)
	anna, boris := w.echo(t, "anna"), w.echo(t, "boris")
	for _, list := range []string{"/jobs", "/jobs?f=json&status=successful", "/api/jobs", "/api/jobs?q=" + anna, "/stac/collections/sol/items"} {
		for _, c := range []struct {
			token       string
			anna, boris bool
		}{{"anna", true, false}, {"boris", false, true}, {"ops", true, true}, {"viewer", false, false}, {"carla", false, false}} {
			text := w.as(t, c.token, "GET", list, "").body
			if strings.Contains(list, "stac") {
				c.anna, c.boris = false, false // echo has no maps
			}
			if strings.Contains(list, "q=") {
				c.boris = false
			}
			if strings.Contains(text, anna) != c.anna || strings.Contains(text, boris) != c.boris {
				t.Errorf("%s as %s: %s", list, c.token, text)
			}
		}
	}
	if page := w.as(t, "", "GET", "/", "", "Accept", "text/html"); page.status != 200 || strings.Contains(page.body, anna) {
		t.Errorf("the page for a stranger: %d %s", page.status, page.body)
	}
}

// TestUploadsAreTheirOwners: nobody makes a job of what another brought, nor finds out that it is there.
func TestUploadsAreTheirOwners(t *testing.T) {
	w := guarded(t)
	kind, form := formOf(t, field{"file", hills(t), "dem.tif"})
	a := w.as(t, "anna", "POST", "/api/upload-file", form, "Content-Type", kind)
	var up struct{ Filename string }
	if err := json.Unmarshal([]byte(a.body), &up); err != nil || up.Filename == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	kind, form = formOf(t, field{name: "workflow_type", value: "sol"}, field{name: "uploaded_filename", value: up.Filename})
	if a := w.as(t, "boris", "POST", "/api/submit-job", form, "Content-Type", kind); a.status != 400 || !strings.Contains(a.body, "among your uploads") {
		t.Errorf("by name: %d %s", a.status, a.body)
	}
	if a := w.as(t, "boris", "GET", "/api/check?uploaded_filename="+up.Filename, ""); a.status != 400 || strings.Contains(a.body, "usable\":true") {
		t.Errorf("check: %d %s", a.status, a.body)
	}
	for _, input := range []string{
		`"dem": {"href": "inputs/NAME"}`, `"dem": {"href": "uploads/other.tif"}`, `"dem": {"href": "inputs/MINE"}, "linke_value": "inputs/NAME"`,
	} {
		kind, mine := formOf(t, field{"file", hills(t), "dem.tif"})
		var own struct{ Filename string }
		_ = json.Unmarshal([]byte(w.as(t, "boris", "POST", "/api/upload-file", mine, "Content-Type", kind).body), &own)
		body := `{"inputs": {` + strings.NewReplacer("NAME", up.Filename, "MINE", own.Filename).Replace(input) + `}}`
		if a := w.as(t, "boris", "POST", "/processes/sol/execution", body, "Content-Type", "application/json"); a.status != 400 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	kind, form = formOf(t, field{name: "workflow_type", value: "eemt"}, field{name: "uploaded_filename", value: up.Filename},
		field{name: "climate", value: "table:inputs/00000000000000000000000000-1_other.csv"})
	if a := w.as(t, "anna", "POST", "/api/submit-job", form, "Content-Type", kind); a.status != 400 {
		t.Errorf("the climate of nobody: %d %s", a.status, a.body)
	}
	kind, form = formOf(t, field{name: "workflow_type", value: "sol"}, field{name: "uploaded_filename", value: up.Filename})
	if a := w.as(t, "anna", "POST", "/api/submit-job", form, "Content-Type", kind); a.status != 200 {
		t.Errorf("her own: %d %s", a.status, a.body)
	}
	// An upload in parts has its owner's name too.
	tus := []string{"Tus-Resumable", "1.0.0", "Upload-Length", "10", "Upload-Metadata", "filename ZGVtLnRpZg=="}
	at := w.as(t, "anna", "POST", "/uploads", "", tus...).header.Get("Location")
	at = "/uploads/" + path.Base(at)
	if a := w.as(t, "boris", "HEAD", at, "", tus[:2]...); a.status != 404 {
		t.Errorf("another's upload in parts: %d", a.status)
	}
	if a := w.as(t, "boris", "DELETE", at, "", tus[:2]...); a.status != 404 {
		t.Errorf("another's upload in parts is removed: %d", a.status)
	}
	if a := w.as(t, "anna", "HEAD", at, "", tus[:2]...); a.status != 200 {
		t.Errorf("her own upload in parts: %d", a.status)
	}
}

// TestSharing lets a group, a link and a ticket read one job, and nothing else, until they are revoked or expire.
func TestSharing(t *testing.T) {
	w := guarded(t)
	id, secret := w.echo(t, "anna"), w.echo(t, "anna")
	reads := func(token, query, job string) int { return w.as(t, token, "GET", "/jobs/"+job+query, "").status }
	share := func(body string) (made struct{ ID, Link string }) {
		a := w.as(t, "anna", "POST", "/jobs/"+id+"/shares", body, "Content-Type", "application/json")
		if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return made
	}
	if reads("carla", "", id) != 404 {
		t.Error("a colleague reads before it is shared")
	}
	group := share(`{"group": "hydrology"}`)
	if reads("carla", "", id) != 200 || reads("boris", "", id) != 404 || reads("carla", "", secret) != 404 {
		t.Error("shared with a group: others than its members read, or members read other jobs")
	}
	if a := w.as(t, "carla", "POST", "/jobs/"+id+"/tickets", ""); a.status != 201 {
		t.Errorf("a member gets no ticket: %d", a.status)
	}
	if a := w.as(t, "carla", "GET", "/jobs/"+id+"/shares", ""); a.status != 404 {
		t.Errorf("a member sees with whom it is shared: %d", a.status)
	}
	if a := w.as(t, "carla", "DELETE", "/jobs/"+id, ""); a.status != 404 {
		t.Errorf("a reader deletes: %d", a.status)
	}
	if a := w.as(t, "carla", "POST", "/jobs/"+id+"/shares", "{}"); a.status != 404 {
		t.Errorf("a reader shares on: %d", a.status)
	}
	if a := w.as(t, "anna", "DELETE", "/jobs/"+id+"/shares/"+group.ID, ""); a.status != 204 || reads("carla", "", id) != 404 {
		t.Errorf("revoked: %d, still read", a.status)
	}

	link := share("")
	_, query, _ := strings.Cut(link.Link, "&")
	if reads("", "?"+query, id) != 200 || reads("boris", "?"+query, id) != 200 || reads("", "?"+query, secret) != 401 {
		t.Error("a link does not read its job, or reads another")
	}
	if a := w.as(t, "", "GET", "/jobs/"+id+"?"+query, ""); a.header.Get("Referrer-Policy") != "no-referrer" || !strings.HasPrefix(a.header.Get("Cache-Control"), "private") && a.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("headers %v", a.header)
	}
	if a := w.as(t, "", "DELETE", "/jobs/"+id+"?"+query, ""); a.status != 401 {
		t.Errorf("a link deletes: %d", a.status)
	}
	if a := w.as(t, "", "POST", "/jobs/"+id+"/tickets?"+query, ""); a.status == 201 {
		t.Error("a link makes tickets, which outlive it")
	}
	if a := w.as(t, "", "GET", "/jobs?"+query, ""); a.status != 401 {
		t.Errorf("a link lists: %d", a.status)
	}

	var ticket struct{ Ticket string }
	a := w.as(t, "anna", "POST", "/jobs/"+id+"/tickets", "")
	if err := json.Unmarshal([]byte(a.body), &ticket); err != nil || a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if reads("", "?ticket="+ticket.Ticket, id) != 200 || reads("", "?ticket="+ticket.Ticket, secret) != 401 || reads("", "?ticket="+ticket.Ticket[:len(ticket.Ticket)-1], id) != 401 {
		t.Error("a ticket does not read its job, or reads another, or may be changed")
	}
	w.later(access.TicketLife)
	if reads("", "?ticket="+ticket.Ticket, id) != 401 {
		t.Error("a ticket does not expire")
	}
	w.later(31 * 24 * time.Hour)
	if reads("", "?"+query, id) != 401 {
		t.Error("a link does not expire")
	}
}

// TestSharesOfNoJob: an operator, who may ask for any id, shares no job that is not there.
func TestSharesOfNoJob(t *testing.T) {
	w := guarded(t)
	id := w.NewID()
	for _, request := range []string{"POST /jobs/ID/shares", "POST /jobs/ID/tickets", "GET /jobs/ID/shares", "DELETE /jobs/ID/shares/" + id, "POST /jobs/0/shares"} {
		method, path, _ := strings.Cut(strings.ReplaceAll(request, "ID", id), " ")
		if a := w.as(t, "ops", method, path, ""); a.status != 404 {
			t.Errorf("%s: %d %s", request, a.status, a.body)
		}
	}
	if k := keys(t, w.Store.Bucket); slices.ContainsFunc(k, func(k string) bool { return strings.HasPrefix(k, "jobs/") }) {
		t.Errorf("the bucket has %v", k)
	}
}

// TestSharedJobsAreListed: what is shared with a group is in all lists of its members, in order, and page by page; what is revoked
// or expired is in none.
func TestSharedJobsAreListed(t *testing.T) {
	w := guarded(t)
	share := func(token, id, body string) string {
		a := w.as(t, token, "POST", "/jobs/"+id+"/shares", body, "Content-Type", "application/json")
		if a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return a.json(t)["id"].(string)
	}
	listed := func(token, query string) (ids []string) {
		t.Helper()
		for at := "/jobs" + query; at != ""; {
			var page struct {
				Jobs  []struct{ JobID string }
				Links []struct{ Rel, Href string }
			}
			a := w.as(t, token, "GET", at, "")
			if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 {
				t.Fatalf("%s: %d %s", at, a.status, a.body)
			}
			for _, j := range page.Jobs {
				ids = append(ids, j.JobID)
			}
			at = ""
			for _, l := range page.Links {
				if l.Rel == "next" {
					at = strings.TrimPrefix(l.Href, w.http.URL)
				}
			}
		}
		return ids
	}
	var want []string // newest first
	var shares []string
	for i := range 4 {
		shared, own, other := w.echo(t, "anna"), w.echo(t, "carla"), w.echo(t, "boris")
		shares = append(shares, share("anna", shared, `{"group": "hydrology", "days": 30}`))
		if i == 0 {
			share("anna", shared, `{"group": "hydrology", "days": 1}`) // twice
		}
		share("boris", other, `{"group": "geology"}`)
		share("boris", other, ``)
		want = append([]string{own, shared}, want...)
	}
	for _, query := range []string{"", "?limit=1", "?limit=2", "?limit=3", "?processID=echo&limit=2"} {
		if got := listed("carla", query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	suite := w.as(t, "carla", "GET", "/api/jobs", "").body
	for _, id := range want {
		if strings.Count(suite, `"id":"`+id+`"`) != 1 {
			t.Errorf("%s is not once in %s", id, suite)
		}
	}
	if got := listed("carla", "?q="+want[1]); !slices.Equal(got, want[1:2]) {
		t.Errorf("by its id: %v", got)
	}
	for _, who := range []string{"boris", "viewer"} {
		if got := listed(who, ""); len(got) != map[string]int{"boris": 4}[who] {
			t.Errorf("%s sees %v", who, got)
		}
		if got := listed(who, "?q="+want[1]); len(got) != 0 {
			t.Errorf("%s finds %v", who, got)
		}
	}
	if got := listed("anna", ""); len(got) != 4 {
		t.Errorf("the owner, who is of the group, sees %v", got)
	}
	if a := w.as(t, "anna", "DELETE", "/jobs/"+want[1]+"/shares/"+shares[3], ""); a.status != 204 {
		t.Fatal(a.status)
	}
	want = slices.Delete(want, 1, 2)
	if got := listed("carla", "?limit=2"); !slices.Equal(got, want) {
		t.Errorf("after it was revoked: %v, want %v", got, want)
	}
	if got := listed("carla", "?q="+want[1]); len(got) != 0 && got[0] != want[1] {
		t.Errorf("by the id of one that was revoked: %v", got)
	}
	last := want[len(want)-1] // whose second share ends first
	if a := w.as(t, "anna", "DELETE", "/jobs/"+last+"/shares/"+shares[0], ""); a.status != 204 {
		t.Fatal(a.status)
	}
	if got := listed("carla", ""); !slices.Equal(got, want) {
		t.Errorf("one of two shares was revoked: %v, want %v", got, want)
	}
	w.later(2 * 24 * time.Hour)
	if got := listed("carla", ""); !slices.Equal(got, want[:len(want)-1]) {
		t.Errorf("a share that has ended is listed: %v", got)
	}
	w.as(t, "anna", "DELETE", "/jobs/"+want[2], "")
	if got := listed("carla", ""); slices.Contains(got, want[2]) {
		t.Errorf("a job that was deleted is listed: %v", got)
	}
}

// TestKeys makes a key that may less than its maker, uses and revokes it.
func TestKeys(t *testing.T) {
	w := guarded(t)
	id := w.echo(t, "anna")
	create := func(token, body string) answer {
		return w.as(t, token, "POST", "/auth/keys", body, "Content-Type", "application/json")
	}
	var key struct{ ID, Key string }
	a := create("anna", `{"name": "instrument", "role": "viewer", "days": 7}`)
	if err := json.Unmarshal([]byte(a.body), &key); err != nil || a.status != 201 || !strings.HasPrefix(key.Key, "eemt_") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, bad := range []string{`{"name": "x", "role": "operator"}`, `{"name": "x", "days": 400}`, `{"name": ""}`, `{"name": "x", "scope": "all"}`, `[`, `{"name": "x", "role": "nobody"}`} {
		if a := create("anna", bad); a.status != 400 {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
	if a := w.as(t, key.Key, "GET", "/jobs/"+id, ""); a.status != 200 {
		t.Errorf("the key reads: %d %s", a.status, a.body)
	}
	if a := w.as(t, key.Key, "DELETE", "/jobs/"+id, ""); a.status != 403 {
		t.Errorf("the key of a viewer deletes: %d", a.status)
	}
	for _, role := range []string{"viewer", "user"} {
		if a := create(key.Key, `{"name": "more", "role": "`+role+`"}`); a.status != 400 || !strings.Contains(a.body, "a key makes no keys") {
			t.Errorf("a key makes one of role %s: %d %s", role, a.status, a.body)
		}
	}
	stored, err := w.Store.Bucket.ReadAll(t.Context(), "auth/keys/"+key.Key[5:21]+"/"+key.ID+".json")
	if err != nil || strings.Contains(string(stored), key.Key[len(key.Key)-20:]) {
		t.Errorf("the bucket has the secret: %s (%v)", stored, err)
	}
	if a := w.as(t, "boris", "DELETE", "/auth/keys/"+key.ID, ""); a.status != 404 {
		t.Errorf("another revokes it: %d", a.status)
	}
	if a := w.as(t, key.Key[:len(key.Key)-1]+"A", "GET", "/jobs", ""); a.status != 401 && key.Key[len(key.Key)-1] != 'A' {
		t.Errorf("a changed key: %d", a.status)
	}
	if a := w.as(t, "anna", "GET", "/auth/keys", ""); !strings.Contains(a.body, "instrument") || strings.Contains(a.body, "sha256") {
		t.Errorf("list: %s", a.body)
	}
	if a := w.as(t, "anna", "DELETE", "/auth/keys/"+key.ID, ""); a.status != 204 {
		t.Errorf("revoked: %d", a.status)
	}
	if a := w.as(t, key.Key, "GET", "/jobs", ""); a.status != 401 {
		t.Errorf("a revoked key: %d", a.status)
	}
	_ = json.Unmarshal([]byte(create("anna", `{"name": "old", "days": 1}`).body), &key)
	w.later(48 * time.Hour)
	if a := w.as(t, key.Key, "GET", "/jobs", ""); a.status != 401 || !strings.Contains(a.body, "expired") {
		t.Errorf("an expired key: %d %s", a.status, a.body)
	}
}

// TestKeysFollowTheirOwner: a key does no more than the youngest token of its owner may, and waits for an owner who stays away.
func TestKeysFollowTheirOwner(t *testing.T) {
	w := newService(t, nil)
	issued := noon
	who := func(role access.Role, groups ...string) access.Caller {
		issued = issued.Add(time.Minute)
		return access.Caller{Owner: "olga", Role: role, Groups: groups, Issued: issued}
	}
	tokens := people{"first": who(access.Operator, "hydrology", "geology"), "anna": {Owner: "anna", Role: access.User}}
	w.with(func(c *submission.Config) {
		c.Access = access.Settings{Authenticator: tokens, Login: access.Login{Mode: "oidc"}}
		c.Echo = true
	})
	key := w.as(t, "first", "POST", "/auth/keys", `{"name": "x", "role": "operator", "days": 366}`).json(t)["key"].(string)
	role := func(want string, groups int) {
		t.Helper()
		a := w.as(t, key, "GET", "/auth", "")
		if a.status == 401 && want == "" {
			return
		}
		m := a.json(t)
		if got, _ := m["groups"].([]any); m["role"] != want || len(got) != groups {
			t.Errorf("%s, want %q in %d groups", a.body, want, groups)
		}
	}
	says := func(token string) { w.as(t, token, "GET", "/jobs", "") }
	role("operator", 2)
	tokens["second"] = who(access.User, "hydrology", "physics")
	says("second")
	role("user", 1)
	if a := w.as(t, key, "GET", "/api/cleanup/status", ""); a.status != 403 {
		t.Errorf("the key of somebody who was an operator: %d", a.status)
	}
	says("first") // a token from before, which has not expired
	role("user", 1)
	w.with(func(*submission.Config) {}) // another replica
	says("first")
	role("user", 1)
	tokens["third"] = who(access.Viewer)
	says("third")
	role("viewer", 0)
	tokens["fourth"] = who(access.Nobody)
	if a := w.as(t, "fourth", "GET", "/jobs", ""); a.status != 401 {
		t.Errorf("a token without a role: %d", a.status)
	}
	role("", 0)
	if a := w.as(t, key, "GET", "/jobs", ""); a.status != 401 || !strings.Contains(a.body, "has no role here any more") {
		t.Errorf("the key of nobody: %d %s", a.status, a.body)
	}
	tokens["fifth"] = who(access.Operator, "hydrology", "geology", "physics")
	says("fifth")
	role("operator", 2) // never more than the key has
	w.later(91 * 24 * time.Hour)
	role("operator", 2)
	w.later(2 * 24 * time.Hour)
	if a := w.as(t, key, "GET", "/jobs", ""); a.status != 401 || !strings.Contains(a.body, "log in once") {
		t.Errorf("after 93 days: %d %s", a.status, a.body)
	}
	says("anna")
	role("", 0)
	says("fifth")
	role("operator", 2)
}

// TestPagesOfOtherSites cannot make a browser change anything, whoever is logged in there.
func TestPagesOfOtherSites(t *testing.T) {
	w := newService(t, nil)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		for _, target := range []string{"/api/cleanup?success_retention_days=0", "/api/submit-job", "/processes/sol/execution", "/uploads", "/events"} {
			if a := w.as(t, "", "POST", target, "", headers...); a.status != 403 {
				t.Errorf("%v POST %s: %d", headers, target, a.status)
			}
		}
	}
	if a := w.as(t, "", "POST", "/api/cleanup?dry_run=true", "", "Sec-Fetch-Site", "same-origin"); a.status == 403 {
		t.Errorf("the own page is refused: %s", a.body)
	}
}

// TestQuota: who has used up what they may have is told when to come again; an operator gives them more.
func TestQuota(t *testing.T) {
	s := guarded(t)
	s.with(func(c *submission.Config) {
		c.Quota = quota.Limits{Jobs: 1}
		c.Estimate = func(param.Workflow, param.Parameters, int, int) inspect.Work {
			return inspect.Work{Seconds: 1800, Cores: 2, Results: 5}
		}
	})
	submit := func(token string) answer {
		kind, form := formOf(t, field{name: "workflow_type", value: "sol"}, field{name: "fresh", value: "true"}, field{"dem_file", hills(t), "dem.tif"})
		return s.as(t, token, "POST", "/api/submit-job", form, "Content-Type", kind)
	}
	if a := submit("anna"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	before := len(keys(t, s.Store.Bucket))
	if a := submit("anna"); a.status != 429 || a.header.Get("Retry-After") != "60" || !strings.Contains(a.body, "the most at a time is 1") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if after := keys(t, s.Store.Bucket); len(after) != before {
		t.Errorf("a refused job left something: %d objects before, %q", before, after)
	}
	if a := submit("boris"); a.status != 200 {
		t.Errorf("another: %d %s", a.status, a.body)
	}
	if a := s.as(t, "anna", "GET", "/auth/quota", ""); !strings.Contains(a.body, `"jobs":1,"core_hours_today":1,"result_bytes_today":5`) {
		t.Errorf("%s", a.body)
	}
	if a := s.as(t, "anna", "PUT", "/auth/quotas/anna", `{"jobs": 100}`); a.status != 403 {
		t.Errorf("anna gives herself more: %d", a.status)
	}
	if a := s.as(t, "ops", "PUT", "/auth/quotas/anna", `{"jobs": 2}`); a.status != 200 {
		t.Errorf("an operator: %d %s", a.status, a.body)
	}
	if a := submit("anna"); a.status != 200 {
		t.Errorf("with more: %d %s", a.status, a.body)
	}
	if a := s.as(t, "ops", "DELETE", "/auth/quotas/anna", ""); a.status != 200 || !strings.Contains(a.body, `"limits":{"jobs":1,`) {
		t.Errorf("reset: %d %s", a.status, a.body)
	}
}

// TestQuotaOfBytes: an owner who has sent or stored as much as they may is told so at every door, and a deletion gives back.
func TestQuotaOfBytes(t *testing.T) {
	s := guarded(t)
	const dem = 70 << 10 // more than is too small to be counted
	large := hills(t) + strings.Repeat("\x00", dem-len(hills(t)))
	s.with(func(c *submission.Config) {
		c.MaxUpload = 1 << 20
		c.Quota = quota.Limits{StoredBytes: 1000, UploadBytes: 250 << 10}
		c.Estimate = func(param.Workflow, param.Parameters, int, int) inspect.Work {
			return inspect.Work{Seconds: 1, Cores: 1, Results: 600}
		}
	})
	used := func(stored, sent float64) {
		t.Helper()
		m, _ := s.as(t, "anna", "GET", "/auth/quota", "").json(t)["used"].(map[string]any)
		if m["stored_bytes"] != stored || m["upload_bytes_today"] != sent {
			t.Errorf("%v, want %g and %g", m, stored, sent)
		}
	}
	kind, form := formOf(t, field{"file", large, "dem.tif"})
	upload := func() answer { return s.as(t, "anna", "POST", "/api/upload-file", form, "Content-Type", kind) }
	first := upload()
	if first.status != 200 {
		t.Fatalf("%d %s", first.status, first.body)
	}
	used(0, float64(len(form)))
	begin := func(size string) answer {
		return s.as(t, "anna", "POST", "/uploads", "", "Tus-Resumable", "1.0.0", "Upload-Length", size, "Upload-Metadata", "filename ZGVtLnRpZg==")
	}
	parts := begin("102400")
	if parts.status != 201 {
		t.Fatalf("%d %s", parts.status, parts.body)
	}
	used(0, float64(len(form))+102400)
	before := keys(t, s.Store.Bucket)
	for door, a := range map[string]answer{
		"parts": begin("100000"), "whole": func() answer { upload(); return upload() }(),
		"job": s.form(t, "anna", field{"dem_file", large, "dem.tif"}), "check": s.as(t, "anna", "POST", "/api/check", form, "Content-Type", kind),
		"standard": s.execute(t, "anna", `, "linke_value": "`+strings.Repeat(" ", 70<<10)+`"`, ""),
	} {
		if a.status != 429 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "the most in a day is") {
			t.Errorf("%s: %d %v %s", door, a.status, a.header, a.body)
		}
	}
	if after := keys(t, s.Store.Bucket); len(after) > len(before)+3 { // one upload more, its checksum and count
		t.Errorf("refused uploads left something: %v", after)
	}
	// What does not say how long it is may bring what is left.
	chunked, err := http.NewRequestWithContext(t.Context(), "POST", s.http.URL+"/api/upload-file", io.MultiReader(strings.NewReader(form)))
	if err != nil {
		t.Fatal(err)
	}
	chunked.Header.Set("Content-Type", kind)
	chunked.Header.Set("Authorization", "Bearer anna")
	res, err := http.DefaultClient.Do(chunked)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 429 {
		t.Errorf("without a length: %s", res.Status)
	}
	if a := s.as(t, "boris", "POST", "/api/upload-file", form, "Content-Type", kind); a.status != 200 {
		t.Errorf("another: %d %s", a.status, a.body)
	}
	if a := s.as(t, "ops", "PUT", "/auth/quotas/anna", `{"upload_bytes_per_day": 1000000}`); a.status != 200 || !strings.Contains(a.body, `"stored_bytes":1000,`) {
		t.Errorf("an operator: %d %s", a.status, a.body)
	}
	if a := upload(); a.status != 200 {
		t.Errorf("with more: %d %s", a.status, a.body)
	}
	if a := s.as(t, "anna", "DELETE", "/uploads/"+path.Base(parts.header.Get("Location")), "", "Tus-Resumable", "1.0.0"); a.status != 204 {
		t.Errorf("%d %s", a.status, a.body)
	}
	m, _ := s.as(t, "anna", "GET", "/auth/quota", "").json(t)["used"].(map[string]any)
	if got, _ := m["upload_bytes_today"].(float64); got >= 102400+3*float64(len(form)) {
		t.Errorf("what was cancelled counts: %v", m)
	}

	name := field{name: "uploaded_filename", value: first.json(t)["filename"].(string)}
	id, _ := taken(t, s.form(t, "anna", name))
	if a := s.form(t, "anna", name, field{name: "step", value: "30"}); a.status != 403 || !strings.Contains(a.body, "would take 1.2 kB, the most is 1") || a.header.Get("Retry-After") != "" {
		t.Errorf("more than may be stored: %d %s", a.status, a.body)
	}
	if again, existing := taken(t, s.form(t, "anna", name)); again != id || !existing {
		t.Error("what is done already is refused")
	}
	if a := s.as(t, "anna", "POST", "/jobs/"+id+"/shares", ""); a.status != 201 {
		t.Fatal(a.body)
	}
	s.end(t, id, job.Completed)
	s.put(t, job.ResultKey(id, "a.tif"), strings.Repeat("x", 450))
	if m, _ := s.as(t, "anna", "GET", "/auth/quota", "").json(t)["used"].(map[string]any); m["stored_bytes"] != 450.0 {
		t.Errorf("%v", m)
	}
	if a := s.as(t, "anna", "DELETE", "/jobs/"+id, ""); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if m, _ := s.as(t, "anna", "GET", "/auth/quota", "").json(t)["used"].(map[string]any); m["stored_bytes"] != 0.0 {
		t.Errorf("%v", m)
	}
	if a := s.form(t, "anna", field{"dem_file", hills(t), "dem.tif"}, field{name: "step", value: "30"}); a.status != 200 {
		t.Errorf("after a deletion: %d %s", a.status, a.body)
	}
}

// TestAudit: who changed a job stands in the log and beside the job, without what would let others in.
func TestAudit(t *testing.T) {
	s := guarded(t)
	var log bytes.Buffer
	s.with(func(c *submission.Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	id := s.echo(t, "anna")
	s.as(t, "anna", "PUT", "/jobs/"+id+"/keep", `{"pinned": true}`, "Content-Type", "application/json")
	link := s.as(t, "anna", "POST", "/jobs/"+id+"/shares", "").json(t)["link"].(string)
	_, ticket, _ := strings.Cut(link, "ticket=")
	s.as(t, "", "GET", "/jobs/"+id+"?ticket="+ticket, "")
	s.as(t, "boris", "DELETE", "/jobs/"+id, "")
	s.as(t, "boris", "POST", "/api/cleanup", "")
	s.as(t, "eemt_forged", "GET", "/jobs", "")
	s.as(t, "anna", "DELETE", "/jobs/"+id+"/keep", "")
	key := s.as(t, "anna", "POST", "/auth/keys", `{"name": "x"}`).json(t)["key"].(string)
	s.as(t, key, "GET", "/jobs", "")
	var noted []string
	for _, k := range keys(t, s.Store.Bucket) {
		if strings.HasPrefix(k, job.Prefix(id)+"audit/") {
			data, err := s.Store.Bucket.ReadAll(t.Context(), k)
			if err != nil {
				t.Fatal(err)
			}
			noted = append(noted, string(data))
		}
	}
	if all := strings.Join(noted, "\n"); len(noted) != 3 || strings.Contains(all, "boris") || !strings.Contains(all, `"action":"job pinned"`) {
		t.Errorf("noted: %s", all)
	}
	for _, want := range []string{
		`"msg":"audit","action":"job pinned","owner":"anna"`, `"action":"job shared"`, `"action":"job unpinned"`, `"action":"key created"`,
		`"action":"access denied","owner":"boris","role":"user","job":"` + id + `","request":"DELETE /jobs/:id"`,
		`"action":"access denied","owner":"boris","role":"user","job":"","request":"POST /api/cleanup"`, `"action":"credentials refused","reason":`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
	for _, secret := range []string{ticket, key, "Bearer"} {
		if strings.Contains(log.String(), secret) || strings.Contains(strings.Join(noted, ""), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// TestHurry: who asks too often for what is costly is told to wait, and nobody else is.
func TestHurry(t *testing.T) {
	s := guarded(t)
	s.with(func(c *submission.Config) { c.Now = func() time.Time { return noon } })
	refused := 0
	for range 30 {
		if a := s.as(t, "ops", "GET", "/api/cleanup/status", ""); a.status == 429 && a.header.Get("Retry-After") == "2" {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d of 30 were refused", refused)
	}
	if a := s.as(t, "anna", "GET", "/api/check?uploaded_filename=x", ""); a.status == 429 {
		t.Errorf("another: %d", a.status)
	}
	if a := s.as(t, "ops", "GET", "/jobs", ""); a.status != 200 {
		t.Errorf("what is not costly: %d", a.status)
	}
	s.with(func(c *submission.Config) { c.Now = func() time.Time { return noon.Add(time.Minute) } })
	if a := s.as(t, "ops", "GET", "/api/cleanup/status", ""); a.status != 200 {
		t.Errorf("a minute later: %d", a.status)
	}
}
