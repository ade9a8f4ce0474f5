// Package retention tells how long jobs are kept, and lets people pin them.
package retention

import (
	"context"
	"time"
)

// Policy is how long jobs are kept.
type Policy struct {
	// Days that data of completed jobs are kept, hours that failed jobs are.
	Days, Hours int
	// DryRun only counts.
	DryRun bool
}

// Removed is what one pass removed.
type Removed struct {
	Successful, Failed int
	FreedMB            float64
	Errors             []string
}

// Cleaner removes what retention says.
type Cleaner interface {
	// Clean does one pass. A Policy out of range is an error of the kind fault.Invalid.
	Clean(ctx context.Context, k Policy) (Removed, error)
	// Usual is what the daily pass goes by.
	Usual() Policy
	// Next is when the daily pass comes; zero when nobody here knows.
	Next() time.Time
}
