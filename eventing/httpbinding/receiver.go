// Package httpbinding carries events over HTTP as the CloudEvents HTTP protocol binding 1.0 says.
package httpbinding

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/eventmac"
)

// MaxBody is the greatest request body a Receiver reads, in bytes.
const MaxBody = 1 << 20

// maxAnswer bounds the sentence sent back with an error: a broker keeps no more of it.
const maxAnswer = 1024

// Receiver is an http.Handler that passes each POSTed event, binary or structured, to a handler within the
// request. It answers 202 without a body when the handler is done, 400 with the sentence of a rejection, 401 for an event
// that a handler of eventmac.Keys.Require does not know, and 503 with the sentence of any other error. Requests that are no event get 405, 413, 415 or 400, a panic 500.
type Receiver struct {
	handle eventing.Handler
	logger *slog.Logger
}

// NewReceiver returns a Receiver for h. The logger gets panics only, since every other outcome is in the
// answer; nil means none.
func NewReceiver(h eventing.Handler, logger *slog.Logger) *Receiver {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Receiver{handle: h, logger: logger}
}

func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		r.logger.Error("event handler panicked", "panic", p, "stack", string(debug.Stack()))
		answer(w, http.StatusInternalServerError, "the event handler failed unexpectedly")
	}()
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, "events are sent with POST")
		return
	}
	e, status, err := read(w, req)
	if err != nil {
		answer(w, status, err.Error())
		return
	}
	err = r.handle(req.Context(), *e)
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	// Brokers do not log what they are answered, and keep it only of events that they give up.
	status = http.StatusServiceUnavailable
	switch {
	case errors.Is(err, eventmac.ErrUnknown):
		status = http.StatusUnauthorized
	case eventing.IsRejected(err):
		status = http.StatusBadRequest
	}
	r.logger.Warn("event was not handled", "event", e.ID(), "type", e.Type(), "again", status == http.StatusServiceUnavailable, "error", err)
	answer(w, status, err.Error())
}

// read returns the event of a request, or the status and sentence that refuse it.
func read(w http.ResponseWriter, req *http.Request) (*event.Event, int, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, MaxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("body: must be at most %d bytes", MaxBody)
		}
		return nil, http.StatusBadRequest, fmt.Errorf("body could not be read: %w", err)
	}
	for name, values := range req.Header {
		// The SDK indexes past the prefix and takes the first value.
		if name == "Ce-" || len(values) == 0 {
			return nil, http.StatusBadRequest, fmt.Errorf("header %q: names no attribute", name)
		}
		if strings.HasPrefix(name, "Ce-") && len(values) > 1 {
			return nil, http.StatusBadRequest, fmt.Errorf("header %q: given %d times, must be once", name, len(values))
		}
	}
	m := cehttp.NewMessage(req.Header, io.NopCloser(bytes.NewReader(body)))
	switch m.ReadEncoding() {
	case binding.EncodingBinary, binding.EncodingStructured:
	case binding.EncodingBatch:
		return nil, http.StatusUnsupportedMediaType, errors.New("batches are not accepted: send one event per request")
	default:
		return nil, http.StatusUnsupportedMediaType,
			fmt.Errorf("not a CloudEvent: want ce-specversion 1.0 or content type %s", event.ApplicationCloudEventsJSON)
	}
	e, err := binding.ToEvent(req.Context(), m)
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("not a CloudEvent: %w", err)
	}
	if v := e.SpecVersion(); v != event.CloudEventsVersionV1 {
		return nil, http.StatusBadRequest, fmt.Errorf("specversion %q: must be %s", v, event.CloudEventsVersionV1)
	}
	if err := e.Validate(); err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("not a valid CloudEvent: %s", oneLine(err.Error()))
	}
	return e, 0, nil
}

func answer(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	sentence = strings.ToValidUTF8(oneLine(sentence), "?")
	if len(sentence) > maxAnswer {
		sentence = strings.ToValidUTF8(sentence[:maxAnswer], "")
	}
	_, _ = io.WriteString(w, sentence)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
