// Package notices decides who may tell the service that an object was stored.
package notices

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/cyverse-gis/eemt/eventing/httpbinding"
	"github.com/cyverse-gis/eemt/eventing/objectnotice/sns"
	"github.com/cyverse-gis/eemt/shared/fault"
)

// Senders are known by a secret in the address, by a bearer token, or by the signature of Amazon SNS: a request needs one of
// those that are set. The zero value takes notices of everybody.
type Senders struct {
	// Secret is the last part of the address /events/notices/SECRET.
	Secret string
	// Bearer reports why the token of a request is not one of a sender; nil knows none.
	Bearer func(r *http.Request) error
	// SNS knows the messages of topics; nil knows none.
	SNS *sns.Verifier
}

// Open reports whether everybody may send notices.
func (s Senders) Open() bool { return s.Secret == "" && s.Bearer == nil && s.SNS == nil }

// errStranger says no more than that: which of the ways are open is nobody's business.
var errStranger = errors.New("the request has no credential of a sender")

// Check reports why a request may not send notices; secret is what its address ends in, which no error repeats. An error of the
// kind fault.Unavailable or fault.TooLarge is for the sender, others for the log alone.
func (s Senders) Check(w http.ResponseWriter, r *http.Request, secret string) error {
	switch {
	case secret != "":
		if s.Secret == "" || !same(secret, s.Secret) {
			return errors.New("the secret of the address is not that of EEMT_NOTICE_SECRET")
		}
		return nil
	case s.Open():
		return nil
	case s.Bearer != nil && r.Header.Get("Authorization") != "":
		return s.Bearer(r)
	case s.SNS != nil && r.Header.Get(sns.Header) != "":
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, httpbinding.MaxBody))
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return fault.New(fault.TooLarge, fmt.Errorf("body: must be at most %d bytes", large.Limit))
		}
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return s.SNS.Verify(r.Context(), body)
	}
	return errStranger
}

// same compares in a time that tells nothing of where two texts differ, or how long they are.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
