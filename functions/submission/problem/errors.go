package problem

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/wording"
)

// ErrInvalid marks an error that is the caller's to mend.
var ErrInvalid = errors.New("invalid request")

// ErrTooLarge marks a refusal for size. It is an ErrInvalid, too.
var ErrTooLarge = errors.New("too large")

// ErrNoRoom marks a refusal for want of room, which may come. It is an ErrInvalid, too.
var ErrNoRoom = errors.New("no room")

// refusal is an error that is the caller's to mend, of a kind: one of the three above.
type refusal struct {
	error
	kind error
}

func (r refusal) Is(target error) bool { return target == r.kind || target == ErrInvalid }
func (r refusal) Unwrap() error        { return r.error }

// Invalid marks err as the caller's to mend.
func Invalid(err error) error { return refusal{err, ErrInvalid} }

// NoRoom marks err as a refusal for want of room.
func NoRoom(err error) error { return refusal{err, ErrNoRoom} }

// TooLarge refuses what has more than limit bytes.
func TooLarge(what string, limit int64) error {
	return refusal{fmt.Errorf("%s is larger than the %s taken here", what, amount.Bytes(limit)), ErrTooLarge}
}

// Reword replaces the error within an invalid one, whatever stands around it; others stay.
func Reword(err error, f func(error) error) error {
	var r refusal
	if errors.As(err, &r) && r.kind == ErrInvalid {
		return Invalid(f(r.error))
	}
	return err
}

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
