package intake_test

import (
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/cmd/internal/intake"
	"github.com/cyverse-gis/eemt/eventing/eventtoken"
)

// TestNoticesOfTheBroker: where notices need a credential, the token that a broker sends is one; where they need none, they still
// do not.
func TestNoticesOfTheBroker(t *testing.T) {
	inside, log := &eventtoken.Verifier{}, slog.New(slog.DiscardHandler)
	s, err := intake.Notices{}.Known(inside, time.Now, log)
	if err != nil || !s.Open() {
		t.Errorf("notices are not open (%v)", err)
	}
	secret := intake.Notices{Secret: "a-secret-of-24-letters-at-least"}
	if s, err := secret.Known(nil, time.Now, log); err != nil || s.Bearer != nil {
		t.Errorf("tokens count without identities (%v)", err)
	}
	s, err = secret.Known(inside, time.Now, log)
	if err != nil || s.Bearer == nil || s.Bearer(httptest.NewRequest("POST", "/events/notices", nil)) == nil {
		t.Errorf("a request without a token is one of the broker (%v)", err)
	}
}
