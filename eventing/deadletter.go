package eventing

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
)

// Extensions that Knative, as well as the in-process broker, adds to an event it gives up on.
const (
	errorDest = "knativeerrordest"
	errorCode = "knativeerrorcode"
	errorData = "knativeerrordata"
	maxData   = 1024
)

// Failure says why an event was dead-lettered.
type Failure struct {
	Dest   string // subscriber that did not take the event
	Code   int    // HTTP status of its last answer; 0 if unknown
	Reason string // what it answered, at most 1024 bytes; may be empty
}

// WithFailure returns a copy of e that carries f.
func WithFailure(e event.Event, f Failure) event.Event {
	e = e.Clone()
	if f.Dest != "" {
		e.SetExtension(errorDest, printable(f.Dest))
	}
	if f.Code != 0 {
		e.SetExtension(errorCode, f.Code)
	}
	if f.Reason != "" {
		e.SetExtension(errorData, printable(f.Reason))
	}
	return e
}

// FailureOf returns what a broker noted on a dead-lettered event, and false if it noted nothing.
func FailureOf(e event.Event) (Failure, bool) {
	var f Failure
	x := e.Extensions()
	dest, hasDest := x[errorDest]
	code, hasCode := x[errorCode]
	data, hasData := x[errorData]
	if !hasDest && !hasCode && !hasData {
		return f, false
	}
	if s, err := types.Format(dest); hasDest && err == nil {
		f.Dest = cut(s, maxData)
	}
	if n, err := types.ToInteger(code); hasCode && err == nil {
		f.Code = int(n)
	}
	if s, err := types.Format(data); hasData && err == nil {
		f.Reason = cut(plain(s), maxData)
	}
	return f, true
}

// plain undoes the base64 that Knative's channels put an answer in. A sentence has spaces, so it is left as it is.
func plain(s string) string {
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil || !utf8.Valid(data) || string(data) != printable(string(data)) {
		return s
	}
	return string(data)
}

// printable makes s fit for a header: no control characters, bounded.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return cut(s, maxData)
}

// cut returns at most n bytes of s without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
