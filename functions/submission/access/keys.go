package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
)

const (
	// keyPrefix begins every key, so that scanners of published code recognise one.
	keyPrefix = "eemt_"
	// keysPrefix is where the records of keys lie, by owner.
	keysPrefix = "auth/keys/"
	// mostKeys bounds the keys of an owner.
	mostKeys = 50
	// longestKey and usualKey are for how long a key may be valid, in days.
	longestKey, usualKey = 366, 90
	// longestName bounds the name of a key, in bytes.
	longestName = 100
)

// Key is the record of an API key, for machines that cannot log in. The key itself is not kept.
type Key struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Owner string `json:"owner"`
	// Groups of the owner when the key was made.
	Groups  []string  `json:"groups,omitempty"`
	Role    Role      `json:"role"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// SHA256 of the secret part, in hex.
	SHA256 string `json:"sha256,omitempty"`
}

// Keys makes keys, and takes them as credentials.
type Keys struct {
	Bucket *blob.Bucket
	Now    func() time.Time
	NewID  func() string
}

// Create makes a key of the caller with a role that they have, valid for so many days. The text is shown once.
func (k Keys) Create(ctx context.Context, who Caller, name string, role Role, days int) (text string, made Key, err error) {
	switch {
	case who.Owner == "":
		return "", made, fault.New(fault.Invalid, errors.New("keys belong to somebody: log in"))
	case who.Key != "": // one that was stolen would outlive its revocation
		return "", made, fault.New(fault.Invalid, errors.New("a key makes no keys: log in"))
	case role < Viewer || role > who.Role:
		return "", made, fault.New(fault.Invalid, fmt.Errorf("role %s: must be viewer, or any up to your own, %s", role, who.Role))
	case days < 1 || days > longestKey:
		return "", made, fault.New(fault.Invalid, fmt.Errorf("days %d: must be 1 to %d", days, longestKey))
	case name == "" || len(name) > longestName:
		return "", made, fault.New(fault.Invalid, fmt.Errorf("name %.40q: must have 1 to %d bytes", name, longestName))
	}
	all, err := k.List(ctx, who)
	if err != nil {
		return "", made, err
	}
	if len(all) >= mostKeys {
		return "", made, fault.New(fault.Conflict, fmt.Errorf("you have %d keys, the most there may be: revoke one", len(all)))
	}
	secret := rand.Text()
	now := k.Now().UTC()
	made = Key{ID: k.NewID(), Name: name, Owner: who.Owner, Groups: who.Groups, Role: role, Created: now, Expires: now.AddDate(0, 0, days), SHA256: sum(secret)}
	data, err := json.Marshal(made)
	if err == nil {
		err = k.Bucket.WriteAll(ctx, keysPrefix+job.OwnerHash(who.Owner)+"/"+made.ID+".json", data, &blob.WriterOptions{IfNotExist: true, ContentType: "application/json"})
	}
	if err != nil {
		return "", made, fmt.Errorf("store the key: %w", err)
	}
	made.SHA256 = ""
	return keyPrefix + job.OwnerHash(who.Owner) + "_" + made.ID + "_" + secret, made, nil
}

// List returns the keys of the caller, the oldest first.
func (k Keys) List(ctx context.Context, who Caller) ([]Key, error) {
	list := []Key{}
	if who.Owner == "" {
		return list, nil
	}
	it := k.Bucket.List(&blob.ListOptions{Prefix: keysPrefix + job.OwnerHash(who.Owner) + "/"})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list keys: %w", err)
		}
		one, err := read[Key](ctx, k.Bucket, o.Key)
		if fault.Is(err, fault.NotFound) {
			continue // revoked meanwhile
		}
		if err != nil {
			return nil, err
		}
		one.SHA256 = ""
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Key) int { return a.Created.Compare(b.Created) })
	return list, nil
}

// Revoke removes a key of the caller.
func (k Keys) Revoke(ctx context.Context, who Caller, id string) error {
	if who.Owner == "" || !job.ValidID(id) {
		return noKey(id)
	}
	err := k.Bucket.Delete(ctx, keysPrefix+job.OwnerHash(who.Owner)+"/"+id+".json")
	if gcerrors.Code(err) == gcerrors.NotFound {
		return noKey(id)
	}
	return err
}

func noKey(id string) error {
	return fault.New(fault.NotFound, fmt.Errorf("you have no key %.40q", id))
}

// keyText is a key: the hash of its owner, its id, its secret.
var keyText = regexp.MustCompile(`^` + keyPrefix + `([0-9a-f]{16})_([0-9A-HJKMNP-TV-Z]{26})_([A-Z2-7]{26,64})$`)

// Authenticate takes a key as bearer token.
func (k Keys) Authenticate(r *http.Request) (Caller, error) {
	token := Bearer(r)
	if !strings.HasPrefix(token, keyPrefix) {
		return Caller{}, ErrNone
	}
	unknown := errors.New("the API key is not known here: it may have been revoked")
	m := keyText.FindStringSubmatch(token)
	if m == nil {
		return Caller{}, unknown
	}
	one, err := read[Key](r.Context(), k.Bucket, path.Join(keysPrefix, m[1], m[2]+".json"))
	switch {
	case fault.Is(err, fault.NotFound):
		return Caller{}, unknown
	case err != nil:
		return Caller{}, fault.New(fault.Unavailable, errors.New("the API key cannot be looked up at present; try again"))
	case !same(sum(m[3]), one.SHA256):
		return Caller{}, unknown
	case !k.Now().Before(one.Expires):
		return Caller{}, fmt.Errorf("the API key %s expired at %s: make another", one.ID, one.Expires.UTC().Format(time.RFC3339))
	}
	return k.caller(r.Context(), one)
}

// caller is who sent a key: its owner, with what they may do now at most.
func (k Keys) caller(ctx context.Context, one Key) (Caller, error) {
	now, err := standingOf(ctx, k.Bucket, one.Owner)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && k.Now().Sub(now.Seen) > longestAbsence:
		return Caller{}, fmt.Errorf("the API key %s waits for its owner, who has not logged in for %d days: log in once", one.ID, int(longestAbsence.Hours()/24))
	case err != nil:
		return Caller{}, fault.New(fault.Unavailable, errors.New("the owner of the API key cannot be looked up at present; try again"))
	}
	role, groups := now.lowered(one)
	if role == Nobody {
		return Caller{}, fmt.Errorf("the owner of the API key %s has no role here any more", one.ID)
	}
	return Caller{Owner: one.Owner, Groups: groups, Role: role, Key: one.ID}, nil
}

// read reads a record of this package; an error of the kind fault.NotFound says that there is none.
func read[T Key | Share | Standing](ctx context.Context, b *blob.Bucket, object string) (v T, err error) {
	data, err := b.ReadAll(ctx, object)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return v, fault.New(fault.NotFound, err)
	}
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		return v, fmt.Errorf("read %s: %w", object, err)
	}
	return v, nil
}

func sum(secret string) string {
	s := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(s[:])
}
