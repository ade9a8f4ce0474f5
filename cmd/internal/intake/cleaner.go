package intake

import (
	"context"
	"fmt"
	"time"

	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/retention"
)

// Cleaner does the retention of the old suite's endpoint, with the same bucket.
type Cleaner struct {
	Service  *cleanup.Service
	Settings cleanup.Settings
	// NextRun is when the daily pass comes; nil when nobody here knows.
	NextRun func() time.Time
}

// Usual is what the daily pass goes by.
func (c Cleaner) Usual() retention.Policy {
	return retention.Policy{Days: c.Settings.Days, Hours: c.Settings.Hours}
}

// Next is when the daily pass comes.
func (c Cleaner) Next() time.Time {
	if c.NextRun == nil {
		return time.Time{}
	}
	return c.NextRun()
}

// Clean does one pass.
func (c Cleaner) Clean(ctx context.Context, k retention.Policy) (retention.Removed, error) {
	policy, err := cleanup.Settings{Days: k.Days, Hours: k.Hours, Batch: c.Settings.Batch, CacheDays: c.Settings.CacheDays, DryRun: k.DryRun || c.Settings.DryRun}.Policy()
	if err != nil {
		return retention.Removed{}, problem.Invalid(fmt.Errorf("invalid request: %w", err))
	}
	once := *c.Service
	once.Policy = policy
	r, err := once.Retain(ctx)
	return retention.Removed{Successful: r.Successful, Failed: r.Failed, FreedMB: r.FreedMB, Errors: r.Errors}, err
}
