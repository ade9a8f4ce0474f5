package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gocloud.dev/blob"
)

// working is work/progress/<task>.json: how far a tile is that is in work. It is written over and over, goes when the
// tile is done, and nothing depends on it.
type working struct {
	// Share of the tile that is done, 0 to 1.
	Share float64   `json:"share"`
	At    time.Time `json:"at"`
}

// mostWorking bounds the tiles in work that a look at a job reads of.
const mostWorking = 64

func workingPrefix(id string) string { return WorkKey(id, "progress/") }

func workingKey(id, task string) string { return workingPrefix(id) + task + ".json" }

// WriteWorking notes that a share of a tile, 0 to 1, is done.
func (s Store) WriteWorking(ctx context.Context, id, task string, share float64, at time.Time) error {
	data := fmt.Appendf(nil, `{"share":%.4f,"at":%q}`, min(max(share, 0), 1), at.UTC().Format(time.RFC3339))
	if err := s.Bucket.WriteAll(ctx, workingKey(id, task), data, &blob.WriterOptions{ContentType: "application/json"}); err != nil {
		return fmt.Errorf("write %s: %w", workingKey(id, task), err)
	}
	return nil
}

// DropWorking removes what WriteWorking noted; nothing when there is none.
func (s Store) DropWorking(ctx context.Context, id, task string) error {
	return s.Drop(ctx, workingKey(id, task))
}

// inWork adds up the shares of tiles that are in work, in tiles.
func (s Store) inWork(ctx context.Context, id string, done map[string]time.Time) (float64, error) {
	var tasks []string
	enough := errors.New("enough")
	err := s.Objects(ctx, workingPrefix(id), func(o *blob.ListObject) error {
		task, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, workingPrefix(id)), ".json")
		if _, ended := done[task]; ok && !ended {
			tasks = append(tasks, task)
		}
		if len(tasks) == mostWorking {
			return enough
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		return 0, err
	}
	sum := 0.0
	for _, task := range tasks {
		var w working
		err := s.Read(ctx, workingKey(id, task), &w)
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) { // it is done meanwhile, or says nothing
			continue
		}
		if err != nil {
			return 0, err
		}
		if w.Share > 0 && w.Share <= 1 {
			sum += w.Share
		}
	}
	return sum, nil
}
