package cleanup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/cleanup"
)

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name string
		r    cleanup.Settings
		want string
	}{
		{"at once", cleanup.Settings{}, ""},
		{"longest", cleanup.Settings{Days: 36500, Hours: 876000}, ""},
		{"negative days", cleanup.Settings{Days: -1}, "success-retention-days -1: must be 0 to 36500"},
		{"too many days", cleanup.Settings{Days: 36501}, "success-retention-days 36501"},
		{"negative hours", cleanup.Settings{Hours: -1}, "failed-retention-hours -1: must be 0 to 876000"},
		{"too many hours", cleanup.Settings{Hours: 1 << 40}, "failed-retention-hours"},
		{"too large a batch", cleanup.Settings{Batch: 100001}, "batch-size 100001: must be 1 to 100000"},
		{"cache for ever", cleanup.Settings{CacheDays: 36501}, "cache-retention-days 36501: must be 1 to 36500"},
		{"soon again", cleanup.Settings{ResumeAfter: time.Second}, ""},
		{"at once again", cleanup.Settings{ResumeAfter: time.Millisecond}, "resume-after 1ms: must be 1s to 12h0m0s"},
		{"never again", cleanup.Settings{ResumeAfter: 13 * time.Hour}, "resume-after 13h0m0s"},
	} {
		p, err := c.r.Policy()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err == nil && (p.Completed != time.Duration(c.r.Days)*24*time.Hour || p.Failed != time.Duration(c.r.Hours)*time.Hour || p.Completed < 0) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}
