// Package objectnotice reads what object stores send when an object was stored.
//
// A notice only says where to look. Nothing in it is trusted: whoever acts on it asks the bucket what is there.
package objectnotice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
)

// CloudEvents types of notices. Other types of the same stores are ignored.
const (
	GoogleFinalized = "google.cloud.storage.object.v1.finalized"
	PubSubPublished = "google.cloud.pubsub.topic.v1.messagePublished"
	AzureCreated    = "Microsoft.Storage.BlobCreated"
)

const (
	googleObject    = "google.cloud.storage.object.v1."
	azureStorage    = "Microsoft.Storage."
	azureValidation = "Microsoft.EventGrid.SubscriptionValidationEvent"
	// MaxObjects is how many objects one request may speak of.
	MaxObjects = 1000
	// maxKey is the longest key of the three stores, in bytes.
	maxKey = 1024
	// maxBucket is longer than any bucket name.
	maxBucket = 256
)

// Object is one stored object that a notice speaks of.
type Object struct {
	// Bucket as the store names it; empty if the notice does not say.
	Bucket string
	// Key of the object, decoded.
	Key string
	// Version is the store's generation, sequencer or ETag, for the log.
	Version string
}

// Notice is what one request says.
type Notice struct {
	Objects []Object
	// Ignored says in a sentence each what is no news of a stored object.
	Ignored []string
	// Validation is the code that Azure Event Grid wants back before it sends events.
	Validation string
	// Confirm is the address that Amazon SNS wants opened before it sends events.
	Confirm string
}

func (n *Notice) add(o Object) {
	switch {
	case o.Key == "" || len(o.Key) > maxKey:
		n.ignore("an object whose key has %d bytes: must be 1 to %d", len(o.Key), maxKey)
	case !utf8.ValidString(o.Key) || strings.ContainsFunc(o.Key, func(r rune) bool { return r < ' ' || r == 0x7f }):
		n.ignore("object %.100q: the key is no text", o.Key)
	case len(o.Bucket) > maxBucket:
		n.ignore("object %.100q: the name of the bucket has %d bytes", o.Key, len(o.Bucket))
	default:
		if len(o.Version) > maxKey {
			o.Version = ""
		}
		n.Objects = append(n.Objects, o)
	}
}

func (n *Notice) ignore(format string, args ...any) {
	n.Ignored = append(n.Ignored, fmt.Sprintf(format, args...))
}

// Of reads a CloudEvent. Its errors are rejections.
func Of(e event.Event) (Notice, error) {
	var n Notice
	err := n.event(e.Type(), e.Source(), e.Subject(), e.Data())
	return n, rejected(err)
}

// Parse reads the body of a request that is no single CloudEvent: Pub/Sub push, S3 and MinIO records, the same in an
// SNS or EventBridge envelope, Event Grid events, a batch of CloudEvents. Its errors are rejections.
func Parse(body []byte) (Notice, error) {
	var n Notice
	body = bytes.TrimSpace(body)
	var err error
	switch {
	case len(body) == 0:
		err = errors.New("empty body")
	case body[0] == '[':
		err = n.batch(body)
	default:
		err = n.document(body, true)
	}
	return n, rejected(err)
}

func rejected(err error) error {
	if err == nil {
		return nil
	}
	return eventing.Reject(fmt.Errorf("notice of an object store: %w", err))
}

// event reads the parts of a CloudEvent.
func (n *Notice) event(kind, source, subject string, data []byte) error {
	switch {
	case kind == GoogleFinalized:
		return n.google(source, subject, data)
	case kind == PubSubPublished:
		return n.document(data, false)
	case kind == AzureCreated:
		return n.azure(subject, data)
	case strings.HasPrefix(kind, googleObject), strings.HasPrefix(kind, azureStorage):
		n.ignore("event of type %.100q: only stored objects start jobs", kind)
		return nil
	}
	return fmt.Errorf("type %.100q: must be %s, %s or %s", kind, GoogleFinalized, PubSubPublished, AzureCreated)
}

// google reads Eventarc's StorageObjectData; what it lacks is taken from the event's subject and source.
func (n *Notice) google(source, subject string, data []byte) error {
	var d struct {
		Bucket     string `json:"bucket"`
		Name       string `json:"name"`
		Generation any    `json:"generation"`
	}
	if len(data) > 0 {
		if err := decode(data, &d); err != nil {
			return err
		}
	}
	if d.Name == "" {
		d.Name = strings.TrimPrefix(subject, "objects/")
	}
	if d.Bucket == "" {
		_, d.Bucket, _ = strings.Cut(source, "/buckets/")
	}
	version := ""
	if d.Generation != nil {
		version = fmt.Sprint(d.Generation)
	}
	n.add(Object{Bucket: d.Bucket, Key: d.Name, Version: version})
	return nil
}

// azure reads StorageBlobCreatedEventData; the subject names the blob.
func (n *Notice) azure(subject string, data []byte) error {
	var d struct {
		ETag string `json:"eTag"`
		API  string `json:"api"`
	}
	if len(data) > 0 {
		if err := decode(data, &d); err != nil {
			return err
		}
	}
	_, place, ok := strings.Cut(subject, "/containers/")
	container, key, named := strings.Cut(place, "/blobs/")
	if !ok || !named {
		return fmt.Errorf("subject %.200q: must be /blobServices/default/containers/CONTAINER/blobs/KEY", subject)
	}
	n.add(Object{Bucket: container, Key: key, Version: d.ETag})
	return nil
}

// batch reads a list of Event Grid events or of CloudEvents.
func (n *Notice) batch(body []byte) error {
	var list []struct {
		EventType string          `json:"eventType"`
		Type      string          `json:"type"`
		Source    string          `json:"source"`
		Subject   string          `json:"subject"`
		Data      json.RawMessage `json:"data"`
	}
	if err := decode(body, &list); err != nil {
		return err
	}
	if len(list) > MaxObjects {
		return fmt.Errorf("%d events: at most %d in one request", len(list), MaxObjects)
	}
	for _, e := range list {
		kind := e.EventType
		if kind == "" {
			kind = e.Type
		}
		if kind == azureValidation {
			var d struct {
				Code string `json:"validationCode"`
			}
			if err := decode(e.Data, &d); err != nil {
				return err
			}
			if d.Code == "" || len(d.Code) > maxKey {
				return fmt.Errorf("validationCode of %d bytes: must be 1 to %d", len(d.Code), maxKey)
			}
			n.Validation = d.Code
			continue
		}
		if err := n.event(kind, e.Source, e.Subject, e.Data); err != nil {
			return err
		}
	}
	return nil
}

// document is any of the objects that stores send bare; names that differ in case only are one to the decoder.
type document struct {
	Records    []record        `json:"Records"`
	Event      string          `json:"Event"`   // of a test of Amazon S3
	Type       string          `json:"Type"`    // of SNS
	Message    json.RawMessage `json:"Message"` // text in SNS, an object in Pub/Sub
	Subscribe  string          `json:"SubscribeURL"`
	DetailType string          `json:"detail-type"` // of EventBridge
	Detail     *detail         `json:"detail"`
}

type record struct {
	EventName string `json:"eventName"`
	S3        struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object object `json:"object"`
	} `json:"s3"`
}

type detail struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object object `json:"object"`
}

type object struct {
	Key       string `json:"key"`
	Sequencer string `json:"sequencer"`
	ETag      string `json:"eTag"`
}

func (o object) version() string {
	if o.Sequencer != "" {
		return o.Sequencer
	}
	return o.ETag
}

// document reads a JSON object; outer is false for one that came inside another.
func (n *Notice) document(body []byte, outer bool) error {
	var d document
	if err := decode(body, &d); err != nil {
		return err
	}
	switch {
	case d.Records != nil:
		return n.records(d.Records)
	case d.Event == "s3:TestEvent":
		n.ignore("test event of Amazon S3")
		return nil
	case d.DetailType != "":
		return n.bridge(d)
	case d.Type == "SubscriptionConfirmation" && d.Subscribe != "":
		if len(d.Subscribe) > 2*maxKey {
			return errors.New("SubscribeURL is too long")
		}
		n.Confirm = d.Subscribe
		return nil
	case d.Type == "UnsubscribeConfirmation":
		n.ignore("the SNS subscription was removed")
		return nil
	case len(d.Message) > 0 && d.Message[0] == '{':
		return n.pubsub(d.Message)
	case len(d.Message) > 0 && d.Message[0] == '"' && outer:
		var text string
		if err := decode(d.Message, &text); err != nil {
			return err
		}
		return n.document([]byte(text), false)
	}
	return errors.New("not known: want a CloudEvent, a Pub/Sub push message, S3 records or Event Grid events")
}

func (n *Notice) records(list []record) error {
	if len(list) > MaxObjects {
		return fmt.Errorf("%d records: at most %d in one request", len(list), MaxObjects)
	}
	for _, r := range list {
		// MinIO and EventBridge's predecessors write the prefix, Amazon S3 leaves it out.
		if !strings.HasPrefix(strings.TrimPrefix(r.EventName, "s3:"), "ObjectCreated:") {
			n.ignore("record of %.100q: only stored objects start jobs", r.EventName)
			continue
		}
		key, err := url.QueryUnescape(r.S3.Object.Key)
		if err != nil {
			n.ignore("record of object %.100q: the key is not url-encoded", r.S3.Object.Key)
			continue
		}
		n.add(Object{Bucket: r.S3.Bucket.Name, Key: key, Version: r.S3.Object.version()})
	}
	return nil
}

// bridge reads an event of Amazon EventBridge, whose keys are not encoded.
func (n *Notice) bridge(d document) error {
	if d.DetailType != "Object Created" || d.Detail == nil {
		n.ignore("event %.100q of EventBridge: only stored objects start jobs", d.DetailType)
		return nil
	}
	n.add(Object{Bucket: d.Detail.Bucket.Name, Key: d.Detail.Object.Key, Version: d.Detail.Object.version()})
	return nil
}

// pubsub reads a message of a Cloud Storage notification, which names the object in its attributes.
func (n *Notice) pubsub(message []byte) error {
	var m struct {
		Attributes struct {
			EventType  string `json:"eventType"`
			Bucket     string `json:"bucketId"`
			Object     string `json:"objectId"`
			Generation string `json:"objectGeneration"`
		} `json:"attributes"`
	}
	if err := decode(message, &m); err != nil {
		return err
	}
	switch a := m.Attributes; a.EventType {
	case "OBJECT_FINALIZE":
		n.add(Object{Bucket: a.Bucket, Key: a.Object, Version: a.Generation})
	case "":
		return errors.New("the Pub/Sub message has no attribute eventType: it is no notification of Cloud Storage")
	default:
		n.ignore("Pub/Sub message of %.100q: only stored objects start jobs", a.EventType)
	}
	return nil
}

func decode(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("not the JSON expected: %w", err)
	}
	return nil
}
