package cleanup

import (
	"fmt"
	"time"
)

// Settings are what the environment says of retention, under the old cleaner's names.
type Settings struct {
	Days   int  `env:"EEMT_SUCCESS_RETENTION_DAYS" envDefault:"7"`
	Hours  int  `env:"EEMT_FAILED_RETENTION_HOURS" envDefault:"12"`
	DryRun bool `env:"EEMT_DRY_RUN"`
	// ResumeAfter is how long a job may stand still before its missing work is asked for again; 0 means the default.
	ResumeAfter time.Duration `env:"EEMT_RESUME_AFTER"`
	// CacheDays is how long what was read over the network is kept after its last use; 0 means the default.
	CacheDays int `env:"EEMT_CACHE_RETENTION_DAYS" envDefault:"7"`
	// Batch is how many jobs one pass removes at most; 0 means the default.
	Batch int `env:"EEMT_CLEANUP_BATCH_SIZE" envDefault:"1000"`
}

// Policy checks the values.
func (r Settings) Policy() (Policy, error) {
	p := DefaultPolicy()
	if r.Days < 0 || r.Days > 36500 {
		return p, fmt.Errorf("success-retention-days %d: must be 0 to 36500", r.Days)
	}
	if r.Hours < 0 || r.Hours > 876000 {
		return p, fmt.Errorf("failed-retention-hours %d: must be 0 to 876000", r.Hours)
	}
	if r.Batch < 0 || r.Batch > 100000 {
		return p, fmt.Errorf("batch-size %d: must be 1 to 100000, or 0 for the default", r.Batch)
	}
	p.Batch = r.Batch
	if r.CacheDays < 0 || r.CacheDays > 36500 {
		return p, fmt.Errorf("cache-retention-days %d: must be 1 to 36500, or 0 for the default", r.CacheDays)
	}
	p.Cached = time.Duration(r.CacheDays) * 24 * time.Hour
	if r.ResumeAfter != 0 {
		if r.ResumeAfter < time.Second || r.ResumeAfter > p.GiveUp/2 {
			return p, fmt.Errorf("resume-after %s: must be 1s to %s", r.ResumeAfter, p.GiveUp/2)
		}
		p.Quiet = r.ResumeAfter
	}
	p.Completed, p.Failed, p.DryRun = time.Duration(r.Days)*24*time.Hour, time.Duration(r.Hours)*time.Hour, r.DryRun
	return p, nil
}
