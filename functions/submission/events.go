package submission

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/eventmac"
	"github.com/cyverse-gis/eemt/eventing/httpbinding"
	"github.com/cyverse-gis/eemt/eventing/objectnotice"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/progress"
	"github.com/cyverse-gis/eemt/shared/fault"
)

const (
	// mostTicks and pauseOfTicks bound the passes that ticks over HTTP make: so many at once, then one in a pause.
	mostTicks    = 3
	pauseOfTicks = time.Minute
)

// HandleEvent takes what the functions send each other: events of jobs, of which it tells subscribers, and the resume tick, on
// which it makes jobs of the files whose notice was lost and brings the static catalogue up to date.
func (s *Service) HandleEvent(ctx context.Context, e event.Event) error {
	switch {
	case e.Type() == eventing.PingTick:
		tick, err := eventing.TickOf(e)
		if err != nil || tick.Task != eventing.TaskResume {
			return err
		}
		_, err = s.dropped.Scan(ctx)
		return errors.Join(err, s.catalogue.Update(ctx))
	case slices.Contains(progress.CallbackEvents(), e.Type()):
		return s.callbacks.Notify(ctx, e)
	}
	return eventing.Reject(fmt.Errorf("type %.100q: must be %s or that of a job's event; notices of stored objects go to /events/notices", e.Type(), eventing.PingTick))
}

// HandleNotice takes notices of the bucket, which make jobs of dropped files.
func (s *Service) HandleNotice(ctx context.Context, e event.Event) error {
	n, err := objectnotice.Of(e)
	if err != nil {
		return err
	}
	said, err := s.dropped.Notice(ctx, n)
	for _, sentence := range said {
		s.Log.Info("event of the bucket", "event", e.ID(), "outcome", sentence)
	}
	return err
}

// paced leaves out a tick when others made their passes just before: sources of ticks have no key, so that anybody may
// send some.
func (s *Service) paced(h eventing.Handler) eventing.Handler {
	return func(ctx context.Context, e event.Event) error {
		if tick, err := eventing.TickOf(e); err == nil && tick.Task == eventing.TaskResume && !s.ticks.AllowN(s.Now(), 1) {
			return nil
		}
		return h(ctx, e)
	}
}

// postEvents takes what the functions send each other. Where neither events nor notices need a credential, as on a machine of
// one's own, it takes notices too.
func (s *Service) postEvents(c *gin.Context) {
	inside := s.paced(s.HandleEvent)
	if !s.EventSenders.Admit(c.Writer, c.Request) {
		return
	}
	if s.EventKeys.Set() || s.EventSenders != nil || !s.Notices.Open() {
		s.receive(c, s.EventKeys.Require(inside, eventing.PingTick))
		return
	}
	if !cloudEvent(c) {
		s.takeNotice(c)
		return
	}
	s.receive(c, func(ctx context.Context, e event.Event) error {
		if e.Type() == eventing.PingTick || slices.Contains(progress.CallbackEvents(), e.Type()) {
			return inside(ctx, e)
		}
		return s.HandleNotice(ctx, e)
	})
}

// postNotices takes notices of stored objects from their senders: CloudEvents, and the bare payloads of the stores.
func (s *Service) postNotices(c *gin.Context) {
	err := s.Notices.Check(c.Writer, c.Request, c.Param("secret"))
	switch {
	case fault.Is(err, fault.Unavailable), fault.Is(err, fault.TooLarge):
		s.answer.Refuse(c, err)
		return
	case err != nil:
		s.Log.Warn("a notice was refused", "error", err)
		c.JSON(http.StatusNotFound, gin.H{"detail": "there is nothing at this address"})
		return
	}
	if cloudEvent(c) {
		s.receive(c, s.HandleNotice)
		return
	}
	s.takeNotice(c)
}

// cloudEvent reports whether a request has one CloudEvent, in binary or in structured mode.
func cloudEvent(c *gin.Context) bool {
	return c.GetHeader("Ce-Specversion") != "" || strings.HasPrefix(c.ContentType(), event.ApplicationCloudEventsJSON)
}

// receive passes the event of a request to a handler.
func (s *Service) receive(c *gin.Context, h eventing.Handler) {
	httpbinding.NewReceiver(func(ctx context.Context, e event.Event) error {
		err := h(ctx, e)
		if err == nil || eventing.IsRejected(err) || errors.Is(err, eventmac.ErrUnknown) {
			return err
		}
		// Anybody who reaches this service may send events: they get no details of its storage.
		s.Log.Error("event failed", "event", e.ID(), "type", e.Type(), "error", err)
		return errors.New("the service cannot reach its storage, or a subscriber; try again")
	}, s.Log).ServeHTTP(c.Writer, c.Request)
}

// takeNotice takes the bare payload of a store.
func (s *Service) takeNotice(c *gin.Context) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, httpbinding.MaxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			c.JSON(http.StatusRequestEntityTooLarge, gin.H{"detail": fmt.Sprintf("body: must be at most %d bytes", large.Limit)})
			return
		}
		s.answer.Refuse(c, problem.Invalid(fmt.Errorf("body could not be read: %w", err)))
		return
	}
	n, err := objectnotice.Parse(body)
	if err != nil {
		s.answer.Refuse(c, problem.Invalid(err))
		return
	}
	switch {
	case n.Validation != "":
		c.JSON(http.StatusOK, gin.H{"validationResponse": n.Validation})
		return
	case n.Confirm != "":
		// Opening an address that anybody can send is the operator's decision.
		s.Log.Warn("an SNS topic wants to send events; open the address to allow it", "address", n.Confirm)
		c.JSON(http.StatusOK, gin.H{"detail": "the address that confirms the subscription is in the log; open it to continue"})
		return
	}
	said, err := s.dropped.Notice(c.Request.Context(), n)
	if err != nil {
		s.answer.Refuse(c, err)
		return
	}
	if said == nil {
		said = []string{}
	}
	c.JSON(http.StatusOK, gin.H{"status": "success", "objects": said})
}

// optionsEvents answers the handshake of CloudEvents web hooks, as Azure Event Grid does it before it sends.
func (s *Service) optionsEvents(c *gin.Context) {
	origin := c.GetHeader("WebHook-Request-Origin")
	if origin == "" || len(origin) > 253 {
		s.answer.Refuse(c, problem.Invalid(errors.New("header WebHook-Request-Origin: must be the DNS name of the sender")))
		return
	}
	c.Header("WebHook-Allowed-Origin", origin)
	c.Header("WebHook-Allowed-Rate", "*")
	c.Header("Allow", "POST, OPTIONS")
	c.Status(http.StatusOK)
}
