// Package progress tells clients how jobs go, as they watch and by calling them.
package progress

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/singleflight"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
)

const (
	// mostStreams bounds the streams of progress that are open at a time where nothing else does. Clients beyond that are
	// refused, and poll.
	mostStreams = 128
	// longestStream ends a stream: a browser opens it again, perhaps at another replica.
	longestStream = 4 * time.Minute
	// aliveEvery is how often a comment is sent on a stream without news, so that proxies keep it open and this service
	// notices clients that have gone.
	aliveEvery = 15 * time.Second
	// slowestWrite bounds how long a client may take for what it is sent.
	slowestWrite = 10 * time.Second
)

// Streams sends server-sent events to clients that watch a job.
type Streams struct {
	Jobs joblist.Reader
	// View is a job as events show it.
	View   func(job.Status) gin.H
	Answer answer.Writer
	// Concurrency is how many requests are let in at a time; 0 if nobody bounds them. Streams take a quarter at most, so that
	// clients that watch keep nobody out.
	Concurrency int
	// Stopping ends the streams when it is closed; nil never does.
	Stopping <-chan struct{}

	open  atomic.Int32
	reads singleflight.Group
}

// most is how many streams may be open at a time.
func (s *Streams) most() int {
	if s.Concurrency <= 0 {
		return mostStreams
	}
	return min(mostStreams, max(1, s.Concurrency/4))
}

func (s *Streams) enter() bool {
	if s.open.Add(1) > int32(s.most()) {
		s.open.Add(-1)
		return false
	}
	return true
}

func (s *Streams) leave() { s.open.Add(-1) }

// status reads the status of a job. The streams of a job that need it at the same time share one reading, which for a
// job of many tiles takes long.
func (s *Streams) status(ctx context.Context, id string) (job.Status, error) {
	st, err, _ := s.reads.Do(id, func() (any, error) { return s.Jobs.Status(context.WithoutCancel(ctx), id) })
	if err != nil {
		return job.Status{}, err
	}
	return st.(job.Status), ctx.Err()
}

// Get tells the course of a job as server-sent events: "status" with the
// job as /api/jobs/ID has it whenever something changes, "end" once it has ended.
func (s *Streams) Get(c *gin.Context) {
	ctx, id := c.Request.Context(), c.Param("id")
	if _, err := s.Jobs.Status(ctx, id); err != nil {
		s.Answer.Problem(c, err)
		return
	}
	if !s.enter() {
		c.Header("Retry-After", "5")
		s.Answer.Problem(c, problem.Plain(http.StatusServiceUnavailable, fmt.Sprintf("%d streams of progress are open, which is all there are; ask for /jobs/%s instead", s.most(), id)))
		return
	}
	defer s.leave()
	c.Header("Content-Type", "text/event-stream")
	c.Header("Cache-Control", "no-store")
	c.Header("X-Accel-Buffering", "no")
	c.Status(http.StatusOK)
	control := http.NewResponseController(c.Writer)
	send := func(format string, args ...any) bool {
		slow := time.AfterFunc(slowestWrite, func() { _ = control.SetWriteDeadline(time.Unix(1, 0)) })
		defer slow.Stop()
		if _, err := fmt.Fprintf(c.Writer, format, args...); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	if !send("retry: 2000\n\n") {
		return
	}
	var last string
	pause, quiet := time.Second, time.Duration(0)
	for open := time.Duration(0); open < longestStream; open += pause {
		st, err := s.status(ctx, id)
		if err != nil {
			send("event: gone\ndata: {}\n\n")
			return
		}
		view := s.View(st)
		view["message"] = st.Message()
		data, err := json.Marshal(view)
		if err != nil {
			return
		}
		switch {
		case string(data) != last:
			last, quiet, pause = string(data), 0, 500*time.Millisecond
			if !send("event: status\ndata: %s\n\n", data) {
				return
			}
		case quiet >= aliveEvery:
			quiet = 0
			if !send(": alive\n\n") {
				return
			}
		default:
			pause = min(pause*5/4, 3*time.Second)
		}
		if st.Ended() {
			send("event: end\ndata: {}\n\n")
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.Stopping:
			timer.Stop()
			return
		case <-timer.C:
		}
		quiet += pause
	}
}
