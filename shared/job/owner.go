package job

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
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
