package access

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
)

// Routes adds what lets people log in, and others in.
func (g *Guard) Routes(r *gin.Engine, get func(string, ...gin.HandlerFunc)) {
	get("/auth", g.login)
	get("/auth/keys", g.keys)
	r.POST("/auth/keys", g.createKey)
	r.DELETE("/auth/keys/:key", g.revokeKey)
	r.POST("/jobs/:id/tickets", g.ticket)
	get("/jobs/:id/shares", g.shares)
	r.POST("/jobs/:id/shares", g.share)
	r.DELETE("/jobs/:id/shares/:share", g.revokeShare)
}

// login tells how to log in, and who the caller is.
func (g *Guard) login(c *gin.Context) {
	who := From(c.Request.Context())
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, struct {
		Login
		Owner  string   `json:"owner,omitempty"`
		Groups []string `json:"groups,omitempty"`
		Role   string   `json:"role"`
	}{g.Login, who.Owner, who.Groups, who.Role.String()})
}

func (g *Guard) keys(c *gin.Context) {
	list, err := g.Keys.List(c.Request.Context(), From(c.Request.Context()))
	if err != nil {
		g.Answer.Problem(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"keys": list})
}

func (g *Guard) createKey(c *gin.Context) {
	want := struct {
		Name string `json:"name"`
		Role Role   `json:"role"`
		Days int    `json:"days"`
	}{Role: Viewer, Days: usualKey}
	if err := answer.Body(c, &want); err != nil {
		g.Answer.Problem(c, err)
		return
	}
	text, k, err := g.Keys.Create(c.Request.Context(), From(c.Request.Context()), want.Name, want.Role, want.Days)
	if err != nil {
		g.Answer.Problem(c, err)
		return
	}
	Audit(c, g.Log, "key created", "key", k.ID, "role", k.Role.String(), "expires", k.Expires)
	c.JSON(http.StatusCreated, struct {
		Key
		Text string `json:"key"`
	}{k, text})
}

func (g *Guard) revokeKey(c *gin.Context) {
	id := c.Param("key")
	if err := g.Keys.Revoke(c.Request.Context(), From(c.Request.Context()), id); err != nil {
		g.Answer.Problem(c, err)
		return
	}
	Audit(c, g.Log, "key revoked", "key", id)
	c.Status(http.StatusNoContent)
}

// exists answers a request for a job that is not there, and reports whether there is one: operators may ask for any id.
func (g *Guard) exists(c *gin.Context) bool {
	_, err := g.Store.Request(c.Request.Context(), c.Param("id"))
	switch {
	case errors.Is(err, job.ErrNotFound):
		g.Answer.Problem(c, problem.NoSuchJob(c.Param("id")))
	case err != nil:
		g.Answer.Problem(c, err)
	}
	return err == nil
}

func (g *Guard) ticket(c *gin.Context) {
	if !g.exists(c) {
		return
	}
	id := c.Param("id")
	text, expires, err := g.Grants.Ticket(c.Request.Context(), id)
	if err != nil {
		g.Answer.Problem(c, err)
		return
	}
	c.JSON(http.StatusCreated, gin.H{"ticket": text, "expires": expires})
}

func (g *Guard) shares(c *gin.Context) {
	if !g.exists(c) {
		return
	}
	list, err := g.Grants.Shares(c.Request.Context(), c.Param("id"))
	if err != nil {
		g.Answer.Problem(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"shares": list})
}

func (g *Guard) share(c *gin.Context) {
	if !g.exists(c) {
		return
	}
	want := struct {
		Group string `json:"group"`
		Days  int    `json:"days"`
	}{Days: usualShare}
	if err := answer.Body(c, &want); err != nil {
		g.Answer.Problem(c, err)
		return
	}
	id := c.Param("id")
	text, s, err := g.Grants.Share(c.Request.Context(), From(c.Request.Context()), id, want.Group, want.Days)
	if err != nil {
		g.Answer.Problem(c, err)
		return
	}
	out := struct {
		Share
		Link string `json:"link,omitempty"`
	}{Share: s}
	if text != "" {
		// The page takes what stands behind # itself: a link is in no log of a server or a proxy.
		out.Link = answer.Base(c) + "/monitor#" + id + "&ticket=" + text
	}
	c.JSON(http.StatusCreated, out)
}

func (g *Guard) revokeShare(c *gin.Context) {
	if !g.exists(c) {
		return
	}
	id, share := c.Param("id"), c.Param("share")
	if err := g.Grants.Revoke(c.Request.Context(), id, share); err != nil {
		g.Answer.Problem(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// Audit logs who did what.
func Audit(c *gin.Context, log *slog.Logger, action string, more ...any) {
	who := From(c.Request.Context())
	log.Info("audit", append([]any{"action", action, "owner", who.Owner, "role", who.Role.String()}, more...)...)
}
