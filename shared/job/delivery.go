package job

import (
	"encoding/json"
	"fmt"
	"time"
)

// Delivery is how the client of a job wants to hear of it: what an execute
// request of OGC API - Processes says beside its inputs. It never changes a number.
type Delivery struct {
	// Response is "raw", "document" or empty, when the client did not say.
	Response string `json:"response,omitempty"`
	// Outputs are what was asked for, by name; empty means all of them.
	Outputs map[string]Transmission `json:"outputs,omitempty"`
	// Subscriber is told of the job's course.
	Subscriber *Subscriber `json:"subscriber,omitempty"`
	// Base is the address of the service as the client knows it, for links.
	Base string `json:"base,omitempty"`
	// Inputs are those of an Echo job, as given.
	Inputs json.RawMessage `json:"inputs,omitempty"`
}

// Transmission is how one output travels: "value", "reference" or empty.
type Transmission struct {
	Mode string `json:"transmissionMode,omitempty"`
}

// Subscriber are the addresses that are called when a job ends, or moves.
type Subscriber struct {
	Success    string `json:"successUri,omitempty"`
	InProgress string `json:"inProgressUri,omitempty"`
	Failed     string `json:"failedUri,omitempty"`
}

// Message says in a few words what a job is doing, or how it ended.
func (s Status) Message() string {
	switch {
	case s.End != nil && s.End.Reason != "":
		return s.End.Reason
	case s.Expired != nil:
		return "completed; the results were deleted on " + s.Expired.Format("2006-01-02")
	case s.State == Completed:
		return "completed"
	case s.State == Pending:
		return "waiting to be planned"
	case s.Planned == 0 && s.Terrain != nil:
		return s.Terrain.Message()
	case s.Planned == 0:
		return "the terrain is being analysed"
	case s.Done < s.Planned && s.Planned == 1:
		return "the only tile is being computed"
	case s.Done < s.Planned:
		return fmt.Sprintf("%d of %d tiles are done", s.Done, s.Planned)
	}
	if s.Maps > 0 && s.MapsPlanned > 0 {
		return fmt.Sprintf("%d of %d maps are made", s.Maps, s.MapsPlanned)
	}
	return "the maps are being written"
}

// Expected is when a job that runs may be done, going by its tiles so far; false
// while nobody can tell.
func (s Status) Expected(now time.Time) (time.Time, bool) {
	done := s.tiles()
	// A hundredth of a tile tells nothing yet.
	if s.State != Running || done < 0.01 || s.Done >= s.Planned || s.Started.IsZero() || !now.After(s.Started) {
		return time.Time{}, false
	}
	return now.Add(time.Duration(float64(now.Sub(s.Started)) / done * (float64(s.Planned) - done))), true
}

// Incoming is where uploads gather that come in parts.
const Incoming = "incoming/"
