package httpbinding

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/cyverse-gis/eemt/eventing"
)

const (
	publishTries   = 4
	publishTimeout = 10 * time.Second // of one try
	firstPause     = 200 * time.Millisecond
)

// Publisher sends events to one address in binary mode. It is safe for concurrent use.
type Publisher struct {
	client *http.Client
	target string
	sleep  func(ctx context.Context, d time.Duration) error
}

var _ eventing.Publisher = (*Publisher)(nil)

// NewPublisher returns a Publisher to sink, the http or https address of a broker (Knative's K_SINK). A nil
// client means one of its own; redirects are never followed.
func NewPublisher(client *http.Client, sink string) (*Publisher, error) {
	u, err := url.Parse(sink)
	if err != nil {
		return nil, errors.New("sink: not a URL: want http://host/path of the broker")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("sink %q: must be an http or https address of the broker", u.Redacted())
	}
	c := http.Client{}
	if client != nil {
		c = *client
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Publisher{client: &c, target: sink, sleep: sleep}, nil
}

// Publish sends e, up to four times over about 1.5 s of pauses if the sink cannot be reached or answers 404, 408, 425, 429 or 5xx.
// An event that is not valid is rejected; every other error is a passing fault.
func (p *Publisher) Publish(ctx context.Context, e event.Event) error {
	if err := e.Validate(); err != nil {
		return eventing.Reject(fmt.Errorf("event %q: %s", e.ID(), oneLine(err.Error())))
	}
	pause := firstPause
	for try := 1; ; try++ {
		again, err := p.send(ctx, e)
		if err == nil {
			return nil
		}
		if !again || try == publishTries || ctx.Err() != nil {
			return fmt.Errorf("event %q not published: %w", e.ID(), err)
		}
		if err := p.sleep(ctx, pause); err != nil {
			return fmt.Errorf("event %q not published: %w", e.ID(), err)
		}
		pause *= 2
	}
}

// send makes one request; again says whether another could do better.
func (p *Publisher) send(ctx context.Context, e event.Event) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
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

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
