package submit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/gridfile"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

const (
	// smallCells is the largest DEM whose client may wait.
	smallCells = 1 << 20
	// fetchTimeout bounds the download of a DEM by reference.
	fetchTimeout = 10 * time.Minute
)

// Execute stores what came inline or by reference, then submits the job. A request that is refused, or whose work another job
// does, leaves nothing behind.
func (s *Submitter) Execute(ctx context.Context, w param.Workflow, e ogc.Execute) (r ogc.Taken, err error) {
	var stored []string
	defer func() {
		if problem.Refused(err) || r.Existing {
			s.Inputs.Discard(ctx, stored)
		}
	}()
	if err := inputs.CheckNames(&e.Parameters); err != nil {
		return r, err
	}
	d, fresh, err := s.demOf(ctx, e.DEM)
	if err != nil {
		return r, err
	}
	if fresh {
		stored = append(stored, d.Key)
	}
	if e.Table != nil {
		if e.Parameters.Climate, err = s.Inputs.UploadTable(ctx, "climate.csv", bytes.NewReader(e.Table)); err != nil {
			return r, err
		}
		stored = append(stored, strings.TrimPrefix(e.Parameters.Climate, "table:"))
	}
	m, err := s.Submit(ctx, Order{Workflow: w, Parameters: e.Parameters, DEM: d, Delivery: &e.Delivery, Fresh: e.Fresh})
	return ogc.Taken{ID: m.ID, Small: m.Extent.Width*m.Extent.Height <= smallCells, Existing: m.Existing}, err
}

// demOf stores the DEM of a request in the bucket. fresh says that it was not there before.
func (s *Submitter) demOf(ctx context.Context, d ogc.DEM) (ref inputs.DEM, fresh bool, err error) {
	switch {
	case d.Upload != "":
		ref, err = s.Inputs.Stored(ctx, d.Upload)
	case strings.HasPrefix(d.Object, job.UploadPrefix):
		// Its owner may replace or remove it while the job goes on.
		fresh = true
		ref, err = s.copyObject(ctx, d.Object)
	case d.Object != "":
		ref, err = s.Inputs.StoredObject(ctx, d.Object, path.Base(d.Object))
	case d.URL != "":
		fresh = true
		ref, err = s.fetch(ctx, d.URL)
	default:
		fresh = true
		ref, err = s.Inputs.Upload(ctx, "dem.tif", bytes.NewReader(d.Data))
	}
	return ref, fresh, err
}

// copyObject copies a DEM of the bucket to where only jobs read.
func (s *Submitter) copyObject(ctx context.Context, key string) (inputs.DEM, error) {
	if err := inputs.Mine(ctx, key); err != nil {
		return inputs.DEM{}, err
	}
	r, err := s.Store.Bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return inputs.DEM{}, problem.Invalid(fmt.Errorf("href of input dem: there is no %s; upload it first", key))
	}
	if err != nil {
		return inputs.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	name := path.Base(key)
	format, err := s.Inputs.GridFormat(ctx, key)
	if err != nil {
		return inputs.DEM{}, err
	}
	if format == gridfile.None {
		if _, err := s.Inputs.Header(ctx, key, param.Parameters{}); err != nil && !inputs.LacksSystem(err) { // before all of it is read
			return inputs.DEM{}, inputs.Called(name, err)
		}
	}
	return s.Inputs.UploadAs(ctx, s.Inputs.NewKey(ctx, name), name, r, false)
}

// fetch downloads a DEM from an allowed host into the bucket.
func (s *Submitter) fetch(ctx context.Context, address string) (inputs.DEM, error) {
	if err := s.DEMHosts.Check("href of input dem", address); err != nil {
		return inputs.DEM{}, problem.Invalid(err)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return inputs.DEM{}, problem.Invalid(fmt.Errorf("href of input dem: %w", err))
	}
	res, err := s.DEMHosts.Client(0).Do(req)
	if err != nil {
		return inputs.DEM{}, problem.Invalid(fmt.Errorf("href of input dem: %w", err))
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return inputs.DEM{}, problem.Invalid(fmt.Errorf("href of input dem: %s answered %s", req.URL.Host, res.Status))
	}
	if res.ContentLength > s.Inputs.MaxUpload {
		return inputs.DEM{}, problem.TooLarge("file at "+req.URL.Host, s.Inputs.MaxUpload)
	}
	counted, err := s.Quota.BeginUpload(ctx, access.From(ctx).Owner, s.NewID(), res.ContentLength, s.Inputs.MaxUpload)
	if err != nil {
		return inputs.DEM{}, err
	}
	body := counted.Reader(res.Body)
	ref, err := s.Inputs.Upload(ctx, path.Base(req.URL.Path), body)
	return ref, errors.Join(err, counted.End(ctx, body.Came))
}

// Echo makes a job that ends by itself after its pause; nobody computes it. An end without a pause is announced
// at once, any other by the resume tick, which announces ends older than a minute, longer than a pause may be.
func (s *Submitter) Echo(ctx context.Context, e ogc.Execute) (job.Request, error) {
	now := s.Now().UTC()
	r := job.Request{ID: s.NewID(), Workflow: param.Echo, Parameters: e.Parameters, DEM: job.DEM{Name: "none"}, Created: now, Delivery: &e.Delivery, Owner: access.From(ctx).Owner}
	err := s.Store.Create(ctx, r)
	if err == nil {
		_, _, err = s.Store.WriteEnd(ctx, r.ID, job.End{State: job.Completed, Ended: now.Add(time.Duration(e.Pause) * time.Second), Event: "echo." + r.ID})
	}
	if err == nil && e.Pause == 0 {
		s.AnnounceEnd(ctx, r.ID, eventing.NewJobCompleted(Source, r.ID, 0, now))
	}
	return r, err
}
