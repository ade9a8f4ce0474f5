// Package ogc holds the documents of OGC API - Processes 1.0 (OGC 18-062r2).
//
// It reads execute requests, describes processes, words exceptions. It knows no
// HTTP server and no bucket.
package ogc

import (
	"time"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

const conf = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/"

// Conformance lists the classes that the API keeps to.
func Conformance() []string {
	return []string{
		conf + "core", conf + "json", conf + "html", conf + "oas30", conf + "ogc-process-description",
		conf + "job-list", conf + "dismiss", conf + "callback",
	}
}

// Relations of links beside those of IANA.
const (
	RelProcesses   = "http://www.opengis.net/def/rel/ogc/1.0/processes"
	RelConformance = "http://www.opengis.net/def/rel/ogc/1.0/conformance"
	RelJobList     = "http://www.opengis.net/def/rel/ogc/1.0/job-list"
	RelExecute     = "http://www.opengis.net/def/rel/ogc/1.0/execute"
	RelResults     = "http://www.opengis.net/def/rel/ogc/1.0/results"
	RelExceptions  = "http://www.opengis.net/def/rel/ogc/1.0/exceptions"
)

// Media types.
const (
	JSON    = answer.JSON
	HTML    = answer.HTML
	OpenAPI = "application/vnd.oai.openapi+json;version=3.0"
	GeoTIFF = "image/tiff; application=geotiff"
	GeoJSON = answer.GeoJSON
)

// Link leads to another resource.
type Link struct {
	Href  string `json:"href"`
	Rel   string `json:"rel,omitempty"`
	Type  string `json:"type,omitempty"`
	Title string `json:"title,omitempty"`
}

// The states of a job in the standard's words.
const (
	Accepted   = "accepted"
	Running    = "running"
	Successful = "successful"
	Failed     = "failed"
	Dismissed  = "dismissed"
)

// StateOf translates a job's state.
func StateOf(s job.State) string {
	switch s {
	case job.Pending:
		return Accepted
	case job.Running:
		return Running
	case job.Completed:
		return Successful
	case job.Cancelled:
		return Dismissed
	}
	return Failed
}

// StatusInfo is statusInfo.yaml.
type StatusInfo struct {
	ProcessID string     `json:"processID"`
	Type      string     `json:"type"`
	JobID     string     `json:"jobID"`
	Status    string     `json:"status"`
	Message   string     `json:"message,omitempty"`
	Created   time.Time  `json:"created"`
	Started   *time.Time `json:"started,omitempty"`
	Finished  *time.Time `json:"finished,omitempty"`
	Updated   time.Time  `json:"updated"`
	Progress  int        `json:"progress"`
	// Existing says, in the answer to an execute request, that the job was made before.
	Existing bool `json:"existing,omitempty"`
	// Findings are what was noticed about the inputs.
	Findings finding.List `json:"findings,omitempty"`
	Links    []Link       `json:"links"`
}

// Status describes a job. base is the address of the API without a slash at its end.
func Status(st job.Status, base string) StatusInfo {
	r := st.Request
	self := base + "/jobs/" + r.ID
	info := StatusInfo{
		ProcessID: string(r.Workflow), Type: "process", JobID: r.ID, Status: StateOf(st.State), Message: st.Message(),
		Created: r.Created, Updated: st.Updated, Progress: st.Progress(), Findings: st.Findings,
		Links: []Link{
			{self, "self", JSON, "this job"},
			{self + "?f=html", "alternate", HTML, "this job as a page"},
			{base + "/jobs", "up", JSON, "all jobs"},
		},
	}
	if !st.Started.IsZero() {
		info.Started = &st.Started
	}
	if st.End != nil {
		info.Finished = &st.End.Ended
	}
	switch {
	case st.State == job.Completed && st.Expired == nil:
		info.Links = append(info.Links, Link{self + "/results", RelResults, JSON, "results"})
		if r.Workflow != param.Echo {
			info.Links = append(info.Links,
				Link{self + "/results/", "item", JSON, "all files"},
				Link{base + "/api/jobs/" + r.ID + "/results", "enclosure", "application/zip", "all files in one archive"})
		}
	case st.State == job.Failed:
		info.Links = append(info.Links, Link{self + "/results", RelExceptions, "application/problem+json", "why it failed"})
	}
	return info
}
