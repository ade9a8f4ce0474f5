package submission

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
)

// stall is how long a body may bring nothing.
func (s *Service) stall() time.Duration {
	if s.Stall > 0 {
		return s.Stall
	}
	return time.Minute
}

// guarded ends a request whose body has stalled, and refuses one that claims to be
// larger than anything taken here before a byte of it is read.
func (s *Service) guarded(c *gin.Context) {
	if strings.HasPrefix(c.Request.URL.Path, "/uploads") || c.Request.Body == nil || c.Request.Body == http.NoBody {
		c.Next()
		return
	}
	const overhead = 2 << 20 // of a form around its file
	most := max(s.MaxUpload+overhead, ogc.MaxInline)
	if n := c.Request.ContentLength; s.MaxUpload > 0 && n > most {
		c.Header("Connection", "close")
		err := problem.TooLarge("a body of "+strconv.FormatInt(n, 10)+" bytes", s.MaxUpload)
		if strings.HasPrefix(c.Request.URL.Path, "/api/") {
			c.JSON(http.StatusRequestEntityTooLarge, gin.H{"detail": err.Error()})
		} else {
			s.answer.Problem(c, err)
		}
		c.Abort()
		return
	}
	if s.MaxUpload > 0 {
		// One that does not say how long it is, ends there too.
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, most)
	}
	w := &watched{ReadCloser: c.Request.Body, control: http.NewResponseController(c.Writer), stall: s.stall()}
	w.timer = time.AfterFunc(w.stall, w.late)
	w.timer.Stop()
	defer w.timer.Stop()
	c.Request.Body = w
	c.Next()
}

// watched bounds how long each read may take. Between reads, and once the body has come, the client is not waited for:
// a deadline then would end the request's context under the work on it.
type watched struct {
	io.ReadCloser
	control *http.ResponseController
	stall   time.Duration
	timer   *time.Timer

	mu            sync.Mutex
	reading, past bool
}

func (w *watched) Read(p []byte) (int, error) {
	w.mu.Lock()
	w.reading = true
	w.timer.Reset(w.stall)
	w.mu.Unlock()
	n, err := w.ReadCloser.Read(p)
	w.timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reading = false
	if w.past && (err == nil || errors.Is(err, io.EOF)) { // it came at the last moment
		w.past = false
		_ = w.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// late ends the read under way.
func (w *watched) late() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reading {
		w.past = true
		_ = w.control.SetReadDeadline(time.Unix(1, 0))
	}
}
