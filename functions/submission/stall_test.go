package submission_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Only who waits for a body is kept waiting by its client: the work on one that has come may take longer.
func TestWorkAfterTheBodyIsNoStall(t *testing.T) {
	slow := false
	s := newService(t, func(_, key string) error {
		if slow && strings.HasPrefix(key, "jobs/") {
			time.Sleep(400 * time.Millisecond)
		}
		return nil
	})
	s.Stall = 100 * time.Millisecond
	up := s.post(t, "/api/upload-file", field{"file", hills(t), "dem.tif"})
	slow = true
	a := s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: up.json(t)["filename"].(string)})
	if a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}
