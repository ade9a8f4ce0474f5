// Package cli is what all commands of eemt have in common: exit codes, arguments, the flags of a job's parameters, and
// help.
package cli

import "errors"

// Stopped is the exit code after Ctrl-C.
const Stopped = 130

// exitError carries an exit code other than 1.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

// WithCode gives an error an exit code.
func WithCode(err error, code int) error { return exitError{err, code} }

// Code is the exit code of an error that has one.
func Code(err error) (code int, ok bool) {
	var exit exitError
	ok = errors.As(err, &exit)
	return exit.code, ok
}
