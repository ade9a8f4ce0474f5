package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gocloud.dev/blob"
)

// OwnerHash is what names of objects have of an owner: 16 hex digits of the SHA-256 of the owner's name; nothing for no
// owner.
func OwnerHash(owner string) string {
	if owner == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(owner))
	return hex.EncodeToString(sum[:8])
}

// OwnersPrefix is where the indexes of the jobs of each owner lie.
const OwnersPrefix = "owners/"

func ownerPrefix(owner string) string { return OwnersPrefix + OwnerHash(owner) + "/" }

// IndexKeys are the entries of the index for a job. That of all jobs is written first and removed last, so that a pass over
// all jobs finds what a process that died left.
func (r Request) IndexKeys() []string {
	keys := []string{indexKey(r.Created, r.ID)}
	if r.Owner != "" {
		keys = append(keys, ownerPrefix(r.Owner)+indexName(r.Created, r.ID))
	}
	return keys
}

// GroupsPrefix is where the indexes of the jobs lie that are shared with each group.
const GroupsPrefix = "groups/"

func groupPrefix(group string) string { return GroupsPrefix + OwnerHash(group) + "/" }

// GroupKey is the entry of a job in the index of a group that it is shared with until some time. It is written after the share
// and removed before it.
func (r Request) GroupKey(group, share string, until time.Time) string {
	return r.groupEntries(group) + strconv.FormatInt(until.Unix(), 10) + "-" + share
}

// groupEntries is where the entries of a job lie in the index of a group, one for each share.
func (r Request) groupEntries(group string) string {
	return groupPrefix(group) + indexName(r.Created, r.ID) + "/"
}

// sharedUntil is when a share ends, by the name of its entry; the zero time where it has none.
func sharedUntil(name string) time.Time {
	text, _, _ := strings.Cut(name, "-")
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// GroupEntry reads the key of an entry in the index of a group: the job, and until when it is shared.
func GroupEntry(key string) (id string, until time.Time) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 {
		return "", until
	}
	_, id, _ = strings.Cut(parts[2], "-")
	return id, sharedUntil(parts[3])
}

// SharedWith reports whether a job is shared now with one of the groups.
func (s Store) SharedWith(ctx context.Context, r Request, groups []string, now time.Time) (bool, error) {
	for _, g := range groups {
		found := false
		err := s.Objects(ctx, r.groupEntries(g), func(o *blob.ListObject) error {
			_, until := GroupEntry(o.Key)
			found = found || now.Before(until)
			return nil
		})
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// QuotaPrefix is where it is counted what owners use.
const QuotaPrefix = "quota/"

// QuotaOf is where it is counted what an owner uses.
func QuotaOf(owner string) string { return QuotaPrefix + OwnerHash(owner) + "/" }

// StoredPrefix is where the bytes of a job's data are counted against its owner, as the name of an empty object; empty for a
// job without an owner. It goes with the data.
func (r Request) StoredPrefix() string {
	if r.Owner == "" {
		return ""
	}
	return QuotaOf(r.Owner) + "stored/" + r.ID + "/"
}

// storedJob is the job of an object under the StoredPrefix of one.
var storedJob = regexp.MustCompile(`^` + QuotaPrefix + `[0-9a-f]+/stored/([^/]+)/`)

// StoredJob is the id of the job whose bytes an object counts; empty for any other object.
func StoredJob(key string) string {
	if m := storedJob.FindStringSubmatch(key); m != nil {
		return m[1]
	}
	return ""
}

// OwnInputKey is the object of an input that only jobs of its owner may name; without an owner everybody may.
func OwnInputKey(owner, id, name string) string {
	key := InputKey(id, name)
	if owner == "" {
		return key
	}
	head, tail, _ := strings.Cut(key, "_")
	return head + "-" + OwnerHash(owner) + "_" + tail
}

// InputOf reports whether an object under inputs/, or the name of one, is of an owner.
func InputOf(owner, key string) bool {
	head, _, _ := strings.Cut(strings.TrimPrefix(key, InputPrefix), "_")
	return owner != "" && strings.HasSuffix(head, "-"+OwnerHash(owner))
}
