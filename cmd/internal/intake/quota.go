package intake

import "github.com/cyverse-gis/eemt/functions/submission/quota"

// Quota bounds the jobs and uploads of each owner who has no limits of their own; 0 is no limit.
type Quota struct {
	Jobs        int     `env:"EEMT_QUOTA_JOBS" envDefault:"20"`
	CoreHours   float64 `env:"EEMT_QUOTA_CORE_HOURS" envDefault:"200"`
	ResultBytes int64   `env:"EEMT_QUOTA_RESULT_BYTES" envDefault:"500000000000"`
	StoredBytes int64   `env:"EEMT_QUOTA_STORED_BYTES" envDefault:"1000000000000"`
	UploadBytes int64   `env:"EEMT_QUOTA_UPLOAD_BYTES" envDefault:"100000000000"`
}

// Limits are those of the function.
func (q Quota) Limits() quota.Limits {
	return quota.Limits{Jobs: q.Jobs, CoreHours: q.CoreHours, ResultBytes: q.ResultBytes, StoredBytes: q.StoredBytes, UploadBytes: q.UploadBytes}
}
