package submission

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/upload"
	"github.com/cyverse-gis/eemt/shared/fault"
)

// stall is how long a body may bring nothing.
func (s *Service) stall() time.Duration {
	if s.Stall > 0 {
		return s.Stall
	}
	return time.Minute
}

const (
	// leastRate is how many bytes a second a body has to bring on average, once it was waited for graceTime.
	leastRate = 10_000
	graceTime = 30 * time.Second
	// longestFile bounds how long a body with files may be waited for, longestText any other.
	longestFile = time.Hour
	longestText = 5 * time.Minute
	// afterAnswer bounds how long the rest of a body that nobody wanted is waited for.
	afterAnswer = 5 * time.Second
)

// guarded ends a request whose body stalls or comes too slowly, and refuses one that claims to be
// larger than anything taken here before a byte of it is read.
func (s *Service) guarded(c *gin.Context) {
	if c.Request.Body == nil || c.Request.Body == http.NoBody {
		c.Next()
		return
	}
	if parts := strings.HasPrefix(c.Request.URL.Path, "/uploads"); !parts && !s.bounded(c) { // the protocol of parts has bounds of its own
		return
	}
	w := &watched{ReadCloser: c.Request.Body, control: http.NewResponseController(c.Writer), stall: s.stall(), longest: longestOf(c.ContentType())}
	w.timer = time.AfterFunc(w.stall, w.late)
	w.timer.Stop()
	defer w.timer.Stop()
	c.Request.Body = w
	c.Next()
	w.finish()
}

// bounded bounds the size of a body. It answers a request whose body claims to be larger.
func (s *Service) bounded(c *gin.Context) bool {
	if s.MaxUpload <= 0 {
		return true
	}
	most := s.mostBody()
	if n := c.Request.ContentLength; n > most {
		c.Header("Connection", "close")
		err := problem.TooLarge("a body of "+strconv.FormatInt(n, 10)+" bytes", s.MaxUpload)
		if strings.HasPrefix(c.Request.URL.Path, "/api/") {
			c.JSON(http.StatusRequestEntityTooLarge, gin.H{"detail": err.Error()})
		} else {
			s.answer.Problem(c, err)
		}
		c.Abort()
		return false
	}
	// One that does not say how long it is, ends there too.
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, most)
	return true
}

// mostBody is how many bytes a body may have that is no part of an upload.
func (s *Service) mostBody() int64 {
	const overhead = 2 << 20 // of a form around its file
	return max(s.MaxUpload+overhead, ogc.MaxInline)
}

// longestOf is how long a body of a content type may be waited for.
func longestOf(kind string) time.Duration {
	if strings.HasPrefix(kind, "multipart/") || kind == upload.PartType {
		return longestFile
	}
	return longestText
}

// watched bounds how long each read may take, and all of them together. Between reads, and once the body has come, the
// client is not waited for: a deadline then would end the request's context under the work on it.
type watched struct {
	io.ReadCloser
	control *http.ResponseController
	stall   time.Duration
	longest time.Duration
	timer   *time.Timer

	// waited is how long reads took so far, got what they brought, bytes; ended says that it was all.
	waited time.Duration
	got    int64
	ended  bool

	mu            sync.Mutex
	reading, past bool
}

// slow ends the body of a client that is too slow. It is a timeout of the network, as the protocol of parts expects.
type slow struct{ error }

func (slow) FaultKind() fault.Kind { return fault.Invalid }
func (slow) Timeout() bool         { return true }
func (slow) Temporary() bool       { return true }

var errSlow net.Error = slow{errors.New("the body came too slowly: it has to bring something every minute, 10 kB a second on average after 30 seconds, a file within an hour, and anything else within 5 minutes")}

// left is how long the next read may take.
func (w *watched) left() time.Duration {
	earned := graceTime + time.Duration(float64(w.got)/leastRate*float64(time.Second))
	return min(w.stall, min(earned, w.longest)-w.waited)
}

func (w *watched) Read(p []byte) (int, error) {
	left := w.left()
	if left <= 0 {
		w.mu.Lock()
		w.past = true
		w.mu.Unlock()
		_ = w.control.SetReadDeadline(time.Unix(1, 0))
		return 0, errSlow
	}
	w.mu.Lock()
	w.reading = true
	w.timer.Reset(left)
	w.mu.Unlock()
	began := time.Now()
	n, err := w.ReadCloser.Read(p)
	w.timer.Stop()
	w.waited += time.Since(began)
	w.got += int64(n)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = w.ended || errors.Is(err, io.EOF)
	w.reading = false
	switch {
	case !w.past:
	case err == nil || errors.Is(err, io.EOF): // it came at the last moment
		w.past = false
		_ = w.control.SetReadDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errSlow
	}
	return n, err
}

// finish bounds how long the server reads what is left of a body, of which it takes a little after the answer.
func (w *watched) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended && !w.past {
		_ = w.control.SetReadDeadline(time.Now().Add(afterAnswer))
	}
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
