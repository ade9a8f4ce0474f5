package httpbinding

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"golang.org/x/sync/semaphore"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/eventmac"
	"github.com/cyverse-gis/eemt/shared/retry"
)

const (
	publishTries = 4
	sendTimeout  = 10 * time.Second // of one try, until the request is sent
	// answerTimeout is how long the answer of one try is waited for in the background.
	answerTimeout = 15 * time.Minute
	// patience is how long Publish waits for the answer to a request that is sent.
	patience = 250 * time.Millisecond
	// closeTimeout is how long Close waits for answers.
	closeTimeout = 5 * time.Minute
	// maxOutstanding bounds the requests that wait for an answer.
	maxOutstanding = 4096
	firstPause     = 200 * time.Millisecond
)

// Publisher sends events to one address in binary mode. It is safe for concurrent use.
//
// Knative's in-memory channel answers only when every subscriber has done its work. Publish would wait for a whole
// tile, tiles would run one after the other, and giving up would cancel the work. So it waits for a moment only; what
// was sent by then counts as published and is seen to in the background, repeated if need be.
type Publisher struct {
	// Keys add to each event a code by which the functions know it; set before the first event. The zero value adds none.
	Keys eventmac.Keys

	client   *http.Client
	target   string
	sleep    func(ctx context.Context, d time.Duration) error
	patience time.Duration
	slots    *semaphore.Weighted // held by requests without an answer
	logger   *slog.Logger
}

var _ eventing.Publisher = (*Publisher)(nil)

// NewPublisher returns a Publisher to sink, the http or https address of a broker (Knative's K_SINK). A nil
// client means one of its own; redirects are never followed. The logger gets what is lost after Publish returned;
// nil means none.
func NewPublisher(client *http.Client, sink string, logger *slog.Logger) (*Publisher, error) {
	u, err := url.Parse(sink)
	if err != nil {
		return nil, errors.New("sink: not a URL: want http://host/path of the broker")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("sink %q: must be an http or https address of the broker", u.Redacted())
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	c := http.Client{}
	if client != nil {
		c = *client
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Publisher{client: &c, target: sink, sleep: retry.Sleep, patience: patience, slots: semaphore.NewWeighted(maxOutstanding), logger: logger}, nil
}

// Publish sends e, up to four times over about 1.5 s of pauses if the sink cannot be reached or answers 404, 408, 425, 429 or 5xx.
// It returns when the sink has answered, or has the event and does not answer soon: nil then, whatever comes of it.
// An event that is not valid is rejected; every other error is a passing fault.
func (p *Publisher) Publish(ctx context.Context, e event.Event) error {
	if err := e.Validate(); err != nil {
		return eventing.Reject(fmt.Errorf("event %q: %s", e.ID(), oneLine(err.Error())))
	}
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("event %q not published: %w", e.ID(), err)
	}
	e = p.Keys.Sign(e)
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	sent := make(chan bool, 2*publishTries) // true when a try is sent, false when it has failed
	result := make(chan error)
	left := make(chan struct{}) // closed when Publish no longer waits
	defer close(left)
	go func() {
		defer p.slots.Release(1)
		defer cancel()
		err := p.deliver(work, e, sent)
		select {
		case result <- err:
		case <-left:
			if err != nil && work.Err() == nil {
				p.logger.Error("an event was sent, and then lost: the resume tick asks for the work again", "event", e.ID(), "type", e.Type(), "error", err)
			}
		}
	}()
	var impatient <-chan time.Time
	for {
		select {
		case err := <-result:
			return err
		case waiting := <-sent:
			impatient = nil
			if waiting {
				impatient = time.After(p.patience)
			}
		case <-impatient:
			return nil
		case <-ctx.Done():
			cancel()
			return fmt.Errorf("event %q not published: %w", e.ID(), ctx.Err())
		}
	}
}

// Close waits, for a bounded time, until what Publish left to the background has been answered.
func (p *Publisher) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if p.slots.Acquire(ctx, maxOutstanding) == nil {
		p.slots.Release(maxOutstanding)
	}
}

func (p *Publisher) deliver(ctx context.Context, e event.Event, sent chan<- bool) error {
	policy := retry.Policy{Attempts: publishTries, Pause: retry.Doubling(firstPause, time.Minute), Sleep: p.sleep}
	err := policy.Do(ctx, func(int) (again bool, err error) {
		again, err = p.send(ctx, e, func() { sent <- true })
		if err != nil {
			sent <- false
		}
		return again, err
	})
	if err != nil {
		return fmt.Errorf("event %q not published: %w", e.ID(), err)
	}
	return nil
}

// send makes one request and calls sent, at most once, when it is written; again says whether another could do better.
func (p *Publisher) send(ctx context.Context, e event.Event, sent func()) (again bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := time.AfterFunc(sendTimeout, cancel)
	defer limit.Stop()
	var once sync.Once
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(i httptrace.WroteRequestInfo) {
		if i.Err == nil {
			once.Do(func() {
				limit.Reset(answerTimeout)
				sent()
			})
		}
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.target, nil)
	if err != nil {
		return false, err
	}
	if err := cehttp.WriteRequest(binding.WithForceBinary(ctx), binding.ToMessage(&e), req); err != nil {
		return false, err
	}
	res, err := p.client.Do(req)
	if err != nil {
		return true, err
	}
	defer func() { _ = res.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return false, nil
	case code == http.StatusNotFound, code == http.StatusRequestTimeout, code == http.StatusTooEarly,
		code == http.StatusTooManyRequests, code >= 500:
		return true, fmt.Errorf("sink answered %s: %s", res.Status, oneLine(string(said)))
	default:
		return false, fmt.Errorf("sink answered %s: %s", res.Status, oneLine(string(said)))
	}
}
