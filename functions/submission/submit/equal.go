package submit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/retry"
)

const (
	// making is how long after its entry the record of a job may be missing, waitForMaking how long a request of the same
	// work waits for it.
	making        = time.Minute
	waitForMaking = 10 * time.Second
)

// work identifies what a job does for its owner: the program, the parameters, the content of all files that it reads, and what
// is delivered of the results. Files of other hosts are known by their address only.
func (s *Submitter) work(ctx context.Context, r job.Request) (string, error) {
	p := r.Parameters
	var files []string
	if kind, name, _ := strings.Cut(p.Climate, ":"); strings.HasPrefix(name, job.InputPrefix) || strings.HasPrefix(name, "climate/") {
		p.Climate = kind + ":"
		files = append(files, name)
	}
	for _, in := range p.Inputs() {
		if len(*in.Rasters) > 0 {
			files = append(files, in.Name)
			files = append(files, in.Files()...)
			*in.Rasters = []string{"raster.tif"}
		}
	}
	for i, name := range files {
		version, err := s.Inputs.Content(ctx, name)
		if err != nil {
			return "", err
		}
		files[i] = version
	}
	var wanted job.Delivery
	if r.Delivery != nil {
		wanted = job.Delivery{Response: r.Delivery.Response, Outputs: r.Delivery.Outputs}
	}
	data, err := json.Marshal(struct {
		Owner, Fingerprint string
		Files              []string
		Wanted             job.Delivery
	}{r.Owner, job.Fingerprint(s.Version, r.Workflow, p, r.DEM.SHA256), files, wanted})
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), err
}

// enter makes a job the one that is found by its work. It returns another that does the same already: one that goes on, or is
// completed and has its data. With fresh set there is none.
func (s *Submitter) enter(ctx context.Context, r *job.Request, work string, fresh bool) (existing string, err error) {
	for {
		entries, err := s.Store.EqualJobs(ctx, work)
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			if fresh {
				break
			}
			if stands, err := s.stands(ctx, e); err != nil || stands {
				return e.Job, err
			}
		}
		key, won, err := s.Store.AddEqual(ctx, work, r.ID, s.Now(), entries)
		if err != nil || won {
			r.Equal = key
			return "", err
		}
	}
}

// stands reports whether a job of an entry goes on, or is completed and has its data. It waits for one that is being made.
func (s *Submitter) stands(ctx context.Context, e job.Equal) (bool, error) {
	if e.Job == "" {
		return false, nil
	}
	for began, pause := time.Now(), 20*time.Millisecond; ; pause = min(2*pause, time.Second) {
		there, err := s.Store.Records(ctx, e.Job)
		switch {
		case err != nil:
			return false, err
		case there["removing.json"], there["expired.json"]:
			return false, nil
		case there["job.json"] && there["end.json"]:
			end, err := s.Store.End(ctx, e.Job)
			if errors.Is(err, job.ErrNotFound) || errors.Is(err, job.ErrDamaged) {
				err = nil
			}
			return err == nil && end.State == job.Completed, err
		case there["job.json"]:
			return true, nil
		case s.Now().Sub(e.At) >= making, time.Since(began) >= waitForMaking:
			return false, nil // whoever made it died
		}
		if err := retry.Sleep(ctx, pause); err != nil {
			return false, err
		}
		now, err := s.Store.Bucket.Exists(ctx, e.Key)
		if err != nil || !now {
			return false, err // it was refused
		}
	}
}
