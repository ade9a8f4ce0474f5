package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/maypok86/otter/v2"
	"gocloud.dev/blob"
	"golang.org/x/time/rate"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
)

// Login says how people and programs get a token; it is public.
type Login struct {
	// Mode is none, token, proxy or oidc.
	Mode     string `json:"mode"`
	Issuer   string `json:"issuer,omitempty"`
	Audience string `json:"audience,omitempty"`
	// ClientID is that of the page and of the command line, which have no secret.
	ClientID string `json:"client_id,omitempty"`
	Scopes   string `json:"scopes,omitempty"`
}

// Settings say who may use a service.
type Settings struct {
	// Authenticator tells who sent a request; nil lets everybody do everything.
	Authenticator Authenticator
	Login         Login
}

// Guard decides about every request before its handler sees it.
type Guard struct {
	Settings
	Store  job.Store
	Keys   Keys
	Grants *Grants
	// Standings are what tokens said of owners.
	Standings *Standings
	Now       func() time.Time
	Log       *slog.Logger
	Answer    answer.Writer

	// owners are the owners of jobs that were asked for, which never change.
	owners *otter.Cache[string, string]
	// rates are how often callers ask for what is costly.
	rates *otter.Cache[string, *rate.Limiter]
}

const (
	// mostAtOnce and pauseOfCostly bound how often a caller asks for what is costly: so many times at once, then once in a
	// pause.
	mostAtOnce    = 20
	pauseOfCostly = 2 * time.Second
)

// costly are routes that read many objects, or decode a file, for a small request.
var costly = map[string]bool{"GET /api/check": true, "POST /api/check": true, "GET /api/cleanup/status": true, "POST /api/cleanup": true}

// hurried refuses a caller who asks too often for what is costly.
func (g *Guard) hurried(c *gin.Context, who Caller) error {
	if !costly[c.Request.Method+" "+c.FullPath()] || who.Owner == "" {
		return nil
	}
	l, ok := g.rates.GetIfPresent(who.Owner)
	if !ok {
		l, _ = g.rates.SetIfAbsent(who.Owner, rate.NewLimiter(rate.Every(pauseOfCostly), mostAtOnce))
	}
	if l.AllowN(g.Now(), 1) {
		return nil
	}
	c.Header("Retry-After", strconv.Itoa(int(pauseOfCostly.Seconds())))
	return fault.New(fault.Exhausted, fmt.Errorf("too many requests of this kind: %d at once, then one in %s", mostAtOnce, pauseOfCostly))
}

// mostOwners bounds the owners that are kept.
const mostOwners = 10_000

// NewGuard fills what a Guard keeps to itself.
func NewGuard(g Guard) *Guard {
	g.owners = otter.Must(&otter.Options[string, string]{MaximumSize: mostOwners})
	g.rates = otter.Must(&otter.Options[string, *rate.Limiter]{MaximumSize: mostOwners})
	g.Standings = NewStandings(g.Store.Bucket, g.Now)
	if g.Login.Mode == "" {
		g.Login.Mode = "none"
	}
	if g.Authenticator == nil {
		g.Authenticator = Open{}
	} else {
		g.Authenticator = Chain{g.Keys, g.Authenticator}
	}
	return &g
}

// need is what a route asks of its caller.
type need int

const (
	// operators alone: what no rule names is theirs.
	operators need = iota
	// public needs nothing.
	public
	// elsewhere is what has senders of its own, who are looked at where it is taken: their tokens are none of a caller.
	elsewhere
	// own lists or reads what belongs to the caller.
	own
	// submits makes jobs, or brings files for them.
	submits
	// reads one job, changes one.
	reads
	changes
)

// rules name what the routes need that are not of one job. A route of a job reads it, by GET or HEAD, or changes it.
var rules = map[string]need{
	"GET /": public, "GET /monitor": public, "GET /app.js": public, "GET /style.css": public, "GET /icon.svg": public,
	"GET /static/:asset": public, "GET /health": public, "GET /healthz": public, "GET /conformance": public, "GET /api": public,
	"GET /openapi.json": public, "GET /docs": public, "GET /redoc": public, "GET /processes": public, "GET /processes/:id": public,
	"GET /auth": public, "OPTIONS /uploads": public, "OPTIONS /uploads/:name": public,
	"POST /events": elsewhere, "OPTIONS /events": elsewhere, "POST /events/notices": elsewhere, "OPTIONS /events/notices": elsewhere,
	"POST /events/notices/:secret": elsewhere, "OPTIONS /events/notices/:secret": elsewhere,

	"GET /jobs": own, "GET /api/jobs": own, "GET /api/system/status": own, "GET /auth/keys": own, "GET /auth/quota": own, "POST /auth/keys": own,
	"DELETE /auth/keys/:key": own, "GET /stac": own, "GET /stac/collections/:collection": own, "GET /stac/collections/:collection/items": own,

	"POST /processes/:id/execution": submits, "POST /api/upload-file": submits, "POST /api/submit-job": submits,
	"POST /api/sign-upload": submits, "GET /api/check": submits, "POST /api/check": submits, "POST /uploads": submits,
	"HEAD /uploads/:name": submits, "PATCH /uploads/:name": submits, "DELETE /uploads/:name": submits,

	"POST /jobs/:id/tickets": reads, "GET /jobs/:id/shares": changes, // who shares a job knows with whom

	"POST /api/cleanup": operators, "GET /api/cleanup/status": operators,
	"GET /stac/catalog.json": operators, "GET /stac/:collection/collection.json": operators, "GET /stac/:collection/:day/catalog.json": operators,
}

// needOf is what a route needs.
func needOf(method, route string) need {
	if n, ok := rules[method+" "+route]; ok {
		return n
	}
	if method == http.MethodHead {
		if n, ok := rules["GET "+route]; ok {
			return n
		}
	}
	if strings.HasPrefix(route, "/jobs/:id") || strings.HasPrefix(route, "/api/jobs/:id") {
		if method == http.MethodGet || method == http.MethodHead {
			return reads
		}
		return changes
	}
	return operators
}

// Admit lets a request through to its handler, with its caller in its context, or answers it: 401 without credentials that
// are valid, 403 for what the caller's role may not do, 404 for the job of somebody else.
func (g *Guard) Admit(c *gin.Context) {
	if c.FullPath() == "" {
		return // there is nothing, which everybody may know
	}
	n := needOf(c.Request.Method, c.FullPath())
	if n == elsewhere {
		return
	}
	who, err := g.Authenticator.Authenticate(c.Request)
	if errors.Is(err, ErrNone) && (n == public || n == reads && c.Query("ticket") != "") {
		who, err = Caller{}, nil
	}
	if who.Owner != "" && who.Key == "" {
		if err := g.Standings.Note(c.Request.Context(), who); err != nil {
			g.Log.Error("the role of an owner is not noted: keys go by what was noted before", "owner", who.Owner, "error", err)
		}
	}
	if err != nil {
		g.refuse(c, err)
		return
	}
	if g.Login.Mode != "none" {
		c.Header("Cache-Control", "private, no-cache")
	}
	c.Request = c.Request.WithContext(With(c.Request.Context(), who))
	err = g.decide(c, n, who)
	if err == nil {
		err = g.hurried(c, who)
	}
	if err != nil {
		g.denied(c, who, err)
		g.Answer.Problem(c, err)
		c.Abort()
	}
	if action := actions[c.Request.Method+" "+c.FullPath()]; action != "" && !c.IsAborted() {
		c.Next()
		if c.Writer.Status() < http.StatusBadRequest {
			g.record(c, action)
		}
	}
}

// Protect tells browsers what they may do with an answer. Pages replace the policy by one of their own.
func Protect(c *gin.Context) {
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Content-Security-Policy", "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	c.Header("Referrer-Policy", "no-referrer")
	// A browser that came over https never comes over http again. The names of a machine itself are left alone: its other
	// programs have them too.
	if scheme, host := answer.Origin(c.Request); scheme == "https" && !isLoopback(host) {
		c.Header("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
}

// isLoopback reports a name by which a machine calls itself, with a port or without.
func isLoopback(host string) bool {
	name := hostName(host)
	return slices.Contains(Loopback, name) || strings.HasSuffix(name, ".localhost")
}

// denied logs that somebody may not do what they ask for, or asks for what is another's. A job that is not there is no such
// request.
func (g *Guard) denied(c *gin.Context, who Caller, err error) {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return
	}
	_, another := g.owners.GetIfPresent(c.Param("id"))
	if p.Status == http.StatusForbidden || p.Status == http.StatusNotFound && another {
		g.Log.Warn("audit", "action", "access denied", "owner", who.Owner, "role", who.Role.String(), "job", c.Param("id"), "request", c.Request.Method+" "+c.FullPath())
	}
}

// actions are what routes do that change a job, or many.
var actions = map[string]string{
	"DELETE /jobs/:id": "job cancelled or deleted", "DELETE /api/jobs/:id": "job deleted", "POST /api/jobs/:id/cancel": "job cancelled",
	"PUT /jobs/:id/keep": "job pinned", "DELETE /jobs/:id/keep": "job unpinned", "POST /jobs/:id/shares": "job shared",
	"DELETE /jobs/:id/shares/:share": "share revoked", "POST /api/cleanup": "cleaned up",
}

// record logs who did what, and notes it in the bucket beside the job that it was done to.
func (g *Guard) record(c *gin.Context, action string) {
	id := c.Param("id")
	Audit(c, g.Log, action, "job", id)
	who := From(c.Request.Context())
	if id == "" || who.Owner == "" {
		return
	}
	ctx := context.WithoutCancel(c.Request.Context())
	if there, err := g.Store.Bucket.Exists(ctx, job.Prefix(id)+"job.json"); err != nil || !there {
		return // it was deleted
	}
	data, err := json.Marshal(map[string]any{"at": g.Now().UTC(), "owner": who.Owner, "role": who.Role, "action": action})
	if err == nil {
		err = g.Store.Bucket.WriteAll(ctx, job.Prefix(id)+"audit/"+g.Keys.NewID()+".json", data, &blob.WriterOptions{ContentType: "application/json"})
	}
	if err != nil {
		g.Log.Error("who changed a job could not be noted beside it", "job", id, "error", err)
	}
}

// refuse answers a request whose credentials are missing or not valid.
func (g *Guard) refuse(c *gin.Context, err error) {
	if fault.Is(err, fault.Unavailable) {
		g.Answer.Problem(c, err)
		c.Abort()
		return
	}
	challenge := `Bearer realm="eemt"`
	if !errors.Is(err, ErrNone) {
		g.Log.Warn("audit", "action", "credentials refused", "reason", err.Error(), "request", c.Request.Method+" "+c.FullPath())
		challenge += `, error="invalid_token"`
	}
	c.Header("WWW-Authenticate", challenge)
	c.Header("Cache-Control", "no-store")
	g.Answer.Problem(c, problem.Plain(http.StatusUnauthorized, err.Error()+"; GET /auth says where to get one"))
	c.Abort()
}

func (g *Guard) decide(c *gin.Context, n need, who Caller) error {
	least := map[need]Role{own: Viewer, submits: User, operators: Operator}[n]
	if who.Role < least {
		return problem.Plain(http.StatusForbidden, "your role is "+who.Role.String()+": this needs "+least.String())
	}
	name := c.Param("name")
	switch {
	case n == reads, n == changes:
		return g.job(c, n, who)
	case n == submits && name != "" && !who.MayName(job.InputPrefix+name):
		c.String(http.StatusNotFound, "there is no such upload\n") // in the form of the protocol tus
		c.Abort()
	}
	return nil
}

// job decides about a request for one job.
func (g *Guard) job(c *gin.Context, n need, who Caller) error {
	if who.Role == Operator {
		return nil
	}
	ctx, id := c.Request.Context(), c.Param("id")
	owner, known := g.owners.GetIfPresent(id)
	if !known {
		r, err := g.Store.Request(ctx, id)
		if errors.Is(err, job.ErrNotFound) {
			return problem.NoSuchJob(id)
		}
		if err != nil {
			return err
		}
		owner = r.Owner
		g.owners.Set(id, owner)
	}
	if who.Owns(job.Request{Owner: owner}) {
		if n == changes && who.Role < User {
			return problem.Plain(http.StatusForbidden, "your role is viewer: this needs user")
		}
		return nil
	}
	if n == changes {
		return problem.NoSuchJob(id)
	}
	opened, err := g.Grants.Member(ctx, who, id)
	looks := c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead
	if text := c.Query("ticket"); err == nil && !opened && looks && text != "" {
		if opened, err = g.Grants.Opens(ctx, text, id); opened {
			c.Header("Referrer-Policy", "no-referrer")
			who.Job = id
			c.Request = c.Request.WithContext(With(ctx, who))
		}
	}
	switch {
	case err != nil:
		return err
	case !opened && who.Role == Nobody:
		return problem.Plain(http.StatusUnauthorized, "the ticket is not of this job, or has expired: ask for another")
	case !opened:
		return problem.NoSuchJob(id)
	}
	return nil
}
