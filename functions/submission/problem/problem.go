// Package problem holds the refusals of requests, and the documents that say so.
package problem

import (
	"errors"
	"net/http"

	"github.com/cyverse-gis/eemt/shared/param"
)

const exceptions = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"

// Problem is an answer that is no success (RFC 9457, and exception.yaml).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is the cause in one sentence, with what helps.
	Detail string `json:"detail"`
	// Instance is the resource that was asked for.
	Instance string `json:"instance,omitempty"`
	// Parameter, Value, Allowed name what the caller can mend.
	Parameter string `json:"parameter,omitempty"`
	Value     string `json:"value,omitempty"`
	Allowed   string `json:"allowed,omitempty"`
}

func (p *Problem) Error() string { return p.Detail }

// NoSuchJob answers for an id that no job has.
func NoSuchJob(id string) *Problem {
	return &Problem{Type: exceptions + "no-such-job", Title: "No such job", Status: http.StatusNotFound, Detail: "there is no job " + id + "; GET /jobs lists them", Parameter: "jobID", Value: id}
}

// NoSuchProcess answers for an unknown process.
func NoSuchProcess(id string) *Problem {
	return &Problem{
		Type: exceptions + "no-such-process", Title: "No such process", Status: http.StatusNotFound,
		Detail: "there is no process " + id + "; GET /processes lists them", Parameter: "processID", Value: id, Allowed: "sol or eemt",
	}
}

// NotReady answers who asks for results too early.
func NotReady(id, message string) *Problem {
	return &Problem{Type: exceptions + "result-not-ready", Title: "Results are not ready", Status: http.StatusNotFound, Detail: "job " + id + " is not completed: " + message}
}

// Bad is a request that the caller can mend.
func Bad(parameter, value, allowed, detail string) *Problem {
	return &Problem{
		Type: exceptions + "invalid-parameter", Title: "Invalid parameter", Status: http.StatusBadRequest,
		Detail: detail, Parameter: parameter, Value: value, Allowed: allowed,
	}
}

// Plain is a problem that its status says all about.
func Plain(status int, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

// FromField words the refusal of a parameter.
func FromField(err error) *Problem {
	if f := (*param.FieldError)(nil); errors.As(err, &f) {
		return Bad(f.Name, f.Value, f.Allowed, f.Error())
	}
	return Bad("", "", "", err.Error())
}
