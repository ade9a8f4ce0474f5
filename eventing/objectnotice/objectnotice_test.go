package objectnotice_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/objectnotice"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestPayloads reads what each store sends, in the shape its documentation gives.
func TestPayloads(t *testing.T) {
	for _, c := range []struct {
		file    string
		objects []objectnotice.Object
		ignored string
		code    string
		confirm string
	}{
		{file: "pubsub-push.json", objects: []objectnotice.Object{{"eemt-maps", "uploads/Maunga Whau.tif", "1772391751508000"}}},
		{file: "pubsub-delete.json", ignored: `Pub/Sub message of "OBJECT_DELETE": only stored objects start jobs`},
		{file: "s3-records.json", ignored: `record of "ObjectRemoved:Delete": only stored objects start jobs`, objects: []objectnotice.Object{
			{"eemt-maps", "uploads/Maunga Whau (west).tif", "0065E21B47D2A0F3C1"},
			{"eemt-maps", "uploads/Ätna.tif", "b0119fdfff5c2f1bae86cc9055f32a1e-2"},
		}},
		{file: "s3-test.json", ignored: "test event of Amazon S3"},
		{file: "sns.json", objects: []objectnotice.Object{{"eemt-maps", "uploads/Maunga Whau (west).tif", "0065E21B47D2A0F3C1"}}},
		{file: "sns-confirmation.json", confirm: "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37"},
		{file: "eventbridge.json", objects: []objectnotice.Object{{"eemt-maps", "uploads/a b+c.tif", "00617F08299329D189"}}},
		{file: "minio.json", objects: []objectnotice.Object{{"eemt-maps", "uploads/dem.tif", "1898DB1A5AD4D4B1"}}},
		{file: "eventgrid.json", objects: []objectnotice.Object{{"maps", "uploads/Maunga Whau.tif", "0x8D4BCC2E4835CD0"}}},
		{file: "eventgrid-validation.json", code: "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"},
		{file: "azure-cloudevents-batch.json", objects: []objectnotice.Object{{"maps", "uploads/Maunga Whau.tif", "0x8D4BCC2E4835CD0"}}},
	} {
		t.Run(c.file, func(t *testing.T) {
			n, err := objectnotice.Parse(file(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(n.Objects, c.objects) || strings.Join(n.Ignored, "; ") != c.ignored || n.Validation != c.code || n.Confirm != c.confirm {
				t.Errorf("got %+v", n)
			}
		})
	}
}

func TestCloudEvents(t *testing.T) {
	for _, c := range []struct {
		file string
		want objectnotice.Object
	}{
		{"gcs-cloudevent.json", objectnotice.Object{Bucket: "eemt-maps", Key: "uploads/dem.tif", Version: "1772391751508000"}},
		{"pubsub-cloudevent.json", objectnotice.Object{Bucket: "eemt-maps", Key: "uploads/Maunga Whau.tif", Version: "1772391751508000"}},
		{"azure-cloudevent.json", objectnotice.Object{Bucket: "maps", Key: "uploads/Maunga Whau.tif", Version: "0x8D4BCC2E4835CD0"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			var e event.Event
			if err := json.Unmarshal(file(t, c.file), &e); err != nil {
				t.Fatal(err)
			}
			n, err := objectnotice.Of(e)
			if err != nil || len(n.Objects) != 1 || n.Objects[0] != c.want || len(n.Ignored) != 0 {
				t.Errorf("got %+v (%v), want %+v", n, err, c.want)
			}
		})
	}
	t.Run("finalized without data", func(t *testing.T) {
		e := event.New()
		e.SetID("1")
		e.SetType(objectnotice.GoogleFinalized)
		e.SetSource("//storage.googleapis.com/projects/_/buckets/maps")
		e.SetSubject("objects/uploads/dem.tif")
		n, err := objectnotice.Of(e)
		if err != nil || len(n.Objects) != 1 || n.Objects[0] != (objectnotice.Object{Bucket: "maps", Key: "uploads/dem.tif"}) {
			t.Errorf("got %+v (%v)", n, err)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		e := event.New()
		e.SetType("google.cloud.storage.object.v1.deleted")
		if n, err := objectnotice.Of(e); err != nil || len(n.Objects) != 0 || len(n.Ignored) != 1 {
			t.Errorf("got %+v (%v)", n, err)
		}
	})
}

func TestBadPayloads(t *testing.T) {
	many := "{\"eventName\":\"ObjectCreated:Put\"}" + strings.Repeat(",{\"eventName\":\"ObjectCreated:Put\"}", objectnotice.MaxObjects)
	for _, c := range []struct{ name, body, want string }{
		{"empty", " ", "empty body"},
		{"no JSON", "dem.tif", "not the JSON expected"},
		{"something else", `{"job_id":"x"}`, "not known: want a CloudEvent"},
		{"a list of something else", `[{"eventType":"Microsoft.Resources.ResourceWriteSuccess"}]`, "must be google.cloud.storage"},
		{"a message of another topic", `{"message":{"data":"aGVsbG8="}}`, "no attribute eventType"},
		{"a message within a message", `{"Type":"Notification","Message":"{\"Message\":\"{}\"}"}`, "not known"},
		{"too many records", `{"Records":[` + many + `]}`, "1001 records: at most 1000"},
		{"too many events", `[` + strings.TrimSuffix(strings.Repeat(`{},`, objectnotice.MaxObjects+1), ",") + `]`, "1001 events: at most 1000"},
		{"another subject", `[{"eventType":"Microsoft.Storage.BlobCreated","subject":"uploads/dem.tif"}]`, "must be /blobServices"},
		{"no code", `[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{}}]`, "validationCode of 0 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := objectnotice.Parse([]byte(c.body))
			if !eventing.IsRejected(err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want a rejection with %q", err, c.want)
			}
		})
	}
	for _, key := range []string{"", strings.Repeat("x", 1025), "%FF", "a%00b", "%zz"} {
		n, err := objectnotice.Parse(fmt.Appendf(nil, `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"object":{"key":%q}}}]}`, key))
		if err != nil || len(n.Objects) != 0 || len(n.Ignored) != 1 {
			t.Errorf("key %.20q: %+v (%v), want it ignored", key, n, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) == 0 {
		f.Fatal("no payloads")
	}
	for _, name := range names {
		f.Add("google.cloud.storage.object.v1.finalized", "objects/a", file(f, filepath.Base(name)))
		f.Add("Microsoft.Storage.BlobCreated", "/containers/a/blobs/b", file(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, kind, subject string, body []byte) {
		check := func(n objectnotice.Notice, err error) {
			if err != nil && !eventing.IsRejected(err) {
				t.Errorf("error %v is not a rejection", err)
			}
			if len(n.Objects)+len(n.Ignored) > objectnotice.MaxObjects {
				t.Errorf("%d objects", len(n.Objects))
			}
			for _, o := range n.Objects {
				if o.Key == "" || len(o.Key) > 1024 || !utf8.ValidString(o.Key) || strings.ContainsAny(o.Key, "\x00\n\r") {
					t.Errorf("accepted %+v", o)
				}
			}
		}
		check(objectnotice.Parse(body))
		e := event.New()
		e.SetType(kind)
		e.SetSubject(subject)
		_ = e.SetData("application/json", body)
		check(objectnotice.Of(e))
	})
}
