package quota

import (
	"io"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/access"
)

// smallBody is what is not counted, in bytes.
const smallBody = 64 << 10

// Body counts the body of a request against the uploads of its caller, before it comes.
func (a API) Body(c *gin.Context) {
	ctx, owner, length := c.Request.Context(), access.From(c.Request.Context()).Owner, c.Request.ContentLength
	if owner == "" || length >= 0 && length <= smallBody {
		return
	}
	u, err := a.Book.BeginUpload(ctx, owner, a.NewID(), length, a.MaxBody)
	if err != nil {
		c.Header("Connection", "close")
		if strings.HasPrefix(c.Request.URL.Path, "/api/") {
			a.Answer.Refuse(c, err)
		} else {
			a.Answer.Problem(c, err)
		}
		c.Abort()
		return
	}
	body := u.Reader(c.Request.Body)
	c.Request.Body = struct {
		io.Reader
		io.Closer
	}{body, c.Request.Body}
	c.Next()
	if err := u.End(ctx, body.Came); err != nil {
		a.Log.Error("the bytes of an upload are counted as announced", "owner", owner, "error", err)
	}
}
