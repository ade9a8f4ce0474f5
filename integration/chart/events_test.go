package chart_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
)

// cluster answers lookups with some objects.
type cluster struct{ dynamic.Interface }

// clusterWith has Knative, and objects.
func clusterWith(objects ...values) cluster {
	var all []runtime.Object
	for _, o := range objects {
		all = append(all, &unstructured.Unstructured{Object: o})
	}
	return cluster{fake.NewSimpleDynamicClient(runtime.NewScheme(), all...)}
}

func (c cluster) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	return c.Resource(gv.WithResource(strings.ToLower(kind) + "s")), true, err
}

// install renders as Helm does for a cluster.
func (c cluster) install(t *testing.T, v values) []object {
	t.Helper()
	able := *chartutil.DefaultCapabilities
	able.APIVersions = append(chartutil.VersionSet{"serving.knative.dev/v1"}, able.APIVersions...)
	all, err := top(load(t), merged(values{"bucket": values{"url": "gs://maps"}}, v), &able)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.RenderWithClientProvider(load(t), all, c)
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := manifests(files)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// keyIn is the key in the Secret among manifests, if it is there.
func keyIn(list []object) (key any) {
	for _, o := range list {
		if o.kind == "Secret" {
			key = o.at("data", "key")
		}
	}
	return key
}

// services are those that send and take events.
var services = []string{"submission", "compute", "cleanup"}

// keyFrom reports whether all services, or none, read the key of events from a Secret.
func keyFrom(t *testing.T, list []object, secret string) {
	t.Helper()
	for _, name := range services {
		text := string(find(t, list, "Service", release+"-"+name).text)
		want := fmt.Sprintf("name: EEMT_EVENT_KEY\n              valueFrom: {secretKeyRef: {name: %q, key: key}}", secret)
		if secret != "" && !strings.Contains(text, want) || secret == "" && strings.Contains(text, "EEMT_EVENT_KEY") {
			t.Errorf("secret %q: %s has another key", secret, name)
		}
	}
}

// TestEventKeyIsMade gives all services one random key, which an upgrade keeps.
func TestEventKeyIsMade(t *testing.T) {
	conforms := conform(t)
	first := clusterWith().install(t, nil)
	keyFrom(t, first, "maps-events")
	text, _ := keyIn(first).(string)
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) < 32 {
		t.Errorf("key %q (%v)", text, err)
	}
	if keyIn(clusterWith().install(t, nil)) == text {
		t.Error("two installations have the same key")
	}
	old := values{"apiVersion": "v1", "kind": "Secret", "metadata": values{"name": "maps-events", "namespace": namespace}, "data": values{"key": text, "before": "eA=="}}
	again := clusterWith(old).install(t, nil)
	if o := find(t, again, "Secret", "maps-events"); o.at("data", "key") != text || o.at("data", "before") != "eA==" {
		t.Errorf("an upgrade changes the key: %s", o.text)
	}
	mark := func(list []object) any {
		return find(t, list, "Service", "maps-compute").at("spec", "template", "metadata", "annotations", "eemt/events")
	}
	old["data"] = values{"key": text}
	if a, b := mark(first), mark(clusterWith(old).install(t, nil)); a == nil || a != b {
		t.Errorf("an upgrade makes new revisions: %v, then %v", a, b)
	}
	if a, b := mark(first), mark(again); a == b {
		t.Errorf("a changed key makes no new revisions: %v", a)
	}
	for _, list := range [][]object{first, again} {
		if err := validate(list, nil); err != nil {
			t.Error(err)
		}
		if err := conforms(list); err != nil {
			t.Error(err)
		}
	}
}

// TestEventKeyOfOthers: a Secret that is named is used as it is, unsigned events are asked for by name, and what is rendered
// without a cluster has no key, rather than one that is known or another each time.
func TestEventKeyOfOthers(t *testing.T) {
	for _, c := range []struct {
		name   string
		list   []object
		secret string
	}{
		{"a Secret of one's own", clusterWith().install(t, values{"events": values{"secret": "events"}}), "events"},
		{"unsigned", clusterWith().install(t, values{"events": values{"unsigned": true}}), ""},
		{"without a cluster", mustRender(t, values{"bucket": values{"url": "gs://maps"}}), "maps-events"},
	} {
		t.Run(c.name, func(t *testing.T) {
			keyFrom(t, c.list, c.secret)
			if key := keyIn(c.list); key != nil {
				t.Errorf("it makes a key: %v", key)
			}
		})
	}
}

// TestIdentities gives the services tokens where Eventing authenticates senders, asks for tokens for each of them, and says who may
// send the broker events.
func TestIdentities(t *testing.T) {
	conforms := conform(t)
	features := func(value string) values {
		return values{"apiVersion": "v1", "kind": "ConfigMap", "metadata": values{"name": "config-features", "namespace": "knative-eventing"}, "data": values{"authentication-oidc": value}}
	}
	api := values{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": values{"name": "kubernetes", "namespace": "default"},
		"addressType": "IPv4", "endpoints": []any{values{"addresses": []any{"10.1.2.3"}}}, "ports": []any{values{"port": int64(8443)}},
	}
	policies := values{"networkPolicy": values{"enabled": true}}
	for _, c := range []struct {
		name string
		list []object
		on   bool
	}{
		{"the cluster does", clusterWith(features("Enabled"), api).install(t, policies), true},
		{"the cluster does not", clusterWith(features("disabled"), api).install(t, policies), false},
		{"the cluster does not say", clusterWith().install(t, policies), false},
		{"typed", mustRender(t, values{"bucket": values{"url": "gs://maps"}, "networkPolicy": values{"enabled": true, "apiServerCIDRs": []any{"10.1.2.3/32"}}, "events": values{"identities": true}}), true},
		{"refused", clusterWith(features("enabled"), api).install(t, merged(policies, values{"events": values{"identities": false}})), false},
		{"a broker that cannot", clusterWith(features("enabled"), api).install(t, merged(policies, values{"broker": values{"class": "RabbitMQBroker"}})), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := validate(c.list, nil); err != nil {
				t.Error(err)
			}
			if err := conforms(c.list); err != nil {
				t.Error(err)
			}
			for _, o := range c.list {
				text := string(o.text)
				switch o.kind {
				case "Service":
					want := fmt.Sprintf("name: EEMT_EVENT_AUDIENCE\n              value: terrain/%s\n            - name: EEMT_EVENT_SENDERS\n              value: system:serviceaccount:terrain:*\n", o.name)
					if got := strings.Contains(text, want) && strings.Contains(text, "audience: eventing.knative.dev/broker/terrain/maps,"); got != c.on {
						t.Errorf("%s has an identity: %t", o.name, got)
					}
				case "Trigger":
					to, _ := o.at("spec", "subscriber", "ref", "name").(string)
					got, dead := o.at("spec", "subscriber", "audience"), o.at("spec", "delivery", "deadLetterSink", "audience")
					if c.on && (got != "terrain/"+to || dead != "terrain/maps-cleanup") || !c.on && (got != nil || dead != nil) {
						t.Errorf("%s: audience %v, of dead letters %v", o.name, got, dead)
					}
				case "NetworkPolicy":
					if got := strings.Contains(text, "10.1.2.3/32"); o.name == "maps-egress" && got != c.on {
						t.Errorf("the API server can be reached: %t", got)
					}
				case "EventPolicy":
					if !c.on {
						t.Error("there is an EventPolicy")
					}
				}
			}
			if !c.on {
				return
			}
			from, _ := find(t, c.list, "EventPolicy", "maps").at("spec", "from").([]any)
			if got := fmt.Sprint(from); len(from) != 5 || !strings.Contains(got, "sub:system:serviceaccount:terrain:maps-compute") || !strings.Contains(got, "kind:PingSource name:maps-resume") {
				t.Errorf("events come from %s", got)
			}
		})
	}
	list := clusterWith(features("enabled"), api).install(t, values{"events": values{"senders": []any{"system:serviceaccount:cloud:eventarc"}}, "cleanup": values{"enabled": false}})
	if from := fmt.Sprint(find(t, list, "EventPolicy", "maps").at("spec", "from")); strings.Contains(from, "cleanup") || !strings.Contains(from, "system:serviceaccount:cloud:eventarc") {
		t.Errorf("events come from %s", from)
	}
}
