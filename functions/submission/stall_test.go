package submission_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
)

// Only who waits for a body is kept waiting by its client: the work on one that has come may take longer.
func TestWorkAfterTheBodyIsNoStall(t *testing.T) {
	slow := false
	s := newService(t, func(_, key string) error {
		if slow && strings.HasPrefix(key, "jobs/") {
			time.Sleep(1200 * time.Millisecond)
		}
		return nil
	})
	s.with(func(c *submission.Config) { c.Stall = 500 * time.Millisecond })
	up := s.post(t, "/api/upload-file", field{"file", hills(t), "dem.tif"})
	slow = true
	a := s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: up.json(t)["filename"].(string)})
	if a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// The last part of an upload has come: joining the parts may take longer than a part may stall.
func TestJoiningIsNoStall(t *testing.T) {
	s := newService(t, func(op, key string) error {
		if op == faultbucket.Commit && strings.HasPrefix(key, "inputs/") {
			time.Sleep(1200 * time.Millisecond)
		}
		return nil
	})
	s.with(func(c *submission.Config) { c.Stall = 500 * time.Millisecond })
	data := hills(t)
	path := s.begin(t, "dem.tif", len(data))
	if a := s.patch(t, path, 0, data); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
	// Nor where another request joins them.
	path = s.begin(t, "dem.tif", len(data))
	if err := s.Store.Bucket.WriteAll(t.Context(), "incoming"+strings.TrimPrefix(path, "/uploads")+"/000000000000000", []byte(data), nil); err != nil {
		t.Fatal(err)
	}
	if at := s.offset(t, path); at != strconv.Itoa(len(data)) {
		t.Errorf("offset %s", at)
	}
}

// Clients that send large requests byte by byte hold up nobody, whether their request is small or large.
func TestSlowInlineRequests(t *testing.T) {
	s := newService(t, nil)
	up := s.post(t, "/api/upload-file", field{"file", hills(t), "dem.tif"})
	for i := range 40 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.http.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		sent := "{" + strings.Repeat(" ", i%2*100_000) // less than is held in memory, and more
		if _, err := io.WriteString(c, "POST /processes/sol/execution HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n"+sent); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(50 * time.Millisecond) // they are being read
	for name, blanks := range map[string]int{"small": 0, "large": 100_000} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		body := `{"inputs":{"dem":{"href":"inputs/` + up.json(t)["filename"].(string) + `"}}` + strings.Repeat(" ", blanks) + "}"
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.http.URL+"/processes/sol/execution", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
}
