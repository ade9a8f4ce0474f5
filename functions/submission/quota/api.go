package quota

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/functions/submission/answer"
)

// API shows quotas, and lets operators change them.
type API struct {
	Book   Book
	Answer answer.Writer
	Log    *slog.Logger
	// NewID returns a fresh ULID.
	NewID func() string
	// MaxBody bounds a body that does not say how long it is, in bytes.
	MaxBody int64
}

// Own shows the caller's limits and usage.
func (a API) Own(c *gin.Context) { a.show(c, access.From(c.Request.Context()).Owner) }

// Get shows those of an owner.
func (a API) Get(c *gin.Context) { a.show(c, c.Param("owner")) }

func (a API) show(c *gin.Context, owner string) {
	ctx := c.Request.Context()
	limits, err := a.Book.Limits(ctx, owner)
	var used Usage
	if err == nil && owner != "" {
		used, err = a.Book.Usage(ctx, owner)
	}
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"owner": owner, "limits": limits, "used": used})
}

// Put gives an owner limits of their own.
func (a API) Put(c *gin.Context) {
	l, err := a.Book.Limits(c.Request.Context(), c.Param("owner")) // what the request does not name stays
	if err == nil {
		err = answer.Body(c, &l)
	}
	if err == nil {
		err = a.Book.SetLimits(c.Request.Context(), c.Param("owner"), l)
	}
	a.changed(c, err, fmt.Sprintf("%+v", l))
}

// Delete lets the usual limits hold for an owner again.
func (a API) Delete(c *gin.Context) {
	a.changed(c, a.Book.ResetLimits(c.Request.Context(), c.Param("owner")), "usual")
}

func (a API) changed(c *gin.Context, err error, limits string) {
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	access.Audit(c, a.Log, "quota changed", "of", c.Param("owner"), "limits", limits)
	a.Get(c)
}
