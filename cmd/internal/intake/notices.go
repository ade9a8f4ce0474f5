package intake

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/cyverse-gis/eemt/eventing/eventtoken"
	"github.com/cyverse-gis/eemt/eventing/objectnotice/sns"
	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/functions/submission/notices"
	"github.com/cyverse-gis/eemt/shared/outbound"
)

// Notices say who may notify a service of stored objects.
type Notices struct {
	// Secret ends the address that notices are sent to.
	Secret string `env:"EEMT_NOTICE_SECRET"`
	// Topics are the ARNs of SNS topics whose signed messages are taken.
	Topics []string `env:"EEMT_NOTICE_SNS_TOPICS"`
	// Issuer and Audience are those of the tokens that Pub/Sub or Event Grid sends along, Senders what their claim Claim says.
	Issuer   string   `env:"EEMT_NOTICE_ISSUER"`
	Audience string   `env:"EEMT_NOTICE_AUDIENCE"`
	Claim    string   `env:"EEMT_NOTICE_CLAIM" envDefault:"email"`
	Senders  []string `env:"EEMT_NOTICE_SENDERS"`
}

// secretForm is a secret that stands in an address as it is.
var secretForm = regexp.MustCompile(`^[A-Za-z0-9_.~-]{24,200}$`)

// Known are the senders that the service takes notices of. Where it needs some, inside, the senders of events, are among them:
// a broker hands notices on. A nil inside adds none.
func (n Notices) Known(inside *eventtoken.Verifier, now func() time.Time, log *slog.Logger) (notices.Senders, error) {
	s, err := n.outside(now, log)
	if err != nil || inside == nil || s.Open() {
		return s, err
	}
	outside := s.Bearer
	s.Bearer = func(r *http.Request) error {
		if outside != nil && outside(r) == nil {
			return nil
		}
		return inside.Verify(r)
	}
	return s, nil
}

// outside are the senders outside the platform.
func (n Notices) outside(now func() time.Time, log *slog.Logger) (notices.Senders, error) {
	s := notices.Senders{Secret: n.Secret}
	if n.Secret != "" && !secretForm.MatchString(n.Secret) {
		return s, errors.New("EEMT_NOTICE_SECRET: must be 24 to 200 letters, digits, '-', '_', '.' and '~', as openssl rand -hex 24 makes them")
	}
	if len(n.Topics) > 0 {
		hosts, err := sns.Hosts(n.Topics)
		if err != nil {
			return s, fmt.Errorf("EEMT_NOTICE_SNS_TOPICS: %w", err)
		}
		s.SNS = sns.New(n.Topics, outbound.Hosts(hosts).Client(providerPatience), now)
	}
	if n.Issuer == "" && n.Audience == "" && len(n.Senders) == 0 {
		return s, nil
	}
	if len(n.Senders) == 0 {
		return s, fmt.Errorf("EEMT_NOTICE_SENDERS: name whose notices count, by the claim %s of their tokens: anybody gets a token of a public issuer", n.Claim)
	}
	if err := CheckIssuer("EEMT_NOTICE_ISSUER", n.Issuer, "EEMT_NOTICE_AUDIENCE", n.Audience); err != nil {
		return s, err
	}
	tokens := &access.OIDC{
		Issuer: n.Issuer, Audience: n.Audience, Client: &http.Client{Timeout: providerPatience}, Now: now, Log: log, Claims: access.Claims{Owner: n.Claim},
	}
	s.Bearer = func(r *http.Request) error {
		who, err := tokens.Authenticate(r)
		if err == nil && !slices.Contains(n.Senders, who.Owner) {
			err = fmt.Errorf("the token is that of %.300q, who is none of EEMT_NOTICE_SENDERS", who.Owner)
		}
		return err
	}
	return s, nil
}
