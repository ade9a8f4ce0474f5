// Package sns verifies the signatures of Amazon SNS messages, of version 2 (RSA with SHA-256), as the Amazon SNS Developer
// Guide describes them under "Verifying the signatures of Amazon SNS messages".
package sns

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cyverse-gis/eemt/shared/fault"
)

// Header says that a request has an SNS message.
const Header = "X-Amz-Sns-Message-Type"

const (
	// maxCertificate bounds a certificate, in bytes of PEM.
	maxCertificate = 64 << 10
	// mostFetches bounds the certificates that are fetched at once, then one in a second.
	mostFetches = 5
)

var (
	arn  = regexp.MustCompile(`^arn:aws(-cn|-us-gov)?:sns:([a-z0-9-]{1,40}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}$`)
	path = regexp.MustCompile(`^/SimpleNotificationService-[0-9a-f]{1,64}\.pem$`)
)

// Verifier takes messages of its topics. It is safe for concurrent use.
type Verifier struct {
	topics []string
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	known   map[string]*x509.Certificate
	fetches *rate.Limiter
}

// Hosts are those that the certificates of topics, given by their ARN, are fetched from over https.
func Hosts(topics []string) ([]string, error) {
	var hosts []string
	for _, topic := range topics {
		m := arn.FindStringSubmatch(topic)
		if m == nil {
			return nil, fmt.Errorf("topic %.300q: must be the ARN of an SNS topic, such as arn:aws:sns:us-west-2:123456789012:eemt-uploads", topic)
		}
		if host := hostOf(topic); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts, nil
}

// hostOf is the host of the SNS of a topic's region.
func hostOf(topic string) string {
	m := arn.FindStringSubmatch(topic)
	if m == nil {
		return ""
	}
	host := "sns." + m[2] + ".amazonaws.com"
	if m[1] == "-cn" {
		host += ".cn"
	}
	return host
}

// New returns a Verifier for topics, which Hosts has taken. The client fetches certificates, which it must do of Hosts alone.
func New(topics []string, client *http.Client, now func() time.Time) *Verifier {
	return &Verifier{
		topics: topics, client: client, now: now, known: map[string]*x509.Certificate{},
		fetches: rate.NewLimiter(rate.Every(time.Second), mostFetches),
	}
}

// message is what SNS posts.
type message struct {
	Type             string  `json:"Type"`
	MessageID        string  `json:"MessageId"`
	TopicARN         string  `json:"TopicArn"`
	Subject          *string `json:"Subject"`
	Message          string  `json:"Message"`
	Timestamp        string  `json:"Timestamp"`
	Token            string  `json:"Token"`
	SubscribeURL     string  `json:"SubscribeURL"`
	SignatureVersion string  `json:"SignatureVersion"`
	Signature        string  `json:"Signature"`
	SigningCertURL   string  `json:"SigningCertURL"`
}

// signed is the text that a signature is of.
func (m message) signed() (string, error) {
	var b strings.Builder
	add := func(name, value string) { b.WriteString(name + "\n" + value + "\n") }
	add("Message", m.Message)
	add("MessageId", m.MessageID)
	switch m.Type {
	case "Notification":
		if m.Subject != nil {
			add("Subject", *m.Subject)
		}
		add("Timestamp", m.Timestamp)
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		add("SubscribeURL", m.SubscribeURL)
		add("Timestamp", m.Timestamp)
		add("Token", m.Token)
	default:
		return "", fmt.Errorf("type %.100q is none of SNS", m.Type)
	}
	add("TopicArn", m.TopicARN)
	add("Type", m.Type)
	return b.String(), nil
}

// Verify reports why the body of a request is no message of one of the topics. An error of the kind fault.Unavailable says that
// the certificate could not be fetched, so that the message should be sent again.
func (v *Verifier) Verify(ctx context.Context, body []byte) error {
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return fmt.Errorf("not an SNS message: %w", err)
	}
	if !slices.Contains(v.topics, m.TopicARN) {
		return fmt.Errorf("SNS topic %.300q is not one that may send notices", m.TopicARN)
	}
	if m.SignatureVersion != "2" {
		return fmt.Errorf("the SNS message has a signature of version %.20q: set SignatureVersion of the topic to 2", m.SignatureVersion)
	}
	text, err := m.signed()
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil {
		return errors.New("the signature of the SNS message is not base64")
	}
	cert, err := v.certificate(ctx, m)
	if err != nil {
		return err
	}
	if now := v.now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return errors.New("the certificate of the SNS message has expired, or is not valid yet")
	}
	if err := cert.CheckSignature(x509.SHA256WithRSA, []byte(text), signature); err != nil {
		return errors.New("the signature of the SNS message is not valid")
	}
	return nil
}

// certificate returns that of a message, which must lie with the SNS of its topic's region.
func (v *Verifier) certificate(ctx context.Context, m message) (*x509.Certificate, error) {
	u, err := url.Parse(m.SigningCertURL)
	if err != nil || u.Scheme != "https" || u.Host != hostOf(m.TopicARN) || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || !path.MatchString(u.EscapedPath()) {
		return nil, fmt.Errorf("SigningCertURL of the SNS message: must be https://%s/SimpleNotificationService-....pem", hostOf(m.TopicARN))
	}
	v.mu.Lock()
	cert := v.known[m.SigningCertURL]
	v.mu.Unlock()
	if cert != nil {
		return cert, nil
	}
	if !v.fetches.AllowN(v.now(), 1) {
		return nil, fault.New(fault.Unavailable, errors.New("too many certificates of SNS are asked for; try again"))
	}
	cert, err = v.fetch(ctx, m.SigningCertURL)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.known[m.SigningCertURL] = cert // they are few: only those that SNS has are kept
	return cert, nil
}

func (v *Verifier) fetch(ctx context.Context, address string) (*x509.Certificate, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	res, err := v.client.Do(req)
	if err != nil {
		return nil, fault.New(fault.Unavailable, fmt.Errorf("the certificate of SNS could not be fetched: %w", err))
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusInternalServerError {
		return nil, fault.New(fault.Unavailable, fmt.Errorf("the certificate of SNS could not be fetched: %s", res.Status))
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxCertificate))
	if err != nil {
		return nil, fault.New(fault.Unavailable, fmt.Errorf("the certificate of SNS could not be fetched: %w", err))
	}
	block, _ := pem.Decode(data)
	if res.StatusCode != http.StatusOK || block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("there is no certificate at the SigningCertURL of the SNS message")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the certificate of the SNS message: %w", err)
	}
	return cert, nil
}
