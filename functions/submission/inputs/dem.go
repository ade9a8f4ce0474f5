package inputs

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

// MostBlock bounds a compressed block of a DEM or a raster once decoded, bytes. compute takes larger ones; here many
// requests share less memory.
const MostBlock = 64 << 20

// DEM is one that is stored.
type DEM struct {
	job.DEM
	// Extent is what its header says; nil where the header was not read, or says too little without what the parameters
	// of a job state.
	Extent *Extent
	// read are the attributes of the file that its checksum was computed of just now; nil where it was known.
	read *blob.Attributes
}

// Extent is how large a DEM is, in cells, and its file in bytes.
type Extent struct {
	Width, Height int
	Bytes         int64
}

// ExtentFor is the extent of a DEM for a job with these parameters. The header is read if it was not yet, or if the
// parameters state what it should say.
func (s *Store) ExtentFor(ctx context.Context, d DEM, p param.Parameters) (Extent, error) {
	if o := inspect.DEMOptions(p); d.Extent != nil && o.CRS == "" && o.ElevationUnit.IsZero() && len(o.NoData) == 0 {
		return *d.Extent, nil
	}
	return s.Header(ctx, d.Key, p)
}

// Header reads the header of a stored DEM, as the parameters of its job say.
func (s *Store) Header(ctx context.Context, key string, p param.Parameters) (Extent, error) {
	r, err := rangeread.Object(ctx, s.Bucket, key)
	if err != nil {
		return Extent{}, fmt.Errorf("read back %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	if s.MaxUpload > 0 && r.Size() > s.MaxUpload { // it came past the service, to a signed address
		return Extent{}, problem.TooLarge("file "+path.Base(key), s.MaxUpload)
	}
	stated := inspect.DEMOptions(p)
	stated.MostBlock = MostBlock
	d, err := dem.Open(r, r.Size(), stated)
	switch {
	case err == nil:
	case ctx.Err() != nil, errors.Is(err, rangeread.ErrUnavailable), errors.Is(err, rangeread.ErrChanged):
		return Extent{}, fmt.Errorf("read back %s: %w", key, err) // says nothing about the file
	default:
		return Extent{}, problem.Invalid(err)
	}
	if s.CheckDEM != nil {
		if err := s.CheckDEM(d.Image.Width, d.Image.Height); err != nil {
			return Extent{}, problem.Invalid(err)
		}
	}
	return Extent{d.Image.Width, d.Image.Height, r.Size()}, nil
}

// check reads the header of a stored DEM whose parameters are not known yet. A DEM without a coordinate system, or
// without a unit, passes without an extent: the parameters may state what it lacks.
func (s *Store) check(ctx context.Context, key string) (*Extent, error) {
	size, err := s.Header(ctx, key, param.Parameters{})
	if LacksSystem(err) {
		return nil, nil
	}
	return &size, err
}

// LacksSystem reports a refusal that parameters settle: a stated coordinate system, or a stated unit of elevations.
func LacksSystem(err error) bool {
	var e *finding.Error
	return errors.As(err, &e) && (e.Code == finding.DEMCRS || e.Code == finding.DEMUnit)
}

// Upload stores a DEM after checking that it is one; a file that is not leaves
// nothing behind.
func (s *Store) Upload(ctx context.Context, name string, r io.Reader) (DEM, error) {
	name = BaseName(name)
	return s.UploadAs(ctx, s.NewKey(ctx, name), name, FromClient{Reader: r}, false)
}

// UploadPart stores the DEM that is a part of a form.
func (s *Store) UploadPart(ctx context.Context, part *multipart.Part) (DEM, error) {
	name := part.FileName()
	if name == "" { // a form whose file was left out
		return DEM{}, problem.Invalid(fmt.Errorf("field %s has no file: choose a DEM", part.FormName()))
	}
	return s.Upload(ctx, name, part)
}

// UploadAs is Upload under a given key. What is no TIFF is refused at its first
// bytes. With once set another may bring the same file under the key: what is there
// stays, and goes only if it is no DEM.
func (s *Store) UploadAs(ctx context.Context, key, name string, r io.Reader, once bool) (DEM, error) {
	tiff, err := s.TIFF(name, bufio.NewReaderSize(r, 4096))
	if err != nil {
		return DEM{}, err
	}
	defer func() { _ = tiff.Close() }()
	ref, err := s.PutAt(ctx, key, name, tiff, s.MaxUpload, once)
	if err != nil {
		return DEM{}, err
	}
	size, err := s.check(ctx, ref.Key)
	if err != nil {
		err = Called(name, err)
		if once && !problem.Refused(err) {
			return DEM{}, err
		}
		return DEM{}, errors.Join(err, s.Bucket.Delete(context.WithoutCancel(ctx), ref.Key))
	}
	s.noteStored(ctx, ref)
	return DEM{DEM: ref, Extent: size}, nil
}

// Stored is a DEM uploaded before, by the name Upload gave it.
func (s *Store) Stored(ctx context.Context, name string) (DEM, error) {
	key, err := uploadedKey(name)
	if err != nil {
		return DEM{}, err
	}
	return s.StoredObject(ctx, key, name)
}

// StoredObject is a DEM in the bucket, which the client knows by name. The file is read whole where its checksum is not
// known.
func (s *Store) StoredObject(ctx context.Context, key, name string) (DEM, error) {
	a, err := s.attributes(ctx, key, name)
	if err != nil {
		return DEM{}, err
	}
	d := DEM{DEM: job.DEM{Key: key, Name: ownName(key, a), Size: a.Size}}
	if d.SHA256 = s.sumOf(ctx, key, a); d.SHA256 != "" {
		return d, nil
	}
	if d.Extent, err = s.check(ctx, key); err != nil {
		return DEM{}, Called(d.Name, err)
	}
	r, err := s.Bucket.NewReader(ctx, key, nil)
	if err != nil {
		return DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	h := sha256.New()
	if d.Size, err = io.Copy(h, r); err != nil {
		return DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	d.SHA256, d.read = hex.EncodeToString(h.Sum(nil)), a
	return d, nil
}

// Locate finds an upload by name, without reading it.
func (s *Store) Locate(ctx context.Context, name string) (job.DEM, error) {
	key, err := uploadedKey(name)
	if err != nil {
		return job.DEM{}, err
	}
	a, err := s.attributes(ctx, key, name)
	if err != nil {
		return job.DEM{}, err
	}
	return job.DEM{Key: key, Name: ownName(key, a)}, nil
}

// uploadedKey is the object of an upload.
func uploadedKey(name string) (string, error) {
	if strings.ContainsAny(name, `/\`) || name == "" || !utf8.ValidString(name) {
		return "", problem.Invalid(fmt.Errorf("uploaded_filename %q: must be a name that upload-file returned", name))
	}
	return job.InputPrefix + name, nil
}

func (s *Store) attributes(ctx context.Context, key, name string) (*blob.Attributes, error) {
	if err := Mine(ctx, key); err != nil {
		return nil, err
	}
	a, err := s.Bucket.Attributes(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, problem.Invalid(fmt.Errorf("uploaded_filename %q: no such upload; upload it first", name))
	}
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", key, err)
	}
	return a, nil
}

// nameMetadata is the metadata in which a stored file has the user's own name, where its key does not.
const nameMetadata = "filename"

// ownName is the name that a stored file had before.
func ownName(key string, a *blob.Attributes) string {
	if name, err := url.PathUnescape(a.Metadata[nameMetadata]); err == nil && name != "" {
		return BaseName(name)
	}
	return original(path.Base(key))
}

// original is the name that an upload had before it was stored.
func original(name string) string {
	if _, after, prefixed := strings.Cut(name, "_"); prefixed {
		return after
	}
	return name
}
