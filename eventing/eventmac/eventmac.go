// Package eventmac lets the functions of a platform know each other's events: whoever publishes one adds a message
// authentication code (HMAC-SHA256, RFC 2104) made with a key that only they have.
package eventmac

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
)

// Extension is the CloudEvents extension that has the code, in base64url without padding.
const Extension = "eemtmac"

// MinKey is the least length of a key in bytes: that of the hash.
const MinKey = 32

// domain keeps a code from being one of something else that is made with the same key.
const domain = "eemt event 1"

// ErrUnknown says that an event has no code of this platform.
var ErrUnknown = errors.New("the event has no valid " + Extension + ": it was not sent by a function of this platform, or was changed on its way, or the services have different keys in EEMT_EVENT_KEY")

// Keys make and check codes. The zero value makes none and asks for none.
type Keys struct {
	key    []byte
	others [][]byte
}

// New returns keys: key makes codes; those made with key or with one of others are valid. Empty others are left out. Without
// a key no code is made or asked for, and others must be empty.
func New(key string, others ...string) (Keys, error) {
	var k Keys
	for i, s := range append([]string{key}, others...) {
		switch {
		case s == "":
			continue
		case len(s) < MinKey:
			return Keys{}, fmt.Errorf("a key for events has %d bytes: must be at least %d", len(s), MinKey)
		case i == 0:
			k.key = []byte(s)
		case k.key == nil:
			return Keys{}, errors.New("there is a second key for events, but none to make codes with")
		default:
			k.others = append(k.others, []byte(s))
		}
	}
	return k, nil
}

// Set reports whether there is a key.
func (k Keys) Set() bool { return k.key != nil }

// Sign returns a copy of e with its code; without a key e itself.
func (k Keys) Sign(e event.Event) event.Event {
	if !k.Set() {
		return e
	}
	e = e.Clone()
	e.SetExtension(Extension, base64.RawURLEncoding.EncodeToString(code(k.key, e)))
	return e
}

// Verify returns ErrUnknown for an event without a code of one of the keys. Without a key it takes all.
func (k Keys) Verify(e event.Event) error {
	if !k.Set() {
		return nil
	}
	text, _ := e.Extensions()[Extension].(string)
	given, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return ErrUnknown
	}
	for _, key := range append([][]byte{k.key}, k.others...) {
		if hmac.Equal(given, code(key, e)) {
			return nil
		}
	}
	return ErrUnknown
}

// Require returns a handler that passes to h what Verify takes, and events of the types in exempt, which sources that have no
// key send.
func (k Keys) Require(h eventing.Handler, exempt ...string) eventing.Handler {
	return func(ctx context.Context, e event.Event) error {
		if err := k.Verify(e); err != nil && !slices.Contains(exempt, e.Type()) {
			return err
		}
		return h(ctx, e)
	}
}

// code is the HMAC over what makes an event: each part after its length, so that nothing moves from one to the next. Other
// extensions are left out, since brokers add some.
func code(key []byte, e event.Event) []byte {
	at := ""
	if t := e.Time(); !t.IsZero() {
		at = t.UTC().Format(time.RFC3339Nano)
	}
	h := hmac.New(sha256.New, key)
	for _, part := range [][]byte{
		[]byte(domain), []byte(e.SpecVersion()), []byte(e.ID()), []byte(e.Source()), []byte(e.Type()), []byte(e.Subject()), []byte(at), e.Data(),
	} {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		_, _ = h.Write(part)
	}
	return h.Sum(nil)
}
