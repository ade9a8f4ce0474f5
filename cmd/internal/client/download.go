package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Result is one file of a job.
type Result struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Href string `json:"href"`
}

// tries is how often a download that breaks off is taken up again.
const tries = 6

// Results lists the files of a job.
func (c *Client) Results(ctx context.Context, id string) ([]Result, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var list []Result
	if err := c.call(ctx, http.MethodGet, "/jobs/"+url.PathEscape(id)+"/results/", nil, "", &list); err != nil {
		return nil, err
	}
	for _, r := range list {
		if !filepath.IsLocal(filepath.FromSlash(r.Name)) || strings.ContainsAny(r.Name, "\\\x00") {
			return nil, fmt.Errorf("result %q: the server named a file outside the directory; nothing was written", r.Name)
		}
	}
	return list, nil
}

// Download places a result in dir under its own name. The file appears when it is whole: as long as the server said,
// and of one version. A download that breaks off is taken up where it was. got is told of every piece.
func (c *Client) Download(ctx context.Context, id string, r Result, dir string, got func(n int)) error {
	to := filepath.Join(dir, filepath.FromSlash(r.Name))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	part, err := os.Create(to + ".part")
	if err != nil {
		return err
	}
	err = c.fetch(ctx, "/jobs/"+url.PathEscape(id)+"/results/"+escape(r.Name), r.Size, part, got)
	if closing := part.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(part.Name(), to)
	}
	if err != nil {
		_ = os.Remove(part.Name())
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	return nil
}

func escape(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// fetch writes size bytes to f, over several requests if it must.
func (c *Client) fetch(ctx context.Context, path string, size int64, f *os.File, got func(n int)) error {
	var have int64
	var etag string
	pause := 500 * time.Millisecond
	for try := 1; ; try++ {
		n, tag, err := c.piece(ctx, path, have, size, etag, f, got)
		have += n
		etag = tag
		if err == nil && have == size {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("%w: the answer ended after %d of %d bytes", ErrAway, have, size)
		}
		if n > 0 {
			try = 1
		}
		if !errors.Is(err, ErrAway) || ctx.Err() != nil || try >= tries {
			return err
		}
		if err := c.sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, 15*time.Second)
	}
}

// piece asks for what is missing from have on, and returns how much of it came.
func (c *Client) piece(ctx context.Context, path string, have, size int64, etag string, f *os.File, got func(n int)) (int64, string, error) {
	var header []string
	if have > 0 {
		header = []string{"Range", fmt.Sprintf("bytes=%d-", have), "If-Match", etag}
	}
	res, err := c.do(ctx, http.MethodGet, path, nil, header...)
	if err != nil {
		return 0, etag, err
	}
	defer func() { _ = res.Body.Close() }()
	tag := res.Header.Get("ETag")
	want := http.StatusOK
	if have > 0 {
		want = http.StatusPartialContent
	}
	switch {
	case res.StatusCode != want, have > 0 && tag != etag:
		return 0, etag, errors.New("the file changed while it was read; start again")
	case res.ContentLength >= 0 && res.ContentLength != size-have:
		return 0, etag, fmt.Errorf("%d bytes, want %d: the file changed since it was listed; start again", res.ContentLength, size-have)
	}
	n, err := io.Copy(f, io.LimitReader(counted{res.Body, got}, size-have))
	var disk *fs.PathError // of the file that is written: a connection has none
	if err != nil && !errors.As(err, &disk) {
		err = fmt.Errorf("%w: %w", ErrAway, err)
	}
	return n, tag, err
}
