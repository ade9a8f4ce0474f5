package submission

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/gridfile"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

const (
	// maxInline bounds an execute request, which is held in memory whole.
	maxInline = 16 << 20
	// inlineAtOnce bounds how many are held at a time that have more than smallRequest bytes, which hold a place while
	// they come.
	inlineAtOnce, smallRequest = 8, 64 << 10
	// longestWait bounds how long a client may wait for results.
	longestWait = 60 * time.Second
	// smallCells is the largest DEM whose client may wait.
	smallCells = 1 << 20
	// fetchTimeout bounds the download of a DEM by reference.
	fetchTimeout = 10 * time.Minute
)

// postExecution takes an execute request.
func (s *Service) postExecution(c *gin.Context) {
	p, err := s.processes.Process(c.Param("id"), answer.Base(c))
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	e, err := s.readExecute(c, p)
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	e.Delivery.Base = answer.Base(c)
	want := preferences(c)
	ctx := c.Request.Context()
	if p.ID == string(param.Echo) {
		s.executeEcho(c, p, e, want)
		return
	}
	r, err := s.execute(ctx, param.Workflow(p.ID), e)
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	if want.wait > 0 && s.small(ctx, r) {
		st, err := s.await(ctx, r.ID, want.wait)
		if err == nil && st.Ended() {
			c.Header("Preference-Applied", "wait="+strconv.Itoa(int(want.wait/time.Second)))
			s.results(c, p, st)
			return
		}
	}
	s.accepted(c, r.ID, want)
}

// accepted answers that a job was made.
func (s *Service) accepted(c *gin.Context, id string, want preference) {
	st, err := s.jobs.Status(c.Request.Context(), id)
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	c.Header("Location", answer.Base(c)+"/jobs/"+id)
	if want.async {
		c.Header("Preference-Applied", "respond-async")
	}
	s.answer.Document(c, http.StatusCreated, "Job "+id, ogc.Status(st, answer.Base(c)))
}

func (s *Service) readExecute(c *gin.Context, p ogc.Process) (ogc.Execute, error) {
	if t, _, err := mime.ParseMediaType(c.GetHeader("Content-Type")); err != nil || t != ogc.JSON {
		return ogc.Execute{}, problem.Plain(http.StatusUnsupportedMediaType, fmt.Sprintf("content type %q: an execute request is application/json", c.GetHeader("Content-Type")))
	}
	in := http.MaxBytesReader(c.Writer, c.Request.Body, maxInline)
	body, err := io.ReadAll(io.LimitReader(in, smallRequest))
	if err == nil && len(body) == smallRequest {
		select {
		case s.inline() <- struct{}{}:
			defer func() { <-s.inline() }()
		case <-c.Request.Context().Done():
			return ogc.Execute{}, c.Request.Context().Err()
		}
		var rest []byte
		rest, err = io.ReadAll(in)
		body = append(body, rest...)
	}
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return ogc.Execute{}, err
		}
		return ogc.Execute{}, problem.Invalid(fmt.Errorf("the request broke off: %w", err))
	}
	e, err := p.Parse(body)
	if err == nil && e.Delivery.Subscriber != nil {
		err = s.callbacks.Check(e.Delivery.Subscriber)
	}
	return e, err
}

// inline is the token channel of requests held in memory.
func (s *Service) inline() chan struct{} {
	s.inlineOnce.Do(func() { s.inlineTokens = make(chan struct{}, inlineAtOnce) })
	return s.inlineTokens
}

// execute stores what came inline or by reference, then submits the job. A
// refused request leaves nothing behind.
func (s *Service) execute(ctx context.Context, w param.Workflow, e ogc.Execute) (job.Request, error) {
	var stored []string
	r, err := func() (job.Request, error) {
		if err := checkInputNames(&e.Parameters); err != nil {
			return job.Request{}, err
		}
		ref, fresh, err := s.demOf(ctx, e.DEM)
		if err != nil {
			return job.Request{}, err
		}
		if fresh {
			stored = append(stored, ref.Key)
		}
		if e.Table != nil {
			if e.Parameters.Climate, err = s.UploadTable(ctx, "climate.csv", bytes.NewReader(e.Table)); err != nil {
				return job.Request{}, err
			}
			stored = append(stored, strings.TrimPrefix(e.Parameters.Climate, "table:"))
		}
		return s.submit(ctx, w, e.Parameters, ref, &e.Delivery)
	}()
	if errors.Is(err, problem.ErrInvalid) {
		s.discard(ctx, stored)
	}
	return r, err
}

// demOf brings the DEM of a request into the bucket; fresh tells that it was not
// there before.
func (s *Service) demOf(ctx context.Context, d ogc.DEM) (ref job.DEM, fresh bool, err error) {
	switch {
	case d.Upload != "":
		ref, err = s.Stored(ctx, d.Upload)
	case strings.HasPrefix(d.Object, job.UploadPrefix):
		// Its owner may replace or remove it while the job goes on.
		fresh = true
		ref, err = s.copyObject(ctx, d.Object)
	case d.Object != "":
		ref, err = s.storedObject(ctx, d.Object, path.Base(d.Object))
	case d.URL != "":
		fresh = true
		ref, err = s.fetch(ctx, d.URL)
	default:
		fresh = true
		ref, err = s.Upload(ctx, "dem.tif", bytes.NewReader(d.Data))
	}
	return ref, fresh, err
}

// copyObject copies a DEM of the bucket to where only jobs read.
func (s *Service) copyObject(ctx context.Context, key string) (job.DEM, error) {
	r, err := s.Store.Bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return job.DEM{}, problem.Invalid(fmt.Errorf("href of input dem: there is no %s; upload it first", key))
	}
	if err != nil {
		return job.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	name := path.Base(key)
	format, err := s.gridFormat(ctx, key)
	if err != nil {
		return job.DEM{}, err
	}
	if format == gridfile.None {
		if _, err := s.checkHeader(ctx, key, param.Parameters{}); err != nil && !lacksSystem(err) { // before all of it is read
			return job.DEM{}, called(name, err)
		}
	}
	return s.uploadAs(ctx, inputKey(s.NewID(), name), name, r, false)
}

// fetch downloads a DEM from an allowed host into the bucket.
func (s *Service) fetch(ctx context.Context, address string) (job.DEM, error) {
	if err := s.DEMHosts.Check("href of input dem", address); err != nil {
		return job.DEM{}, problem.Invalid(err)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return job.DEM{}, problem.Invalid(fmt.Errorf("href of input dem: %w", err))
	}
	res, err := s.DEMHosts.Client(0).Do(req)
	if err != nil {
		return job.DEM{}, problem.Invalid(fmt.Errorf("href of input dem: %w", err))
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return job.DEM{}, problem.Invalid(fmt.Errorf("href of input dem: %s answered %s", req.URL.Host, res.Status))
	}
	if res.ContentLength > s.MaxUpload {
		return job.DEM{}, problem.TooLarge("file at "+req.URL.Host, s.MaxUpload)
	}
	return s.Upload(ctx, path.Base(req.URL.Path), res.Body)
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

// small reports whether a client may wait for the job.
func (s *Service) small(ctx context.Context, r job.Request) bool {
	o, err := rangeread.Object(ctx, s.Store.Bucket, r.DEM.Key)
	if err != nil {
		return false
	}
	defer func() { _ = o.Close() }()
	d, err := dem.Open(o, o.Size(), inspect.DEMOptions(r.Parameters))
	return err == nil && d.Image.Width*d.Image.Height <= smallCells
}

// await returns the status of a job once it has ended, or after a time.
func (s *Service) await(ctx context.Context, id string, most time.Duration) (job.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		st, err := s.jobs.Status(ctx, id)
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

// executeEcho makes a job that ends by itself after its pause; nobody computes it. An end without a pause is announced
// at once, any other by the resume tick, which announces ends older than a minute, longer than a pause may be.
func (s *Service) executeEcho(c *gin.Context, p ogc.Process, e ogc.Execute, want preference) {
	ctx := c.Request.Context()
	now := s.Now().UTC()
	r := job.Request{ID: s.NewID(), Workflow: param.Echo, Parameters: e.Parameters, DEM: job.DEM{Name: "none"}, Created: now, Delivery: &e.Delivery}
	err := s.Store.Create(ctx, r)
	if err == nil {
		_, _, err = s.Store.WriteEnd(ctx, r.ID, job.End{State: job.Completed, Ended: now.Add(time.Duration(e.Pause) * time.Second), Event: "echo." + r.ID})
	}
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	if e.Pause == 0 {
		s.announceEnd(ctx, r.ID, eventing.NewJobCompleted(Source, r.ID, 0, now))
	}
	if want.async {
		s.accepted(c, r.ID, want)
		return
	}
	st, err := s.await(ctx, r.ID, longestWait)
	if err == nil && !st.Ended() {
		err = problem.Plain(http.StatusServiceUnavailable, "the job keeps running; see /jobs/"+r.ID)
	}
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	s.results(c, p, st)
}

// echoValues reads the outputs of an echo job.
func echoValues(st job.Status) (map[string]json.RawMessage, error) {
	if st.Request.Delivery == nil {
		return nil, errors.New("an echo job without inputs")
	}
	return ogc.EchoValues(st.Request.Delivery.Inputs)
}
