package local

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/eemt/internal/inputfile"
	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// submitLocal brings the input files into the bucket and submits the job, unless
// the same job is there already: then that one is continued.
func (p *platform) submitLocal(ctx context.Context, w param.Workflow, params param.Parameters, dem string) (string, error) {
	if kind, path, ok := strings.Cut(params.Climate, ":"); ok && (kind == climate.KindTable || kind == climate.KindPixel) {
		key, err := importFile(ctx, p.bucket, path)
		if err != nil {
			return "", err
		}
		params.Climate = kind + ":" + key
	}
	if err := importInputs(ctx, p.bucket, &params); err != nil {
		return "", err
	}
	key, err := importDEM(ctx, p.bucket, dem, params)
	if err != nil {
		return "", err
	}
	ref, err := p.submission.Stored(ctx, strings.TrimPrefix(key, job.InputPrefix))
	if err != nil {
		return "", err
	}
	ref.Name = filepath.Base(dem) // its object has a shorter one, without what a bucket does not take
	id, err := p.same(ctx, job.Fingerprint(cli.Version, w, params, ref.SHA256))
	if err != nil {
		return "", err
	}
	if id != "" {
		return id, p.broker.Publish(ctx, eventing.NewJobSubmitted("/eemt/cli", id, 1, time.Now()))
	}
	r, err := p.submission.Submit(ctx, w, params, ref)
	return r.ID, err
}

// same finds a running or completed job with the fingerprint.
func (p *platform) same(ctx context.Context, fingerprint string) (string, error) {
	var found string
	err := p.store.List(ctx, func(id string) (bool, error) {
		st, err := p.store.Status(ctx, id)
		if errors.Is(err, job.ErrNotFound) || errors.Is(err, job.ErrDamaged) {
			return true, nil
		}
		if err != nil || st.Request.Fingerprint != fingerprint || st.State == job.Failed || st.State == job.Cancelled || st.Expired != nil {
			return true, err
		}
		found = id
		return false, nil
	})
	return found, err
}

// importFile copies a file into the bucket under a name made of its content.
func importFile(ctx context.Context, b *blob.Bucket, path string) (key string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	if key, _, err = importKey(f, path); err != nil {
		return "", err
	}
	if exists, err := b.Exists(ctx, key); err != nil || exists {
		return key, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	return key, b.Upload(ctx, key, f, &blob.WriterOptions{ContentType: cmp.Or(mime.TypeByExtension(filepath.Ext(path)), "application/octet-stream")})
}

// importKey is the object that a file becomes, and the SHA-256 of its content.
func importKey(r io.Reader, path string) (key, checksum string, err error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return "", "", err
	}
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r < ' ' {
			return '_'
		}
		return r
	}, filepath.Base(path))
	checksum = hex.EncodeToString(sum.Sum(nil))
	return job.InputPrefix + checksum[:16] + "_" + short(name), checksum, nil
}

// mostName is how many bytes of a file's name its object keeps: a bucket takes less than a disk does.
const mostName = 150

// short leaves out of a long name what is before its end, with the suffix that tells the kind.
func short(name string) string {
	if len(name) <= mostName {
		return name
	}
	cut := len(name) - mostName
	for !utf8.RuneStart(name[cut]) {
		cut++
	}
	return name[cut:]
}

// ends returns a channel that holds a value when the end of a job was announced.
func (p *platform) ends() <-chan struct{} {
	ended := make(chan struct{}, 1)
	p.broker.Subscribe("cli", []string{eventing.JobCompleted, eventing.JobFailed, eventing.JobCancelled}, 1, func(context.Context, event.Event) error {
		select {
		case ended <- struct{}{}:
		default: // one is waiting already
		}
		return nil
	})
	return ended
}

// lookAgain is how often wait looks by itself whether the job has ended.
const lookAgain = 2 * time.Second

// wait returns when the job has ended, with its reason if it failed, or when its work was given up: no tick asks for it
// again here. What it is told on ended only makes it look sooner: what counts is what stands in the bucket, since an end
// may have been announced to another process, or to nobody.
func (p *platform) wait(ctx context.Context, id string, ended <-chan struct{}, lost <-chan string) error {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for reason := ""; ; {
		// In this order: work that comes to rest has written its end by then, or said why it was given up.
		idle := p.broker.Idle()
		select {
		case reason = <-lost:
		default:
		}
		end, err := p.store.End(ctx, id)
		switch {
		case err == nil && end.State == job.Completed:
			return nil
		case err == nil:
			return errors.New(end.Reason)
		case !errors.Is(err, job.ErrNotFound):
			return err
		case reason == "" && idle:
			reason = "the work stopped before the job had ended"
			if why := p.refused.Load(); why != nil {
				reason += ": " + *why
			}
		}
		if reason != "" {
			return fmt.Errorf("%s; finished tiles are kept: run the same command again to continue", reason)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
		case reason = <-lost:
		case <-again.C:
		}
	}
}

// place links to the object's file, or copies the object where links do not work. The temporary file has a name of its
// own, for another run may place the same map: a link of that run, opened as if it were a copy, would empty the object.
func place(ctx context.Context, b *blob.Bucket, key, object, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	temporary := to + "." + rand.Text()[:8] + ".part"
	err := os.Link(object, temporary)
	if err != nil {
		err = copyOut(ctx, b, key, object, temporary)
	}
	if err == nil {
		err = os.Rename(temporary, to)
	}
	// Renaming a link over another link to the same file leaves both.
	if left := os.Remove(temporary); err == nil && !errors.Is(left, fs.ErrNotExist) {
		err = left
	}
	return err
}

// copyOut copies an object with its time, by which a map is known later to be as it was written.
func copyOut(ctx context.Context, b *blob.Bucket, key, object, to string) error {
	if err := download(ctx, b, key, to); err != nil {
		return err
	}
	if info, err := os.Stat(object); err == nil {
		return os.Chtimes(to, info.ModTime(), info.ModTime())
	}
	return nil
}

func download(ctx context.Context, b *blob.Bucket, key, to string) error {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = b.Download(ctx, key, f, nil)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

// importDEM brings a DEM into the bucket, as a GeoTIFF. What a job would refuse is refused here, with the user's own name
// of the file.
func importDEM(ctx context.Context, b *blob.Bucket, path string, p param.Parameters) (key string, err error) {
	f, done, err := inputfile.OpenDEM(path)
	if err != nil {
		return "", err
	}
	defer done()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	p.Climate, p.Strict = "", false // which the job itself looks at
	r, err := inspect.File(ctx, f, info.Size(), inspect.Options{Parameters: p, Name: path})
	if err != nil {
		return "", err
	}
	if !r.Usable {
		return "", errors.New(r.Detail)
	}
	return importFile(ctx, b, f.Name())
}
