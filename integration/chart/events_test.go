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
