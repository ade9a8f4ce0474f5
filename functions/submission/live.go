package submission

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
)

const (
	// mostStreams bounds the streams of progress that are open at a time; who finds
	// none left asks again and again instead.
	mostStreams = 128
	// longestStream ends a stream: a browser opens it again, perhaps at another replica.
	longestStream = 4 * time.Minute
	// aliveEvery says something on a stream without news, so that proxies and this
	// service notice who has gone.
	aliveEvery = 15 * time.Second
	// slowestWrite bounds how long a client may take for what it is sent.
	slowestWrite = 10 * time.Second
)

// streams counts those that are open.
type streams struct{ open atomic.Int32 }

func (s *streams) enter() bool {
	if s.open.Add(1) > mostStreams {
		s.open.Add(-1)
		return false
	}
	return true
}

func (s *streams) leave() { s.open.Add(-1) }

// look is status for one of many streams: those of a job that look at the same time share
// one look, so that a job of many tiles, on which it takes long, is not looked at more often.
func (s *Service) look(ctx context.Context, id string) (job.Status, error) {
	st, err, _ := s.looks.Do(id, func() (any, error) { return s.jobs.Status(context.WithoutCancel(ctx), id) })
	if err != nil {
		return job.Status{}, err
	}
	return st.(job.Status), ctx.Err()
}

// getEvents tells the course of a job as server-sent events: "status" with the
// job as /api/jobs/ID has it whenever something changes, "end" once it has ended.
func (s *Service) getEvents(c *gin.Context) {
	ctx, id := c.Request.Context(), c.Param("id")
	if _, err := s.jobs.Status(ctx, id); err != nil {
		s.answer.Problem(c, err)
		return
	}
	if !s.streams.enter() {
		c.Header("Retry-After", "5")
		s.answer.Problem(c, problem.Plain(http.StatusServiceUnavailable, fmt.Sprintf("%d streams of progress are open, which is all there are; ask for /jobs/%s instead", mostStreams, id)))
		return
	}
	defer s.streams.leave()
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
		st, err := s.look(ctx, id)
		if err != nil {
			send("event: gone\ndata: {}\n\n")
			return
		}
		view := s.view(st)
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
