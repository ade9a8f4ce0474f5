// Package access says who is asking, and what they may do.
package access

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/job"
)

// Role is what somebody may do with jobs that are theirs.
type Role int

// The roles, each of which may do all that those before it may.
const (
	// Nobody may do only what needs no credentials.
	Nobody Role = iota
	// Viewer may read own jobs, and those shared with them.
	Viewer
	// User may submit, cancel, pin, share and delete own jobs too.
	User
	// Operator may do all of it with the jobs of everybody, and clean up.
	Operator
)

// Caller is who sent a request.
type Caller struct {
	// Owner is their name, unique and lasting within the identity provider; empty where nobody is asked who they are.
	Owner string
	// Groups that they belong to.
	Groups []string
	Role   Role
	// Issued is when their token was issued; zero where that is not known.
	Issued time.Time
	// Key, if not empty, is the id of the API key that they sent.
	Key string
	// Job, if not empty, is the only job that they may read, by a ticket or a link.
	Job string
}

// Everybody is who calls where nobody is asked who they are.
var Everybody = Caller{Role: Operator}

// ErrNone says that a request has no credentials.
var ErrNone = errors.New("credentials are missing: send a bearer token in the Authorization header")

// Authenticator tells who sent a request. Without credentials that it knows the error is ErrNone; any other error refuses
// the credentials, in a sentence without them. With such an error the caller has an owner where the credentials are theirs, and
// give them no role.
type Authenticator interface {
	Authenticate(r *http.Request) (Caller, error)
}

// Chain asks authenticators in their order until one knows the credentials.
type Chain []Authenticator

// Authenticate returns what the first says that knows the credentials.
func (c Chain) Authenticate(r *http.Request) (Caller, error) {
	for _, a := range c {
		if who, err := a.Authenticate(r); !errors.Is(err, ErrNone) {
			return who, err
		}
	}
	return Caller{}, ErrNone
}

// Open lets everybody do everything.
type Open struct{}

// Authenticate returns Everybody.
func (Open) Authenticate(*http.Request) (Caller, error) { return Everybody, nil }

type key struct{}

// With returns a context of a request by c.
func With(ctx context.Context, c Caller) context.Context { return context.WithValue(ctx, key{}, c) }

// From returns who sent the request of a context; Everybody for work that no request asked for.
func From(ctx context.Context) Caller {
	if c, ok := ctx.Value(key{}).(Caller); ok {
		return c
	}
	return Everybody
}

// Owns reports whether a job belongs to the caller, or all jobs do.
func (c Caller) Owns(r job.Request) bool {
	return c.Role == Operator || c.Role > Nobody && c.Owner != "" && c.Owner == r.Owner && c.Job == ""
}

// MayName reports whether a job of the caller may read an object of the bucket: their own uploads, and the climate that is
// there for all.
func (c Caller) MayName(object string) bool {
	switch {
	case c.Role == Operator, strings.HasPrefix(object, "climate/"), strings.HasPrefix(object, "https://"):
		return true
	case strings.HasPrefix(object, job.InputPrefix):
		return job.InputOf(c.Owner, object)
	}
	return false
}

// In reports whether the caller belongs to a group.
func (c Caller) In(group string) bool { return slices.Contains(c.Groups, group) }

// Bearer is the token of the Authorization header; empty without one.
func Bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
