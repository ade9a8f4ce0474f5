package problem

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/wording"
)

// Refused reports whether an error is the caller's to mend: the request is wrong, is too large, or there is no room for
// what it asks.
func Refused(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.TooLarge, fault.NoRoom, fault.Exhausted, fault.Forbidden:
		return true
	}
	return false
}

// Busy is the refusal of a request that may come again: as many of its kind as there may be are at work.
type Busy struct {
	// After is how long the caller should wait before.
	After    time.Duration
	Sentence string
}

func (b *Busy) Error() string { return b.Sentence }

// FaultKind says that the same may succeed later.
func (*Busy) FaultKind() fault.Kind { return fault.Unavailable }

// Invalid marks err as the caller's to mend.
func Invalid(err error) error { return fault.New(fault.Invalid, err) }

// Body is Invalid of an error of reading a body, unless the body is too large.
func Body(err error) error {
	if errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	return Invalid(err)
}

// TooLarge refuses what has more than limit bytes.
func TooLarge(what string, limit int64) error {
	return fault.New(fault.TooLarge, fmt.Errorf("%s is larger than the %s taken here", what, amount.Bytes(limit)))
}

// OldWords is an error in the old suite's own words, which scripts may look for.
type OldWords string

func (w OldWords) Error() string { return string(w) }

// longestDetail bounds what an answer says of an error, in bytes: values are given back in it.
const longestDetail = 2000

// Sentence is what an error says to the caller.
func Sentence(err error) string {
	text := wording.Error(err)
	if len(text) > longestDetail {
		text = strings.ToValidUTF8(text[:longestDetail], "") + "..."
	}
	return text
}
