// Package fault says of what kind an error is, so that HTTP, events and the command line each decide once what to do.
package fault

import (
	"context"
	"errors"
)

// Kind is what an error means to whoever handles it.
type Kind string

const (
	// Unknown is an error of which nobody said anything: it may pass.
	Unknown Kind = ""
	// Invalid is an input that no repetition mends.
	Invalid Kind = "invalid"
	// TooLarge is an input beyond what is allowed.
	TooLarge Kind = "too large"
	// NoRoom is a request for which disk or memory does not suffice at present.
	NoRoom Kind = "no room"
	// Exhausted is a request beyond what its sender may have for now.
	Exhausted Kind = "exhausted"
	// Forbidden is a request beyond what its sender may have, until they give something up.
	Forbidden Kind = "forbidden"
	// NotFound is something that is not there.
	NotFound Kind = "not found"
	// Gone is something that was there and was removed on purpose.
	Gone Kind = "gone"
	// Conflict is a request that contradicts what has happened meanwhile.
	Conflict Kind = "conflict"
	// Unavailable is a part that does not answer: the same may succeed later.
	Unavailable Kind = "unavailable"
	// Damaged is a record or a file that holds what nobody wrote: it stays so.
	Damaged Kind = "damaged"
	// Bug is a failure of the program itself, such as a panic.
	Bug Kind = "bug"
)

// Kinder is an error that knows its kind. Types of errors with more to say implement it.
type Kinder interface {
	error
	FaultKind() Kind
}

type fault struct {
	error
	kind Kind
}

func (f fault) FaultKind() Kind { return f.kind }
func (f fault) Unwrap() error   { return f.error }

// New gives err a kind; nil stays nil. Its text stays the same.
func New(k Kind, err error) error {
	if err == nil {
		return nil
	}
	return fault{err, k}
}

// KindOf returns the kind of an error: that of the outermost error in its chain that has one. A context that ended is
// Unavailable.
func KindOf(err error) Kind {
	var k Kinder
	switch {
	case errors.As(err, &k):
		return k.FaultKind()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	}
	return Unknown
}

// Is reports whether an error is of a kind.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
