package quota

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/job"
)

func uploadPrefix(owner, day, id string) string {
	return job.QuotaOf(owner) + "uploads/" + day + "/" + id + "/"
}

// Upload is one that comes. The zero value is one that is not counted.
type Upload struct {
	book   Book
	prefix string
	// bytes are how many may come.
	bytes int64
}

// Reader reads what comes, and counts it.
type Reader struct {
	io.Reader
	// Came is how many bytes came.
	Came int64
	u    Upload
}

// Reader returns a reader of the upload, which refuses more than was announced.
func (u Upload) Reader(r io.Reader) *Reader { return &Reader{Reader: r, u: u} }

// Read reads the next bytes.
func (r *Reader) Read(p []byte) (int, error) {
	if r.u.prefix == "" {
		return r.Reader.Read(p)
	}
	left := r.u.bytes - r.Came
	if int64(len(p)) > left+1 {
		p = p[:left+1]
	}
	n, err := r.Reader.Read(p)
	if int64(n) > left {
		n = int(left)
		err = Exceeded{"the file is longer than what is left of your uploads of today: send it tomorrow, or ask the operator for more", r.u.book.tomorrow()}
	}
	r.Came += int64(n)
	return n, err
}

// BeginUpload counts an upload of so many bytes, or refuses it with Exceeded. With less than 0 its length is not known: at most
// so many may come, and what is left of the day counts until it has ended.
func (b Book) BeginUpload(ctx context.Context, owner, id string, bytes, most int64) (Upload, error) {
	limits, err := b.bounds(ctx, owner)
	if err != nil || limits.UploadBytes == 0 {
		return Upload{}, err
	}
	u := Upload{book: b, prefix: uploadPrefix(owner, b.today(), id), bytes: bytes}
	if bytes < 0 {
		used, err := b.Usage(ctx, owner)
		if err != nil {
			return u, err
		}
		u.bytes = max(min(most, limits.UploadBytes-used.UploadBytes), 1)
	}
	if err := u.write(ctx, u.bytes); err != nil {
		return u, err
	}
	used, err := b.Usage(ctx, owner)
	if err == nil && used.UploadBytes > limits.UploadBytes {
		err = Exceeded{fmt.Sprintf("with this file your uploads of today would have %s, the most in a day is %s: send it tomorrow, or ask the operator for more", amount.Bytes(used.UploadBytes), amount.Bytes(limits.UploadBytes)), b.tomorrow()}
	}
	if err != nil {
		_ = b.dropAll(context.WithoutCancel(ctx), u.prefix, "")
	}
	return u, err
}

func (u Upload) write(ctx context.Context, bytes int64) error {
	if err := u.book.Bucket.WriteAll(ctx, u.prefix+strconv.FormatInt(bytes, 10), nil, nil); err != nil {
		return fmt.Errorf("count the upload: %w", err)
	}
	return nil
}

// End counts what came in place of what was announced.
func (u Upload) End(ctx context.Context, came int64) error {
	if u.prefix == "" || came == u.bytes {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if came > 0 {
		if err := u.write(ctx, came); err != nil {
			return err
		}
	}
	return u.book.dropAll(ctx, u.prefix, u.prefix+strconv.FormatInt(came, 10))
}

// EndUpload is Upload.End of an upload of today that another request began.
func (b Book) EndUpload(ctx context.Context, owner, id string, announced, came int64) error {
	u := Upload{book: b, prefix: uploadPrefix(owner, b.today(), id), bytes: announced}
	there, err := b.Bucket.Exists(ctx, u.prefix+strconv.FormatInt(announced, 10))
	if err != nil || !there || owner == "" { // of a day before, or of nobody
		return err
	}
	return u.End(ctx, came)
}
