package dropped

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/submit"
	"github.com/cyverse-gis/eemt/shared/gridfile"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
)

var errReplaced = waiting("it was replaced while it was read; its next version is read")

// bring copies what the job reads to inputs/, where nobody overwrites it.
func (w *Watcher) bring(ctx context.Context, r *job.Request, v job.Version, format gridfile.Format) error {
	if err := submit.Validate(r.Workflow, r.Parameters); err != nil {
		return problem.Invalid(oneSentence(err))
	}
	if format == gridfile.None {
		if _, err := w.Submit.CheckSize(ctx, r.Workflow, r.Parameters, inputs.DEM{DEM: r.DEM}); err != nil {
			return err
		}
	}
	if kind, key, _ := strings.Cut(r.Parameters.Climate, ":"); strings.HasPrefix(key, job.UploadPrefix) {
		table, err := w.copyIn(ctx, r.ID, key, min(inputs.MaxTable, w.Inputs.MaxUpload))
		if gcerrors.Code(err) == gcerrors.NotFound {
			return problem.Invalid(fmt.Errorf("climate table %s is not there: upload it, then the DEM again", key))
		}
		if err != nil {
			return err
		}
		r.Parameters.Climate = kind + ":" + table.Key
	}
	ref, err := w.bringDEM(ctx, r, format)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return errReplaced
	}
	if err != nil {
		return err
	}
	// A file of a directory may be rewritten while it is read.
	_, now, found, err := w.attributes(ctx, v.Key)
	if err != nil {
		return err
	}
	if !found || now.JobID() != r.ID {
		// A call at the same time may have made the job of the copy: then the copy stays.
		if err := inuse.DropInput(context.WithoutCancel(ctx), w.Store, ref.Key, w.NewID()); err != nil {
			w.Log.Warn("the copy of a replaced file is left", "key", ref.Key, "error", err)
		}
		return errReplaced
	}
	r.DEM = ref
	r.Fingerprint = job.Fingerprint(w.Version, r.Workflow, r.Parameters, ref.SHA256)
	return nil
}

// bringDEM copies the DEM of a job. A grid in another format is converted to a GeoTIFF, which then is checked.
func (w *Watcher) bringDEM(ctx context.Context, r *job.Request, format gridfile.Format) (job.DEM, error) {
	if format == gridfile.None {
		return w.copyIn(ctx, r.ID, r.DEM.Key, w.Inputs.MaxUpload)
	}
	ref, err := w.convertIn(ctx, r.ID, r.DEM.Key)
	if err != nil {
		return ref, err
	}
	_, err = w.Inputs.Header(ctx, ref.Key, r.Parameters)
	if r.Parameters, err = w.systemBeside(ctx, r.DEM.Key, ref.Key, r.Parameters, err); err == nil {
		_, err = w.Submit.CheckSize(ctx, r.Workflow, r.Parameters, inputs.DEM{DEM: ref})
	}
	if problem.Refused(err) {
		err = errors.Join(err, inuse.DropInput(context.WithoutCancel(ctx), w.Store, ref.Key, w.NewID()))
	}
	return ref, err
}

// convertIn stores the GeoTIFF that is made of a dropped grid, under a name made of the job.
func (w *Watcher) convertIn(ctx context.Context, id, key string) (job.DEM, error) {
	r, err := w.Store.Bucket.NewReader(ctx, key, nil)
	if err != nil {
		return job.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	name := path.Base(key)
	tiff, err := w.Inputs.TIFF(name, bufio.NewReaderSize(r, 4096))
	if err != nil {
		return job.DEM{}, err
	}
	defer func() { _ = tiff.Close() }()
	return w.Inputs.PutAt(ctx, inputs.Key("", id, name), name, tiff, w.Inputs.MaxUpload, true)
}

// copyIn copies a dropped file under a name made of the job; a copy that is there already stays.
func (w *Watcher) copyIn(ctx context.Context, id, key string, limit int64) (job.DEM, error) {
	r, err := w.Store.Bucket.NewReader(ctx, key, nil)
	if err != nil {
		return job.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	name := path.Base(key)
	return w.Inputs.PutAt(ctx, inputs.Key("", id, name), name, r, limit, true)
}
