package planning

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/job"
)

// What was read over the network is kept in cache/ for jobs with the same sources and
// DEM. A job copies it into its own folder, and reads it there: the cache may lose
// anything at any moment. An entry is a folder; entry.json, written last, names its
// files.
const cacheEntry = "entry.json"

// freshen is how old an entry may be before a job that uses it writes it again, so
// that retention sees which are used.
const freshen = 24 * time.Hour

// cacheKey is the folder of what follows from so many words.
func cacheKey(kind string, words ...string) string {
	hash := sha256.Sum256([]byte(strings.Join(words, "\n")))
	return job.CachePrefix + kind + "/" + hex.EncodeToString(hash[:12]) + "/"
}

// fromCache copies an entry into a folder of the job, and returns what was noted with
// it. False: there is no such entry, or not all of it.
func (p *planner) fromCache(ctx context.Context, entry, folder string) (note json.RawMessage, ok bool) {
	known := entry + cacheEntry
	var e struct {
		Files []string        `json:"files"`
		Note  json.RawMessage `json:"note,omitempty"`
	}
	a, err := p.job.Store.Bucket.Attributes(ctx, known)
	if err != nil {
		return nil, false
	}
	data, err := p.job.Store.Bucket.ReadAll(ctx, known)
	if err != nil || json.Unmarshal(data, &e) != nil || len(e.Files) == 0 {
		return nil, false
	}
	for _, name := range e.Files {
		if path.Base(name) != name {
			return nil, false
		}
	}
	if err := p.job.Objects.CopyEach(ctx, e.Files, entry, folder); err != nil {
		p.job.Log.Info("an entry of the cache is not used", "entry", entry, "error", err)
		return nil, false
	}
	if p.job.Now().Sub(a.ModTime) > freshen {
		if err := p.job.Objects.PutBytes(ctx, known, data); err != nil {
			p.job.Log.Warn("an entry of the cache grows old though it is used", "entry", entry, "error", err)
		}
	}
	return e.Note, true
}

// toCache keeps files of a folder of the job for other jobs. That it may fail is no
// fault of the job.
func (p *planner) toCache(ctx context.Context, folder string, files []string, note json.RawMessage, entry string) {
	err := p.job.Objects.CopyEach(ctx, files, folder, entry)
	var data []byte
	if err == nil {
		data, err = json.Marshal(map[string]any{"files": files, "note": note})
	}
	if err == nil {
		err = p.job.Objects.PutBytes(ctx, entry+cacheEntry, data)
	}
	if err != nil {
		p.job.Log.Warn("what was read is not kept for other jobs", "entry", entry, "error", err)
	}
}
