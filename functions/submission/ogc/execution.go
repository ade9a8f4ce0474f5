package ogc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

const (
	// MaxInline bounds an execute request, of which several copies are in memory while it is read.
	MaxInline = 16 << 20
	// inlineAtOnce bounds how many of more than smallRequest bytes are read at a time, after they have come.
	inlineAtOnce, smallRequest = 4, 64 << 10
	// longestWait bounds how long a client may wait for results.
	longestWait = 60 * time.Second
)

// Execute takes an execute request.
func (a Jobs) Execute(c *gin.Context) {
	p, err := a.Processes.Process(c.Param("id"), answer.Base(c))
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	e, release, err := a.readExecute(c, p)
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	defer release()
	e.Delivery.Base = answer.Base(c)
	want := preferences(c)
	ctx := c.Request.Context()
	if p.ID == string(param.Echo) {
		a.echo(c, p, e, want)
		return
	}
	taken, err := a.Intake.Execute(ctx, param.Workflow(p.ID), e)
	release()
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	if want.wait > 0 && taken.Small {
		st, err := a.await(ctx, taken.ID, want.wait)
		if err == nil && st.Ended() {
			c.Header("Preference-Applied", "wait="+strconv.Itoa(int(want.wait/time.Second)))
			a.Results.send(c, p, st)
			return
		}
	}
	a.accepted(c, taken, want)
}

// accepted answers that a job was made, or was there.
func (a Jobs) accepted(c *gin.Context, taken Taken, want preference) {
	id := taken.ID
	st, err := a.Jobs.Status(c.Request.Context(), id)
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	c.Header("Location", answer.Base(c)+"/jobs/"+id)
	if want.async {
		c.Header("Preference-Applied", "respond-async")
	}
	info := Status(st, answer.Base(c))
	info.Existing = taken.Existing
	a.Answer.Document(c, http.StatusCreated, "Job "+id, info)
}

// readExecute reads an execute request. Who has done with the DEM in it calls release, once or more.
func (a Jobs) readExecute(c *gin.Context, p Process) (e Execute, release func(), err error) {
	if t, _, err := mime.ParseMediaType(c.GetHeader("Content-Type")); err != nil || t != JSON {
		return e, nil, problem.Plain(http.StatusUnsupportedMediaType, fmt.Sprintf("content type %q: an execute request is application/json", c.GetHeader("Content-Type")))
	}
	body, err := spool(http.MaxBytesReader(c.Writer, c.Request.Body, MaxInline))
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooLarge) || errors.As(err, new(*fs.PathError)): // the client's, or a full disk
		return e, nil, err
	case err != nil:
		return e, nil, problem.Invalid(fmt.Errorf("the request broke off: %w", err))
	}
	defer body.Close()
	release = func() {}
	if body.file != nil {
		free, err := a.inline.Take(c.Request.Context())
		if err != nil {
			return e, nil, err
		}
		release = sync.OnceFunc(free)
	}
	e, err = p.Parse(body)
	if err == nil && e.Delivery.Subscriber != nil {
		err = a.CheckSubscriber(e.Delivery.Subscriber)
	}
	if err != nil || e.DEM.Data == nil {
		release()
	}
	return e, release, err
}

// preference is what the Prefer header says (RFC 7240).
type preference struct {
	async bool
	wait  time.Duration
}

func preferences(c *gin.Context) preference {
	var p preference
	for _, part := range strings.FieldsFunc(strings.Join(c.Request.Header.Values("Prefer"), ","), func(r rune) bool { return r == ',' || r == ';' }) {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "respond-async":
			p.async = true
		case "wait":
			if n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(value), `"`)); err == nil && n > 0 {
				p.wait = min(time.Duration(n)*time.Second, longestWait)
				if n > int(longestWait/time.Second) {
					p.wait = longestWait
				}
			}
		}
	}
	return p
}

// await returns the status of a job once it has ended, or after a time.
func (a Jobs) await(ctx context.Context, id string, most time.Duration) (job.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		st, err := a.Jobs.Status(ctx, id)
		if err != nil || st.Ended() {
			return st, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return st, nil
		case <-timer.C:
		}
	}
}

// echoValues reads the outputs of an echo job.
func echoValues(st job.Status) (map[string]json.RawMessage, error) {
	if st.Request.Delivery == nil {
		return nil, errors.New("an echo job without inputs")
	}
	return EchoValues(st.Request.Delivery.Inputs)
}

// echo executes the process echo.
func (a Jobs) echo(c *gin.Context, p Process, e Execute, want preference) {
	ctx := c.Request.Context()
	r, err := a.Intake.Echo(ctx, e)
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	if want.async {
		a.accepted(c, Taken{ID: r.ID}, want)
		return
	}
	st, err := a.await(ctx, r.ID, longestWait)
	if err == nil && !st.Ended() {
		err = problem.Plain(http.StatusServiceUnavailable, "the job keeps running; see /jobs/"+r.ID)
	}
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	a.Results.send(c, p, st)
}
