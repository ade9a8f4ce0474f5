package rangeread

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/retry"
)

const maxRedirects = 5

type remote struct {
	client *http.Client
	url    *url.URL
	bearer string

	// What the first answer said of the file; later ones must agree.
	size         int64
	etag         string
	lastModified string
}

// URL opens the file at an http or https address whose server answers range requests; a nil client means one
// with sensible timeouts. A bearer token, empty for none, goes to the host of the address only: over https
// (or http to this machine), never to another host or scheme a redirect leads to. At most five redirects are followed,
// none from https to http. Reads use ctx, so it must live as long as the Reader. A file that changes while it is open makes
// reads fail with ErrChanged. Errors name the address without its query, which may hold a signature.
//
// URL goes wherever the address and its redirects lead; whoever takes addresses from strangers passes a client
// that dials only where it may.
func URL(ctx context.Context, client *http.Client, address, bearer string) (*Reader, error) {
	return openURL(ctx, client, address, bearer, defaults())
}

func openURL(ctx context.Context, client *http.Client, address, bearer string, cfg config) (*Reader, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("address: not a URL: want https://host/path")
	}
	r := &remote{url: u, bearer: bearer, size: -1}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("address %q: must be an http or https URL", r)
	case bearer != "" && u.User != nil:
		return nil, fmt.Errorf("%s: holds a user name beside a bearer token: remove one of them", r)
	case bearer != "" && u.Scheme != "https" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%s: a bearer token is only sent over https: use an https address", r)
	case strings.ContainsFunc(bearer, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		return nil, fmt.Errorf("%s: bearer token holds a blank or a character outside ASCII: check how it was set", r)
	}
	r.client = r.guard(client)

	// The first block doubles as the question for the size: formats start with their header.
	var head []byte
	err = repeat(ctx, cfg, func(ctx context.Context) error {
		head, err = r.open(ctx, int64(cfg.block))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r, err)
	}
	reader := newReader(ctx, r, r.size, cfg)
	if len(head) > 0 {
		reader.keep(0, head)
	}
	return reader, nil
}

// String is the address without user, query and fragment.
func (r *remote) String() string {
	return (&url.URL{Scheme: r.url.Scheme, Host: r.url.Host, Path: r.url.Path}).String()
}

// guard returns a client that keeps the token from other hosts.
func (r *remote) guard(client *http.Client) *http.Client {
	var c http.Client
	if client != nil {
		c = *client
	} else {
		c.Transport = defaultTransport()
	}
	inner := c.CheckRedirect
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return permanent{fmt.Errorf("more than %d redirects", maxRedirects)}
		}
		if s := req.URL.Scheme; s != "https" && (s != "http" || via[len(via)-1].URL.Scheme == "https") {
			return permanent{fmt.Errorf("redirected from https to %q: refused", s)}
		}
		if req.URL.Scheme != r.url.Scheme || req.URL.Host != r.url.Host {
			req.Header.Del("Authorization")
			// The address may hold a signature, which the next host must not see.
			req.Header.Del("Referer")
		}
		if inner != nil {
			return inner(req, via)
		}
		return nil
	}
	return &c
}

func defaultTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.ResponseHeaderTimeout = 30 * time.Second
	return t
}

// get asks for n bytes from off on; the caller closes the body.
func (r *remote) get(ctx context.Context, off, n int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url.String(), nil)
	if err != nil {
		return nil, permanent{err}
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	req.Header.Set("Accept-Encoding", "identity") // offsets are those of the file itself
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	if strings.HasPrefix(r.etag, `"`) { // a weak one is not allowed here
		req.Header.Set("If-Range", r.etag)
	}
	res, err := r.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the outer error repeats the address with its query
		}
		return nil, err
	}
	return res, nil
}

// open learns the size and returns the first block, which is empty for an empty file.
func (r *remote) open(ctx context.Context, n int64) ([]byte, error) {
	res, err := r.get(ctx, 0, n)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusRequestedRangeNotSatisfiable && res.Header.Get("Content-Range") == "bytes */0" {
		r.size = 0
		return nil, nil
	}
	if res.StatusCode == http.StatusOK && res.ContentLength == 0 {
		r.size = 0
		return nil, nil
	}
	first, last, total, err := r.partial(res)
	if err != nil {
		return nil, err
	}
	if total < 0 {
		return nil, permanent{errors.New("server does not say how long the file is: download it and use the copy")}
	}
	if want := min(n, total) - 1; first != 0 || last != want {
		return nil, permanent{fmt.Errorf("server sent bytes %d-%d instead of 0-%d: download the file and use the copy", first, last, want)}
	}
	head := make([]byte, last+1)
	if err := fill(res.Body, [][]byte{head}); err != nil {
		return nil, err
	}
	r.size, r.etag, r.lastModified = total, res.Header.Get("ETag"), res.Header.Get("Last-Modified")
	return head, nil
}

func (r *remote) read(ctx context.Context, dst [][]byte, off int64) error {
	n := length(dst)
	res, err := r.get(ctx, off, n)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	// A whole file in place of a range is how If-Range reports a change.
	if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return permanent{ErrChanged}
	}
	first, last, total, err := r.partial(res)
	if err != nil {
		return err
	}
	if total >= 0 && total != r.size || res.Header.Get("ETag") != r.etag || res.Header.Get("Last-Modified") != r.lastModified {
		return permanent{ErrChanged}
	}
	if first != off || last != off+n-1 {
		return permanent{fmt.Errorf("server sent bytes %d-%d instead of %d-%d", first, last, off, off+n-1)}
	}
	return fill(res.Body, dst)
}

// partial checks that an answer is one range of the file itself and returns which one.
func (r *remote) partial(res *http.Response) (first, last, total int64, err error) {
	switch code := res.StatusCode; {
	case code == http.StatusPartialContent:
	case code == http.StatusOK:
		return 0, 0, 0, permanent{errors.New("server ignores range requests: download the file and use the copy")}
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		hint := "give a bearer token"
		if r.bearer != "" {
			hint = "check the bearer token"
		}
		return 0, 0, 0, permanent{fmt.Errorf("server answered %s: %s", status(code), hint)}
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		err := fmt.Errorf("server answered %s", status(code))
		if s, aerr := strconv.Atoi(res.Header.Get("Retry-After")); aerr == nil && s > 0 {
			return 0, 0, 0, retry.Later(err, min(time.Duration(min(s, 3600))*time.Second, maxPause))
		}
		return 0, 0, 0, err
	case code == http.StatusNotFound, code == http.StatusGone:
		return 0, 0, 0, permanent{absent{fmt.Errorf("server answered %s", status(code))}}
	default:
		return 0, 0, 0, permanent{fmt.Errorf("server answered %s", status(code))}
	}
	if e := res.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return 0, 0, 0, permanent{errors.New("server sends the file compressed, so its bytes cannot be addressed: download the file and use the copy")}
	}
	first, last, total, ok := parseContentRange(res.Header.Get("Content-Range"))
	if !ok {
		return 0, 0, 0, permanent{errors.New("server answers range requests without a usable Content-Range: download the file and use the copy")}
	}
	return first, last, total, nil
}

func status(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// parseContentRange reads "bytes first-last/total" (RFC 9110, 14.4); total is -1 for "*".
func parseContentRange(s string) (first, last, total int64, ok bool) {
	unit, rest, found := strings.Cut(s, " ")
	if !found || !strings.EqualFold(unit, "bytes") {
		return 0, 0, 0, false
	}
	span, size, found := strings.Cut(rest, "/")
	if !found {
		return 0, 0, 0, false
	}
	from, to, found := strings.Cut(span, "-")
	if !found {
		return 0, 0, 0, false
	}
	first, ok1 := digits(from)
	last, ok2 := digits(to)
	total, ok3 := int64(-1), true
	if size != "*" {
		total, ok3 = digits(size)
		ok3 = ok3 && last < total
	}
	if !ok1 || !ok2 || !ok3 || first > last {
		return 0, 0, 0, false
	}
	return first, last, total, true
}

func digits(s string) (int64, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
