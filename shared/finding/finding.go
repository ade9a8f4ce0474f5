// Package finding names what is noticed about the inputs of a job before it is computed: one vocabulary for the command
// line, the API, the page, a job's record and its report.
package finding

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/shared/fault"
)

// Severity says what a finding does to a job.
type Severity string

// The severities.
const (
	// Refusal stops a job, unless it is settleable and accepted.
	Refusal Severity = "refusal"
	// Doubt says that the result may be wrong. It stops nothing, unless the job is strict.
	Doubt Severity = "doubt"
	// Note says how an input was read.
	Note Severity = "note"
)

// Finding is one thing noticed about an input.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Message says in one sentence what was found, without a full stop.
	Message string `json:"message"`
	// Value is what the input says, with its unit; empty where the message has it all.
	Value string `json:"value,omitempty"`
	// LooksLike is what the value looks like, such as "vapour pressure in kPa".
	LooksLike string `json:"looks_like,omitempty"`
	// Next is what a user can do about it, where possible a command.
	Next string `json:"next,omitempty"`
	// Accepted is set where the user has said that it is right so.
	Accepted bool `json:"accepted,omitempty"`
}

// Sentence joins message, what it looks like, and the next step.
func (f Finding) Sentence() string {
	var b strings.Builder
	b.WriteString(f.Message)
	if f.LooksLike != "" {
		fmt.Fprintf(&b, "; looks like %s", f.LooksLike)
	}
	if f.Next != "" {
		fmt.Fprintf(&b, "; %s", f.Next)
	}
	return b.String()
}

// Error is a finding that stops a job.
type Error struct {
	Finding
	// All is what was found beside it, the finding itself included; nil where nothing else was looked for.
	All List
}

// Refuse makes an error of a finding; its severity becomes Refusal.
func Refuse(f Finding) error {
	f.Severity = Refusal
	return &Error{Finding: f}
}

func (e *Error) Error() string { return e.Sentence() }

// FaultKind is Invalid: an input was refused.
func (e *Error) FaultKind() fault.Kind { return fault.Invalid }

// List is what was found about the inputs of a job, in the order found.
type List []Finding

// Add appends findings, each once.
func (l *List) Add(findings ...Finding) {
	for _, f := range findings {
		if !slices.Contains(*l, f) {
			*l = append(*l, f)
		}
	}
}

// AddError appends the findings that an error holds, and reports whether it holds some.
func (l *List) AddError(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	if e.All != nil {
		l.Add(e.All...)
	} else {
		l.Add(e.Finding)
	}
	return true
}

// Sentences are the findings in words.
func (l List) Sentences() []string {
	texts := make([]string, len(l))
	for i, f := range l {
		texts[i] = f.Sentence()
	}
	return texts
}

// Accept marks the findings whose codes are among those accepted: doubts, notes, and settleable refusals.
func (l List) Accept(codes []Code) {
	for i, f := range l {
		if slices.Contains(codes, f.Code) && (f.Severity != Refusal || f.Code.Settleable()) {
			l[i].Accepted = true
		}
	}
}

// Open lists the findings of a severity that are not accepted.
func (l List) Open(s Severity) List {
	var open List
	for _, f := range l {
		if f.Severity == s && !f.Accepted {
			open = append(open, f)
		}
	}
	return open
}

// Err is the refusal that stops the job: the first one that is not accepted, or in a strict job the first doubt. Nil
// when the job may go on.
func (l List) Err(strict bool) error {
	stops := l.Open(Refusal)
	if strict {
		stops = append(stops, l.Open(Doubt)...)
	}
	if len(stops) == 0 {
		return nil
	}
	f := stops[0]
	if f.Severity == Doubt || f.Code.Settleable() {
		f.Next = strings.TrimPrefix(f.Next+fmt.Sprintf("; if it is right, accept it (--accept %s)", f.Code), "; ")
	}
	return &Error{Finding: f, All: l}
}
