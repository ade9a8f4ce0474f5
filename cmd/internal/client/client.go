// Package client speaks to a submission service over its /api.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/retry"
)

const (
	// callTime bounds a call that carries no file.
	callTime = 30 * time.Second
	// headTime is how long a server may take to answer a request that is sent whole; it reads a DEM again meanwhile.
	headTime = 10 * time.Minute
	// maxAnswer bounds an answer that is no file, in bytes.
	maxAnswer = 64 << 20
	// maxDetail bounds the sentence of a refusal, in bytes.
	maxDetail = 4096
)

// ErrAway is wrapped by errors of calls that may do better later: nobody answers, or the server cannot work.
var ErrAway = errors.New("the server does not answer")

// Refusal is an answer that no repetition mends.
type Refusal struct {
	// Status of HTTP, 4xx or 507: there is no room for the job.
	Status int
	// Detail is the server's sentence.
	Detail string
}

func (r Refusal) Error() string { return r.Detail }

// Client of one server. It is safe for concurrent use.
type Client struct {
	base  string
	http  *http.Client
	agent string
	// token returns the bearer token of the next request; empty for none.
	token func(ctx context.Context) (string, error)
	sleep func(ctx context.Context, d time.Duration) error
}

// New returns the client of a server, an http or https address; agent names the program. token returns the bearer token of
// each request, or an empty one; nil never does.
func New(server, agent string, token func(ctx context.Context) (string, error)) (*Client, error) {
	u, err := url.Parse(server)
	if err == nil && u.User != nil {
		return nil, fmt.Errorf("server %s: must be an address without a user name or password", u.Redacted())
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return nil, fmt.Errorf("server %q: must be an address such as http://localhost:5000", server)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = headTime
	return &Client{base: strings.TrimSuffix(server, "/"), http: &http.Client{Transport: transport}, agent: agent, token: token, sleep: retry.Sleep}, nil
}

// Job is a job as the server shows it.
type Job struct {
	ID       string `json:"id"`
	Workflow string `json:"workflow_type"`
	Status   string `json:"status"`
	// Progress in per cent.
	Progress float64 `json:"progress"`
	// Task says what is being done; Expected is when the server expects the job to end, nil while it cannot tell.
	Task      string     `json:"current_task"`
	Expected  *time.Time `json:"estimated_completion"`
	Created   time.Time  `json:"created_at"`
	Completed *time.Time `json:"completed_at"`
	DEM       string     `json:"dem_filename"`
	Uploaded  string     `json:"uploaded_filename"`
	Error     string     `json:"error_message"`
	Expired   *time.Time `json:"data_expired_at"`
	// Expires is when retention takes it; nil while nobody knows. Pinned jobs stay.
	Expires    *time.Time                 `json:"expires_at"`
	Pinned     bool                       `json:"pinned"`
	Parameters map[string]json.RawMessage `json:"parameters"`
	// Raw is the server's own words.
	Raw json.RawMessage `json:"-"`
}

// Ended reports whether the status is final.
func (j Job) Ended() bool { return j.Status == "completed" || j.Status == "failed" }

// Field is a value of a submission.
type Field struct{ Name, Value string }

// File is a file of a submission.
type File struct{ Name, Path string }

// Submitted is what a server made of a submission.
type Submitted struct {
	ID string `json:"job_id"`
	// Existing says that it made nothing: the job does the same already.
	Existing bool `json:"existing,omitempty"`
}

// Submit sends a job. sent, if not nil, is told how many bytes of how many are on their way.
func (c *Client) Submit(ctx context.Context, fields []Field, files []File, sent func(done, total int64)) (Submitted, error) {
	total := int64(0)
	for _, f := range files {
		info, err := os.Stat(f.Path)
		if err != nil {
			return Submitted{}, err
		}
		total += info.Size()
	}
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	unread := make(chan error, 1)
	go func() {
		done := int64(0)
		err := func() error {
			// Fields first: a wrong one is refused before a file is sent.
			for _, f := range fields {
				if err := form.WriteField(f.Name, f.Value); err != nil {
					return err
				}
			}
			for _, f := range files {
				if err := attach(form, f, func(n int) {
					if done += int64(n); sent != nil {
						sent(done, total)
					}
				}); err != nil {
					if !errors.Is(err, io.ErrClosedPipe) {
						unread <- fmt.Errorf("%s could not be sent: %w", f.Path, err)
					}
					return err
				}
			}
			return form.Close()
		}()
		_ = w.CloseWithError(err)
	}()
	defer func() { _ = r.Close() }()
	var answer Submitted
	if err := c.call(ctx, http.MethodPost, "/api/submit-job", r, form.FormDataContentType(), &answer); err != nil {
		select {
		case err = <-unread: // of this machine, whatever the server made of the rest
		default:
		}
		return Submitted{}, err
	}
	if answer.ID == "" {
		return Submitted{}, errors.New("the server did not say which job it took: is it a server of eemt?")
	}
	return answer, nil
}

func attach(form *multipart.Writer, f File, sent func(n int)) error {
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	part, err := form.CreateFormFile(f.Name, filepath.Base(f.Path))
	if err != nil {
		return err
	}
	_, err = io.Copy(part, counted{file, sent})
	return err
}

type counted struct {
	io.Reader
	sent func(n int)
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.sent(n)
	return n, err
}

// Query says which jobs to list; what is empty means all.
type Query struct {
	Status, Workflow string
	// Text holds words that are all in a job's id, DEM, workflow or climate.
	Text  string
	Limit int
}

// mostPages bounds the requests of one listing. Each looks at 500 jobs or more.
const mostPages = 20

// Jobs lists jobs, newest first. It reports whether there may be more than were looked at.
func (c *Client) Jobs(ctx context.Context, want Query) (list []Job, more bool, err error) {
	q := url.Values{"limit": {fmt.Sprint(want.Limit)}}
	for name, value := range map[string]string{"status": want.Status, "workflow_type": want.Workflow, "q": want.Text} {
		if value != "" {
			q.Set(name, value)
		}
	}
	next := "/api/jobs?" + q.Encode()
	for range mostPages {
		if next == "" || len(list) >= want.Limit {
			break
		}
		page, link, err := c.page(ctx, next)
		if err != nil {
			return list, true, err
		}
		list, next = append(list, page...), link
	}
	return list[:min(len(list), want.Limit)], next != "", nil
}

// page reads a page of jobs, and the path of the next.
func (c *Client) page(ctx context.Context, path string) ([]Job, string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var raw []json.RawMessage
	header, err := c.answer(ctx, http.MethodGet, path, nil, "", &raw)
	if err != nil {
		return nil, "", err
	}
	list := make([]Job, len(raw))
	for i := range raw {
		list[i].Raw = raw[i]
		if err := json.Unmarshal(raw[i], &list[i]); err != nil {
			return nil, "", fmt.Errorf("answer of the server: %w", err)
		}
		list[i].Error = param.AsFlags(list[i].Error)
	}
	link, rel, _ := strings.Cut(header.Get("Link"), ">")
	if u, err := url.Parse(strings.TrimPrefix(link, "<")); err == nil && u.Path == "/api/jobs" && strings.Contains(rel, `rel="next"`) {
		return list, u.RequestURI(), nil // of this server, whatever the link says
	}
	return list, "", nil
}

// Job asks for one job.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var j Job
	if err := c.call(ctx, http.MethodGet, "/api/jobs/"+url.PathEscape(id), nil, "", &j.Raw); err != nil {
		return j, err
	}
	if err := json.Unmarshal(j.Raw, &j); err != nil {
		return j, fmt.Errorf("answer of the server: %w", err)
	}
	j.Error = param.AsFlags(j.Error)
	return j, nil
}

// Cancel ends a job that goes on; Delete removes an ended job with its data.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.change(ctx, http.MethodPost, "/api/jobs/"+url.PathEscape(id)+"/cancel")
}

// Delete removes an ended job with its data.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.change(ctx, http.MethodDelete, "/api/jobs/"+url.PathEscape(id))
}

// Pin pins a job, or with days above 0 keeps it for so long.
func (c *Client) Pin(ctx context.Context, id string, days int) error {
	body, err := json.Marshal(map[string]any{"pinned": days == 0, "days": days})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var answer json.RawMessage
	return c.call(ctx, http.MethodPut, "/jobs/"+url.PathEscape(id)+"/keep", bytes.NewReader(body), "application/json", &answer)
}

// Unpin lets retention take a job after the usual time, from now on.
func (c *Client) Unpin(ctx context.Context, id string) error {
	return c.change(ctx, http.MethodDelete, "/jobs/"+url.PathEscape(id)+"/keep")
}

func (c *Client) change(ctx context.Context, method, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute) // deleting takes a request for each object
	defer cancel()
	var answer json.RawMessage
	return c.call(ctx, method, path, nil, "", &answer)
}

// JSON makes one call of an address of the server with a JSON body, or none, and decodes the answer into v, if there is one.
func (c *Client) JSON(ctx context.Context, method, path string, body, v any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var in io.Reader
	kind := ""
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in, kind = bytes.NewReader(data), "application/json"
	}
	return c.call(ctx, method, path, in, kind, v)
}

// Watch asks for a job every pause until it has ended, and passes each answer to seen. While the server is away it
// goes on asking, less and less often, for as long as patience; then it returns the last error.
func (c *Client) Watch(ctx context.Context, id string, pause, patience time.Duration, seen func(Job)) (Job, error) {
	waited, next := time.Duration(0), pause
	for {
		j, err := c.Job(ctx, id)
		switch {
		case err == nil:
			waited, next = 0, pause
			seen(j)
			if j.Ended() {
				return j, nil
			}
		case !errors.Is(err, ErrAway) || ctx.Err() != nil || waited >= patience:
			return j, err
		default:
			next = min(2*next, 30*time.Second)
			waited += next
		}
		if err := c.sleep(ctx, next); err != nil {
			return j, err
		}
	}
}

// call makes one request and decodes its JSON answer.
func (c *Client) call(ctx context.Context, method, path string, body io.Reader, contentType string, into any) error {
	_, err := c.answer(ctx, method, path, body, contentType, into)
	return err
}

// answer is call with the header of the answer.
func (c *Client) answer(ctx context.Context, method, path string, body io.Reader, contentType string, into any) (http.Header, error) {
	res, err := c.do(ctx, method, path, body, "Content-Type", contentType)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	if res.StatusCode == http.StatusNoContent {
		return res.Header, nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return nil, fmt.Errorf("the answer is not that of an eemt server: %w", err)
	}
	return res.Header, nil
}

// do makes one request. An answer other than 2xx is an error: a Refusal, or ErrAway for 5xx but 507 and, while it is only asked, for 429.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json, */*;q=0.5")
	for i := 0; i < len(header); i += 2 {
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	if c.token != nil {
		token, err := c.token(ctx)
		if err != nil {
			return nil, err
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	data, _ := io.ReadAll(io.LimitReader(res.Body, maxDetail))
	detail := param.AsFlags(sentence(data)) // a server names the fields of forms
	if detail == "" {
		detail = "the server answered " + res.Status
	}
	if res.StatusCode >= 500 && res.StatusCode != http.StatusInsufficientStorage || res.StatusCode == http.StatusTooManyRequests && method == http.MethodGet {
		return nil, fmt.Errorf("%w: %s", ErrAway, detail)
	}
	return nil, Refusal{Status: res.StatusCode, Detail: detail}
}

// sentence is what a refusal says: {"detail": ...}, or plain text.
func sentence(data []byte) string {
	var problem struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(data, &problem) == nil {
		return problem.Detail
	}
	text := strings.TrimSpace(string(data))
	if strings.ContainsAny(text, "<\n") {
		return "" // a page for people
	}
	return text
}
