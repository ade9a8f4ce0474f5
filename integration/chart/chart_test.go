// Package chart_test renders the Helm chart in process and holds the outcome against Knative's own validation, the
// schemas of all resources, and what the values promise.
package chart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/validator"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"knative.dev/eventing/pkg/apis/eventing"
	eventingv1 "knative.dev/eventing/pkg/apis/eventing/v1"
	eventingv1alpha1 "knative.dev/eventing/pkg/apis/eventing/v1alpha1"
	"knative.dev/eventing/pkg/apis/feature"
	sourcesv1 "knative.dev/eventing/pkg/apis/sources/v1"
	"knative.dev/pkg/apis"
	"knative.dev/serving/pkg/apis/config"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	servingv1beta1 "knative.dev/serving/pkg/apis/serving/v1beta1"
	"sigs.k8s.io/yaml"
)

const (
	chartDir  = "../../charts/eemt"
	release   = "maps"
	namespace = "terrain"
)

type values = map[string]any

// object is one rendered manifest.
type object struct {
	kind, name string
	text       []byte
	fields     values
}

// at returns the value at a path of field names and list indices, nil where there is none.
func (o object) at(path ...any) any {
	var v any = o.fields
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(values)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func load(t testing.TB) *chart.Chart {
	t.Helper()
	c, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// images are references that exist as soon as ko has resolved the defaults.
var images = values{
	"submission": "registry.example/submission@sha256:" + strings.Repeat("a", 64),
	"compute":    "registry.example/compute@sha256:" + strings.Repeat("b", 64),
	"cleanup":    "registry.example/cleanup@sha256:" + strings.Repeat("c", 64),
	"smoke":      "registry.example/smoke@sha256:" + strings.Repeat("d", 64),
}

// merged lays values over each other; the last wins.
func merged(list ...values) values {
	out := values{}
	for _, v := range list {
		out = chartutil.CoalesceTables(deepCopy(v), out)
	}
	return out
}

func deepCopy(v values) values {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var out values
	if err := json.Unmarshal(data, &out); err != nil {
		panic(err)
	}
	return out
}

// top are the values that templates get.
func top(c *chart.Chart, v values, able *chartutil.Capabilities) (chartutil.Values, error) {
	options := chartutil.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	return chartutil.ToRenderValues(c, merged(values{"images": images, "auth": values{"mode": "none", "public": true}}, v), options, able)
}

func render(c *chart.Chart, v values) ([]object, string, error) {
	all, err := top(c, v, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, "", err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, "", err
	}
	return manifests(files)
}

// manifests are the objects and the notes in rendered files.
func manifests(files map[string]string) ([]object, string, error) {
	var list []object
	var notes string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "NOTES.txt") {
			notes = files[name]
			continue
		}
		for part := range strings.SplitSeq("\n"+files[name], "\n---\n") {
			o := object{text: []byte(part)}
			if err := yaml.UnmarshalStrict(o.text, &o.fields); err != nil {
				return nil, "", fmt.Errorf("%s: %w\n%s", name, err, part)
			}
			if len(o.fields) == 0 {
				continue
			}
			o.kind, _ = o.at("kind").(string)
			o.name, _ = o.at("metadata", "name").(string)
			list = append(list, o)
		}
	}
	return list, notes, nil
}

func mustRender(t testing.TB, v values) []object {
	t.Helper()
	list, _, err := render(load(t), v)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func find(t testing.TB, list []object, kind, name string) object {
	t.Helper()
	for _, o := range list {
		if o.kind == kind && o.name == name {
			return o
		}
	}
	t.Fatalf("no %s %s among %d manifests", kind, name, len(list))
	return object{}
}

// features are flags of Knative Serving that a set of values needs beside the defaults.
func validate(list []object, features map[string]string) error {
	store := config.FromContextOrDefaults(context.Background())
	f, err := config.NewFeaturesConfigFromMap(features)
	if err != nil {
		return err
	}
	store.Features = f
	// The timeout of a delivery is enabled where Knative Eventing is as released; senders are authenticated where somebody said so.
	ctx := feature.ToContext(context.Background(), feature.Flags{feature.DeliveryTimeout: feature.Enabled, feature.OIDCAuthentication: feature.Enabled})
	ctx = apis.WithinCreate(config.ToContext(ctx, store))
	for _, o := range list {
		var thing interface {
			SetDefaults(context.Context)
			Validate(context.Context) *apis.FieldError
		}
		switch apiVersion, _ := o.at("apiVersion").(string); apiVersion + " " + o.kind {
		case "serving.knative.dev/v1 Service":
			thing = &servingv1.Service{}
		case "serving.knative.dev/v1beta1 DomainMapping":
			thing = &servingv1beta1.DomainMapping{}
		case "eventing.knative.dev/v1 Broker":
			thing = &eventingv1.Broker{}
		case "eventing.knative.dev/v1 Trigger":
			thing = &eventingv1.Trigger{}
		case "eventing.knative.dev/v1alpha1 EventPolicy":
			thing = &eventingv1alpha1.EventPolicy{}
		case "sources.knative.dev/v1 PingSource":
			thing = &sourcesv1.PingSource{}
		default:
			continue
		}
		if err := yaml.UnmarshalStrict(o.text, thing); err != nil {
			return fmt.Errorf("%s %s: %w", o.kind, o.name, err)
		}
		if o.kind != "Broker" { // its defaults name a configuration of the cluster
			thing.SetDefaults(ctx)
		}
		if err := thing.Validate(ctx); err != nil {
			return fmt.Errorf("%s %s: %w", o.kind, o.name, err)
		}
	}
	return nil
}

func conform(t testing.TB) func([]object) error {
	t.Helper()
	location, err := filepath.Abs("testdata/schemas")
	if err != nil {
		t.Fatal(err)
	}
	v, err := validator.New([]string{location + `/{{ .ResourceKind }}{{ .KindSuffix }}.json`}, validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	return func(list []object) error {
		for _, o := range list {
			for _, r := range v.Validate(o.name, io.NopCloser(bytes.NewReader(o.text))) {
				if r.Status != validator.Valid {
					return fmt.Errorf("%s %s: %w %v", o.kind, o.name, r.Err, r.ValidationErrors)
				}
			}
		}
		return nil
	}
}

// placement are the flags that node selectors, tolerations and spreading need.
var placement = map[string]string{
	"kubernetes.podspec-nodeselector": "enabled", "kubernetes.podspec-tolerations": "enabled",
	"kubernetes.podspec-topologyspreadconstraints": "enabled",
}

// TestCombinations renders every combination of strategy, GPU, host name, network policy and class of broker.
func TestCombinations(t *testing.T) {
	c := load(t)
	conforms := conform(t)
	n := 0
	for _, strategy := range []string{"minimal", "balanced", "performance"} {
		for _, gpu := range []bool{false, true} {
			for _, ingress := range []bool{false, true} {
				for _, policy := range []bool{false, true} {
					for _, class := range []string{"MTChannelBasedBroker", "Kafka", "RabbitMQBroker"} {
						n++
						name := fmt.Sprintf("%s gpu=%v ingress=%v policy=%v %s", strategy, gpu, ingress, policy, class)
						v := values{
							"bucket": values{"url": "gs://maps"}, "strategy": strategy,
							"gpu":           values{"enabled": gpu, "type": "nvidia-l4"},
							"ingress":       values{"enabled": ingress, "host": "maps.example.org", "tlsSecret": "maps-tls", "createClaim": true},
							"networkPolicy": values{"enabled": policy}, "broker": values{"class": class},
							"quota": values{"enabled": policy}, "podMonitor": values{"enabled": ingress}, "compute": values{"spread": map[bool]string{true: "soft", false: "none"}[gpu]},
						}
						list, _, err := render(c, v)
						if err != nil {
							t.Errorf("%s: %v", name, err)
							continue
						}
						features := map[string]string{}
						if gpu {
							features = placement
						}
						if err := validate(list, features); err != nil {
							t.Errorf("%s: Knative refuses %v", name, err)
						}
						if gpu && validate(list, nil) == nil {
							t.Errorf("%s: valid without feature flags, so that checking for them is useless", name)
						}
						if err := conforms(list); err != nil {
							t.Errorf("%s: %v", name, err)
						}
						for _, o := range list {
							if ns := o.at("metadata", "namespace"); ns != namespace && o.kind != "ClusterDomainClaim" {
								t.Errorf("%s: %s %s is in namespace %v", name, o.kind, o.name, ns)
							}
						}
					}
				}
			}
		}
	}
	t.Logf("%d combinations", n)
}

// TestConformIsStrict shows that the schemas refuse what a server would drop.
func TestConformIsStrict(t *testing.T) {
	conforms := conform(t)
	list := mustRender(t, values{"bucket": values{"url": "gs://maps"}})
	for _, c := range []struct{ kind, old, new string }{
		{"Service", "containerConcurrency:", "containerConcurency:"},
		{"PingSource", "schedule:", "shedule:"},
		{"ConfigMap", "data:", "dat:"},
	} {
		for _, o := range list {
			if o.kind == c.kind {
				o.text = bytes.Replace(o.text, []byte(c.old), []byte(c.new), 1)
				if conforms([]object{o}) == nil {
					t.Errorf("%s %s with %s was taken", o.kind, o.name, c.new)
				}
				break
			}
		}
	}
}

// TestPresets renders each cloud's values, with a bucket secret and spot nodes besides.
func TestPresets(t *testing.T) {
	c := load(t)
	conforms := conform(t)
	for _, preset := range []string{"gke", "eks", "aks", "dev"} {
		for _, extra := range []values{
			{},
			{"spot": values{"enabled": true}, "gpu": values{"enabled": true, "type": "a100"}, "networkPolicy": values{"enabled": true}},
			{"bucket": values{"secret": "keys"}, "quota": values{"enabled": true}, "mode": "hybrid"},
		} {
			t.Run(fmt.Sprint(preset, extra), func(t *testing.T) {
				data, err := os.ReadFile(filepath.Join(chartDir, "values-"+preset+".yaml"))
				if err != nil {
					t.Fatal(err)
				}
				var v values
				if err := yaml.UnmarshalStrict(data, &v); err != nil {
					t.Fatal(err)
				}
				list, _, err := render(c, merged(v, extra))
				if err != nil {
					t.Fatal(err)
				}
				features := map[string]string{}
				if preset != "dev" || extra["spot"] != nil {
					maps.Copy(features, placement)
				}
				if preset == "dev" {
					features["kubernetes.podspec-persistent-volume-claim"] = "enabled"
					features["kubernetes.podspec-persistent-volume-write"] = "enabled"
				}
				if err := validate(list, features); err != nil {
					t.Errorf("Knative refuses %v", err)
				}
				if err := conforms(list); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestLint is helm lint --strict.
func TestLint(t *testing.T) {
	linter := lint.AllWithKubeVersionAndSchemaValidation(chartDir, values{"bucket": values{"url": "gs://maps"}}, namespace, nil, false)
	for _, m := range linter.Messages {
		if m.Severity >= support.WarningSev {
			t.Error(m)
		}
	}
}

func TestServices(t *testing.T) {
	list := mustRender(t, values{"bucket": values{"url": "gs://maps"}})
	for _, c := range []struct {
		name        string
		concurrency float64
		visibility  any
		max         string
		// storage is tmpSize and 256 Mi.
		storage, storageRequest string
	}{
		{"submission", 80, nil, "5", "5376Mi", "1344Mi"},
		{"compute", 1, "cluster-local", "20", "20736Mi", "5184Mi"},
		{"cleanup", 10, "cluster-local", "1", "1280Mi", "320Mi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := find(t, list, "Service", release+"-"+c.name)
			spec := []any{"spec", "template", "spec"}
			container := append(slices.Clone(spec), "containers", 0)
			at := func(base []any, more ...any) any { return o.at(append(slices.Clone(base), more...)...) }
			for _, w := range []struct {
				what      string
				got, want any
			}{
				{"concurrency", at(spec, "containerConcurrency"), c.concurrency},
				{"visibility", o.at("metadata", "labels", "networking.knative.dev/visibility"), c.visibility},
				{"smallest scale", o.at("spec", "template", "metadata", "annotations", "autoscaling.knative.dev/min-scale"), "0"},
				{"largest scale", o.at("spec", "template", "metadata", "annotations", "autoscaling.knative.dev/max-scale"), c.max},
				{"time to answer", at(spec, "responseStartTimeoutSeconds"), at(spec, "timeoutSeconds")},
				{"token", at(spec, "automountServiceAccountToken"), false},
				{"account", at(spec, "serviceAccountName"), o.name},
				{"root", at(container, "securityContext", "runAsNonRoot"), true},
				{"group", at(container, "securityContext", "runAsGroup"), 65532.0},
				{"started", at(container, "startupProbe", "httpGet", "path"), "/readyz"},
				{"port of the start", at(container, "startupProbe", "httpGet", "port"), at(container, "ports", 0, "containerPort")},
				{"ready", at(container, "readinessProbe", "httpGet", "path"), "/healthz"},
				{"alive", at(container, "livenessProbe", "httpGet", "path"), "/healthz"},
				{"patience", at(container, "livenessProbe", "failureThreshold"), 6.0},
				{"room for files", at(container, "resources", "limits", "ephemeral-storage"), c.storage},
				{"room for files on the node", at(container, "resources", "requests", "ephemeral-storage"), c.storageRequest},
				{"file system", at(container, "securityContext", "readOnlyRootFilesystem"), true},
				{"escalation", at(container, "securityContext", "allowPrivilegeEscalation"), false},
				{"capabilities", at(container, "securityContext", "capabilities", "drop", 0), "ALL"},
				{"seccomp", at(container, "securityContext", "seccompProfile", "type"), "RuntimeDefault"},
				{"token of the account", find(t, list, "ServiceAccount", o.name).at("automountServiceAccountToken"), false},
			} {
				if w.got != w.want {
					t.Errorf("%s: %v, want %v", w.what, w.got, w.want)
				}
			}
		})
	}
	for _, o := range list {
		if strings.Contains(o.kind, "Role") {
			t.Errorf("%s %s: the services need no permission of Kubernetes", o.kind, o.name)
		}
	}
}

// TestStrategies holds the sizes against what the former suite's strategies gave.
func TestStrategies(t *testing.T) {
	for _, c := range []struct{ strategy, web, webMemory, worker, workerMemory, most string }{
		{"minimal", "500m", "1Gi", "2", "4Gi", "2"},
		{"balanced", "1", "2Gi", "4", "8Gi", "20"},
		{"performance", "2", "4Gi", "8", "16Gi", "50"},
	} {
		t.Run(c.strategy, func(t *testing.T) {
			list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "strategy": c.strategy})
			limits := func(o object) values {
				v, _ := o.at("spec", "template", "spec", "containers", 0, "resources", "limits").(values)
				return v
			}
			web, worker := find(t, list, "Service", "maps-submission"), find(t, list, "Service", "maps-compute")
			if l := limits(web); l["cpu"] != c.web || l["memory"] != c.webMemory {
				t.Errorf("submission: %v", l)
			}
			if l := limits(worker); l["cpu"] != c.worker || l["memory"] != c.workerMemory {
				t.Errorf("compute: %v", l)
			}
			if m := worker.at("spec", "template", "metadata", "annotations", "autoscaling.knative.dev/max-scale"); m != c.most {
				t.Errorf("compute: largest scale %v, want %s", m, c.most)
			}
			// By cost: what a tile may take follows from the CPU and memory above.
			if v := env(worker)["EEMT_TILE_SIZE"]; v != "0" {
				t.Errorf("tile size %v, want 0", v)
			}
		})
	}
	list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "compute": values{
		"resources": values{"memory": "2Gi"}, "maxScale": 3, "tileSize": 96, "coreSpeed": 0.5, "longestStep": "5m",
		"largestJob": values{"cells": 2500000000, "coreHours": 12.5, "resultBytes": 1000000000000},
	}, "cleanup": values{"batchSize": 50, "cacheRetentionDays": 3}})
	for name, want := range map[string]string{
		"EEMT_TILE_SIZE": "96", "EEMT_LONGEST_STEP": "5m", "EEMT_CORE_SPEED": "0.5", "EEMT_MAX_CELLS": "2500000000", "EEMT_MAX_CORE_HOURS": "12.5", "EEMT_MAX_RESULT_BYTES": "1000000000000", "EEMT_EVENT_TIMEOUT": "600s", "EEMT_TEMP_BYTES": "21474836480",
	} {
		if got := env(find(t, list, "Service", "maps-compute"))[name]; got != want {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
		if got := env(find(t, list, "Service", "maps-submission"))[name]; got != want && name != "EEMT_TILE_SIZE" && name != "EEMT_LONGEST_STEP" {
			t.Errorf("%s of submission is %v, want %s", name, got, want)
		}
	}
	// What submission tells of a job is what it takes on compute's replicas: 4 cores, 85 % of 2 Gi.
	front := env(find(t, list, "Service", "maps-submission"))
	if front["EEMT_COMPUTE_CORES"] != "4" || front["EEMT_COMPUTE_MEMORY"] != "1824522240" {
		t.Errorf("submission takes a replica to have %v cores and %v bytes", front["EEMT_COMPUTE_CORES"], front["EEMT_COMPUTE_MEMORY"])
	}
	if got := env(find(t, list, "Service", "maps-cleanup"))["EEMT_CLEANUP_BATCH_SIZE"]; got != "50" {
		t.Errorf("a pass removes %v jobs, want 50", got)
	}
	if got := env(find(t, list, "Service", "maps-cleanup"))["EEMT_CACHE_RETENTION_DAYS"]; got != "3" {
		t.Errorf("the cache is kept for %v days, want 3", got)
	}
	worker := find(t, list, "Service", "maps-compute")
	if env(worker)["GOMEMLIMIT"] != "1740MiB" || worker.at("spec", "template", "metadata", "annotations", "autoscaling.knative.dev/max-scale") != "3" {
		t.Errorf("own values do not win over the strategy:\n%s", worker.text)
	}
}

// TestLargestJob bounds jobs without being told to.
func TestLargestJob(t *testing.T) {
	list := mustRender(t, values{"bucket": values{"url": "gs://maps"}})
	for _, name := range []string{"submission", "compute"} {
		got := env(find(t, list, "Service", release+"-"+name))
		for variable, want := range map[string]string{"EEMT_MAX_CELLS": "400000000", "EEMT_MAX_CORE_HOURS": "100", "EEMT_MAX_RESULT_BYTES": "200000000000"} {
			if got[variable] != want {
				t.Errorf("%s of %s is %v, want %s", variable, name, got[variable], want)
			}
		}
	}
}

func env(o object) map[string]any {
	out := map[string]any{}
	list, _ := o.at("spec", "template", "spec", "containers", 0, "env").([]any)
	for _, e := range list {
		e := e.(values)
		out[e["name"].(string)] = e["value"]
	}
	return out
}

// TestClimateToken gives the token to all that open climate: without it submission refuses what compute could read.
func TestClimateToken(t *testing.T) {
	list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "compute": values{"climate": values{"tokenSecret": "daymet"}}})
	for _, name := range []string{"submission", "compute"} {
		entries, _ := find(t, list, "Service", release+"-"+name).at("spec", "template", "spec", "containers", 0, "env").([]any)
		if !slices.ContainsFunc(entries, func(e any) bool {
			v := e.(values)
			from, _ := v["valueFrom"].(values)
			secret, _ := from["secretKeyRef"].(values)
			return v["name"] == "EEMT_CLIMATE_TOKEN" && secret["name"] == "daymet" && secret["key"] == "token"
		}) {
			t.Errorf("%s has no token", name)
		}
	}
	if o := find(t, list, "Service", release+"-cleanup"); strings.Contains(string(o.text), "daymet") {
		t.Errorf("cleanup, which opens no climate, has its token:\n%s", o.text)
	}
}

// TestCredentials gives each service credentials of its own, and what all have in common to those without.
func TestCredentials(t *testing.T) {
	list := mustRender(t, values{
		"bucket": values{
			"url": "s3://maps?region=eu-central-1", "secret": "common", "secrets": values{"compute": "worker", "cleanup": "broom"},
			"googleKey": values{"secret": "key", "secrets": values{"submission": "door-key"}},
		},
		"serviceAccount": values{
			"annotations": values{"role": "all", "team": "soil"}, "annotationsOf": values{"compute": values{"role": "work"}},
		},
	})
	for _, c := range []struct{ name, secret, key, role string }{
		{"submission", "common", "door-key", "all"},
		{"compute", "worker", "key", "work"},
		{"cleanup", "broom", "key", "all"},
	} {
		o := find(t, list, "Service", release+"-"+c.name)
		spec := []any{"spec", "template", "spec"}
		sources, _ := o.at(append(slices.Clone(spec), "containers", 0, "envFrom")...).([]any)
		var secrets []any
		for _, s := range sources {
			if ref, ok := s.(values)["secretRef"].(values); ok {
				secrets = append(secrets, ref["name"])
			}
		}
		if len(secrets) != 1 || secrets[0] != c.secret {
			t.Errorf("%s has the secrets %v, want %s alone", c.name, secrets, c.secret)
		}
		volumes, _ := o.at(append(slices.Clone(spec), "volumes")...).([]any)
		var keys []any
		for _, v := range volumes {
			if s, ok := v.(values)["secret"].(values); ok {
				keys = append(keys, s["secretName"])
			}
		}
		if len(keys) != 1 || keys[0] != c.key {
			t.Errorf("%s has the keys %v, want %s alone", c.name, keys, c.key)
		}
		account := find(t, list, "ServiceAccount", release+"-"+c.name)
		if account.at("metadata", "annotations", "role") != c.role || account.at("metadata", "annotations", "team") != "soil" {
			t.Errorf("account of %s: %v", c.name, account.at("metadata", "annotations"))
		}
	}
	if err := validate(list, nil); err != nil {
		t.Error(err)
	}
	if err := conform(t)(list); err != nil {
		t.Error(err)
	}
	// A key of one service alone is mounted there, and nowhere else.
	list = mustRender(t, values{"bucket": values{"url": "gs://maps", "googleKey": values{"secrets": values{"cleanup": "broom"}}}})
	for name, want := range map[string]bool{"submission": false, "compute": false, "cleanup": true} {
		text := string(find(t, list, "Service", release+"-"+name).text)
		if got := strings.Contains(text, "GOOGLE_APPLICATION_CREDENTIALS") && strings.Contains(text, "secretName: broom"); got != want {
			t.Errorf("%s has a key: %t", name, got)
		}
	}
}

// TestNotices says who may notify submission, and no other service.
func TestNotices(t *testing.T) {
	list := mustRender(t, values{
		"bucket": values{"url": "gs://maps"}, "uploads": values{"events": false},
		"notices": values{"secret": "notices", "snsTopics": []any{"arn:aws:sns:eu-central-1:1:maps"}, "issuer": "https://accounts.google.com", "audience": "maps", "senders": []any{"a@example.org", "b@example.org"}},
		"compute": values{"climate": values{"tokenSecret": "daymet", "tokenHost": "climate.example.org", "redirectHosts": []any{}}},
	})
	got := env(find(t, list, "Service", release+"-submission"))
	for name, want := range map[string]any{
		"EEMT_NOTICE_SNS_TOPICS": "arn:aws:sns:eu-central-1:1:maps", "EEMT_NOTICE_ISSUER": "https://accounts.google.com", "EEMT_NOTICE_AUDIENCE": "maps",
		"EEMT_NOTICE_CLAIM": "email", "EEMT_NOTICE_SENDERS": "a@example.org,b@example.org", "EEMT_CLIMATE_TOKEN_HOST": "climate.example.org", "EEMT_CLIMATE_REDIRECT_HOSTS": "",
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if text := string(find(t, list, "Service", release+"-submission").text); !regexp.MustCompile(`name: EEMT_NOTICE_SECRET\s+valueFrom:\s+secretKeyRef:\s+key: secret\s+name: notices\n`).MatchString(text) {
		t.Errorf("no secret in\n%s", text)
	}
	for _, other := range []string{"compute", "cleanup"} {
		if text := string(find(t, list, "Service", release+"-"+other).text); strings.Contains(text, "EEMT_NOTICE") {
			t.Errorf("%s is told of it", other)
		}
	}
	if err := validate(list, nil); err != nil {
		t.Error(err)
	}
}

// TestCertificates lets all services trust authorities besides those of the image.
func TestCertificates(t *testing.T) {
	for _, name := range []string{"", "lab"} {
		list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "certificates": values{"configMap": name}})
		for _, s := range services {
			text := string(find(t, list, "Service", release+"-"+s).text)
			dir, volume := strings.Contains(text, "name: SSL_CERT_DIR\n              value: /certificates\n"), strings.Contains(text, "configMap:\n            name: lab\n")
			if want := name != ""; dir != want || volume != want || strings.Contains(text, "mountPath: /certificates\n") != want {
				t.Errorf("%q: %s has them: %t, %t", name, s, dir, volume)
			}
		}
		if err := validate(list, nil); err != nil {
			t.Error(err)
		}
	}
}

// TestRoomForFiles follows tmpSize, from which the request can be set apart.
func TestRoomForFiles(t *testing.T) {
	list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "compute": values{"tmpSize": "2Gi", "resources": values{"storageRequest": "100Mi"}}})
	o := find(t, list, "Service", release+"-compute")
	resources := []any{"spec", "template", "spec", "containers", 0, "resources"}
	limit := o.at(append(slices.Clone(resources), "limits", "ephemeral-storage")...)
	request := o.at(append(slices.Clone(resources), "requests", "ephemeral-storage")...)
	if limit != "2304Mi" || request != "100Mi" {
		t.Errorf("limit %v, request %v", limit, request)
	}
}

// TestPlacement looks at where GPUs and spot nodes put compute.
func TestPlacement(t *testing.T) {
	bucket := values{"url": "gs://maps"}
	pod := func(v values) object {
		return find(t, mustRender(t, merged(values{"bucket": bucket}, v)), "Service", "maps-compute")
	}
	o := pod(values{"gpu": values{"enabled": true, "count": 2, "type": "nvidia-l4", "label": "cloud.google.com/gke-accelerator"}})
	if v := o.at("spec", "template", "spec", "containers", 0, "resources", "limits", "nvidia.com/gpu"); v != "2" {
		t.Errorf("GPUs %v", v)
	}
	if v := o.at("spec", "template", "spec", "nodeSelector", "cloud.google.com/gke-accelerator"); v != "nvidia-l4" {
		t.Errorf("selector %v", v)
	}
	if v := o.at("spec", "template", "spec", "tolerations", 0, "key"); v != "nvidia.com/gpu" {
		t.Errorf("toleration %v", v)
	}
	for provider, label := range map[string]string{"gke": "cloud.google.com/gke-spot", "eks": "eks.amazonaws.com/capacityType", "aks": "kubernetes.azure.com/scalesetpriority"} {
		o := pod(values{"spot": values{"enabled": true, "provider": provider}})
		if o.at("spec", "template", "spec", "nodeSelector", label) == nil {
			t.Errorf("spot on %s: %v", provider, o.at("spec", "template", "spec", "nodeSelector"))
		}
	}
	if o := pod(nil); o.at("spec", "template", "spec", "nodeSelector") != nil || o.at("spec", "template", "spec", "tolerations") != nil {
		t.Error("compute is placed though nothing asks for it")
	}
}

// TestEvents follows each event type from the broker to its service, retries and dead letters included.
func TestEvents(t *testing.T) {
	list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "submission": values{"callbackHosts": []string{"hooks.example.org"}}})
	find(t, list, "Broker", release)
	for _, c := range []struct{ name, typ, service, uri string }{
		{"job-submitted", "org.cyverse.eemt.job.submitted.v1", "compute", "/"},
		{"task-requested", "org.cyverse.eemt.task.requested.v1", "compute", "/"},
		{"tiles-completed", "org.cyverse.eemt.tiles.completed.v1", "compute", "/"},
		{"cleanup-ticks", "dev.knative.sources.ping", "cleanup", "/"},
		{"submission-ticks", "dev.knative.sources.ping", "submission", "/events"},
		{"callbacks-job-completed", "org.cyverse.eemt.job.completed.v1", "submission", "/events"},
		{"callbacks-job-failed", "org.cyverse.eemt.job.failed.v1", "submission", "/events"},
		{"callbacks-job-cancelled", "org.cyverse.eemt.job.cancelled.v1", "submission", "/events"},
		{"uploads-gcs", "google.cloud.storage.object.v1.finalized", "submission", "/events/notices"},
		{"uploads-azure", "Microsoft.Storage.BlobCreated", "submission", "/events/notices"},
	} {
		o := find(t, list, "Trigger", release+"-"+c.name)
		delivery := o.at("spec", "delivery").(values)
		if o.at("spec", "filter", "attributes", "type") != c.typ || o.at("spec", "subscriber", "ref", "name") != release+"-"+c.service ||
			o.at("spec", "subscriber", "uri") != c.uri || o.at("spec", "delivery", "deadLetterSink", "uri") != "/dead-letter" ||
			delivery["retry"] != 8.0 || delivery["backoffPolicy"] != "exponential" || delivery["timeout"] != "PT630S" {
			t.Errorf("trigger %s:\n%s", c.name, o.text)
		}
	}
	for task, schedule := range map[string]string{"retention": "0 2 * * *", "resume": "*/5 * * * *"} {
		o := find(t, list, "PingSource", release+"-"+task)
		if o.at("spec", "schedule") != schedule || o.at("spec", "timezone") != "UTC" || o.at("spec", "data") != `{"task":"`+task+`"}` {
			t.Errorf("tick %s:\n%s", task, o.text)
		}
	}
	for class, sink := range map[string]string{
		"MTChannelBasedBroker": "http://broker-ingress.knative-eventing.svc.cluster.local/terrain/maps",
		"Kafka":                "http://kafka-broker-ingress.knative-eventing.svc.cluster.local/terrain/maps",
		"RabbitMQBroker":       "http://maps-broker-ingress.terrain.svc.cluster.local",
	} {
		list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "broker": values{"class": class}})
		if got := find(t, list, "ConfigMap", release).at("data", "K_SINK"); got != sink {
			t.Errorf("%s: sink %v, want %s", class, got, sink)
		}
		if got := find(t, list, "Broker", release).at("metadata", "annotations", eventing.BrokerClassKey); got != class {
			t.Errorf("class %v, want %s", got, class)
		}
	}
}

// TestTakenApart leaves services out.
func TestTakenApart(t *testing.T) {
	bucket := values{"url": "gs://maps"}
	names := func(v values) string {
		var out []string
		for _, o := range mustRender(t, merged(values{"bucket": bucket}, v)) {
			if o.kind == "Service" || o.kind == "Trigger" || o.kind == "PingSource" || o.kind == "Pod" {
				out = append(out, strings.TrimPrefix(o.name, release+"-"))
			}
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	if got, want := names(values{"mode": "hybrid"}), "cleanup cleanup-ticks compute job-submitted resume retention task-requested tiles-completed"; got != want {
		t.Errorf("hybrid: %s", got)
	}
	only := values{"submission": values{"enabled": false}, "compute": values{"enabled": false}}
	if got, want := names(only), "cleanup cleanup-ticks resume retention"; got != want {
		t.Errorf("cleanup only: %s", got)
	}
}

func TestQuotaHoldsLargestScale(t *testing.T) {
	list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "quota": values{"enabled": true}})
	hard := find(t, list, "ResourceQuota", release).at("spec", "hard").(values)
	// 5 x (1 + 0.5) + 20 x (4 + 0.5) + 1 x (0.1 + 0.5) CPU.
	if hard["limits.cpu"] != "98100m" || hard["limits.memory"] != strconv.Itoa(5*(2048+512)+20*(8192+512)+256+512)+"Mi" || hard["pods"] != "36" {
		t.Errorf("quota %v", hard)
	}
	find(t, list, "LimitRange", release)
}

// TestQuotaLeavesOutWhatIsNotThere holds cleanup alone, and what hybrid leaves in the cluster.
func TestQuotaLeavesOutWhatIsNotThere(t *testing.T) {
	off := values{"enabled": false}
	for _, c := range []struct {
		name string
		v    values
		cpu  string
	}{
		{"cleanup alone", values{"submission": off, "compute": off}, "600m"}, // 0.1 + 0.5
		{"hybrid", values{"mode": "hybrid"}, "90600m"},                       // and 20 x (4 + 0.5)
	} {
		list := mustRender(t, merged(values{"bucket": values{"url": "gs://maps"}, "quota": values{"enabled": true}}, c.v))
		if got := find(t, list, "ResourceQuota", release).at("spec", "hard", "limits.cpu"); got != c.cpu {
			t.Errorf("%s: %v CPU, want %s", c.name, got, c.cpu)
		}
	}
}

// TestLimitRangeLetsAllIn makes compute smaller than the others, and than what the range gives a container by itself.
func TestLimitRangeLetsAllIn(t *testing.T) {
	for _, c := range []struct{ cpu, memory, wantCPU, wantMemory string }{
		{"1", "1Gi", "1000m", "2048Mi"}, // of submission
		{"4", "8Gi", "4000m", "8192Mi"},
	} {
		list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "limitRange": values{"enabled": true}, "compute": values{"resources": values{"cpu": c.cpu, "memory": c.memory}}})
		most := find(t, list, "LimitRange", release).at("spec", "limits", 0, "max").(values)
		if most["cpu"] != c.wantCPU || most["memory"] != c.wantMemory {
			t.Errorf("with %s CPU and %s for compute the limit is %v", c.cpu, c.memory, most)
		}
	}
	small := values{"resources": values{"cpu": "250m", "memory": "256Mi"}}
	list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "limitRange": values{"enabled": true}, "submission": small, "compute": small})
	if most := find(t, list, "LimitRange", release).at("spec", "limits", 0, "max").(values); most["cpu"] != "500m" || most["memory"] != "512Mi" {
		t.Errorf("the limit is %v, below the range's own defaults", most)
	}
}

// TestNetworkPolicies checks that compute hears only Knative, and that nothing leads to private networks.
func TestNetworkPolicies(t *testing.T) {
	list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "networkPolicy": values{"enabled": true}})
	deny := find(t, list, "NetworkPolicy", release+"-deny")
	if deny.at("spec", "ingress") != nil || deny.at("spec", "egress") != nil || len(deny.at("spec", "policyTypes").([]any)) != 2 {
		t.Errorf("not closed by default:\n%s", deny.text)
	}
	for _, o := range list {
		if o.kind != "NetworkPolicy" {
			continue
		}
		rules, _ := o.at("spec", "ingress").([]any)
		for i := range rules {
			if from, _ := o.at("spec", "ingress", i, "from").([]any); len(from) == 0 {
				t.Errorf("%s is open to everybody", o.name)
			}
			for _, p := range o.at("spec", "ingress", i, "ports").([]any) {
				if p.(values)["port"] == 8080.0 {
					t.Errorf("%s lets calls past the queue proxy", o.name)
				}
			}
		}
	}
	public := find(t, list, "NetworkPolicy", release+"-public")
	if strings.Contains(string(public.text), "compute") {
		t.Error("the ingress may call compute")
	}
	egress := find(t, list, "NetworkPolicy", release+"-egress")
	if except, _ := egress.at("spec", "egress", 2, "to", 0, "ipBlock", "except").([]any); len(except) != 4 {
		t.Errorf("private networks are not left out:\n%s", egress.text)
	}
}

// TestMetricsThroughNetworkPolicies lets Prometheus read what podMonitor names, port http-usermetric, and only then.
func TestMetricsThroughNetworkPolicies(t *testing.T) {
	for _, monitored := range []bool{false, true} {
		list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "networkPolicy": values{"enabled": true, "monitoringNamespaces": []any{"observability"}}, "podMonitor": values{"enabled": monitored}})
		calls := find(t, list, "NetworkPolicy", release+"-calls")
		if got := calls.at("spec", "ingress", 1, "from", 0, "namespaceSelector", "matchExpressions", 0, "values", 0) == "observability" && calls.at("spec", "ingress", 1, "ports", 0, "port") == 9091.0; got != monitored {
			t.Errorf("podMonitor %v: metrics can be read: %v\n%s", monitored, got, calls.text)
		}
	}
}

// TestRefusals gives values that cannot be meant.
func TestRefusals(t *testing.T) {
	c := load(t)
	good := values{"bucket": values{"url": "gs://maps"}}
	for _, r := range []struct {
		name string
		v    values
		want string
	}{
		{"identities outside", values{"mode": "hybrid", "events": values{"identities": true}}, "mode hybrid: submission outside"},
		{"identities of RabbitMQ", values{"broker": values{"class": "RabbitMQBroker"}, "events": values{"identities": true}}, "RabbitMQBroker do not authenticate"},
		{"identities without keys", values{"networkPolicy": values{"enabled": true}, "events": values{"identities": true}}, "networkPolicy.apiServerCIDRs is missing"},
		{"a sender that is none", values{"events": values{"senders": []any{"everybody"}}}, "senders"},
		{"tokens of anybody", values{"notices": values{"issuer": "https://accounts.google.com", "audience": "maps"}}, "notices.issuer, notices.audience and notices.senders"},
		{"notices that the broker cannot bring", values{"notices": values{"secret": "notices"}}, "uploads.events: the broker has none"},
		{"unsigned with a key", values{"events": values{"secret": "events", "unsigned": true}}, "events.unsigned"},
		{"typo at the top", values{"stratgy": "minimal"}, "stratgy"},
		{"typo below", values{"compute": values{"maxscale": 3}}, "maxscale"},
		{"unknown strategy", values{"strategy": "huge"}, "strategy"},
		{"memory in G", values{"compute": values{"resources": values{"memory": "4G"}}}, "memory"},
		{"schedule of three", values{"cleanup": values{"schedule": "0 2 *"}}, "schedule"},
		{"other bucket", values{"bucket": values{"url": "http://maps"}}, "url"},
		{"no bucket", values{"bucket": values{"url": ""}}, "bucket.url is missing"},
		{"directory without a volume", values{"bucket": values{"url": "file:///bucket"}}, "needs bucket.claim.name"},
		{"volume without a directory", values{"bucket": values{"claim": values{"name": "maps"}}}, "used with bucket.url file:///bucket only"},
		{"ingress without a host", values{"ingress": values{"enabled": true}}, "ingress.host is missing"},
		{"ingress to nothing", values{"ingress": values{"enabled": true, "host": "a.example.org"}, "mode": "hybrid"}, "no submission service"},
		{"scale turned round", values{"compute": values{"minScale": 21}}, "compute.minScale 21: must not be above maxScale 20"},
		{"request above the limit", values{"compute": values{"resources": values{"cpuRequest": 8}}}, "compute.resources.cpuRequest 8: must not be above the limit of 4"},
		{"request of memory above the limit", values{"cleanup": values{"resources": values{"memoryRequest": "1Gi"}}}, "cleanup.resources.memoryRequest 1Gi: must not be above the limit of 256Mi"},
		{"request of files above the limit", values{"submission": values{"resources": values{"storageRequest": "6Gi"}}}, "submission.resources.storageRequest 6Gi: must not be above the limit of 5376Mi"},
		{"a secret of nobody", values{"bucket": values{"secrets": values{"computer": "worker"}}}, "computer"},
		{"annotations of nobody", values{"serviceAccount": values{"annotationsOf": values{"computer": values{"role": "x"}}}}, "computer"},
		{"no room to compute", values{"compute": values{"resources": values{"memory": "150Mi"}}}, "compute.resources.memory 150Mi: must be at least 151Mi"},
		{"resumed at once", values{"cleanup": values{"resumeAfter": "999ms"}}, "cleanup.resumeAfter 999ms: must be 1s to 12h"},
		{"resumed too late", values{"cleanup": values{"resumeAfter": "721m"}}, "cleanup.resumeAfter 721m: must be 1s to 12h"},
		{"too long a step", values{"compute": values{"longestStep": "61m"}}, "compute.longestStep 61m: must be at most 1h"},
		{"quota too small", values{"quota": values{"enabled": true, "cpu": "50"}}, "quota.cpu 50: all services at their largest need 98100m"},
		{"nobody said who may use it", values{"auth": values{"mode": "", "public": false}}, "auth.mode is missing: oidc lets people log in with an OpenID provider, proxy"},
		{"a mode of its own", values{"auth": values{"mode": "basic"}}, "mode"},
		{"tokens of nobody", values{"auth": values{"mode": "oidc", "public": false, "audience": "eemt"}}, "auth.issuer and auth.audience: auth.mode oidc needs both"},
		{"tokens for everybody", values{"auth": values{"mode": "proxy", "public": false, "issuer": "https://id.example.org", "proxy": values{"tokenHeader": "X-Token"}}}, "needs both"},
		{"a proxy that is not known", values{"auth": values{"mode": "proxy", "public": false}}, "auth.proxy: give tokenHeader"},
		{"public twice", values{"auth": values{"mode": "oidc", "issuer": "https://id.example.org", "audience": "eemt"}}, "auth.public: has a meaning with auth.mode none only"},
		{"a host name for nobody", values{"auth": values{"public": false}, "ingress": values{"enabled": true, "host": "a.example.org"}}, "auth.public: true opens it to everybody"},
		{"broker class", values{"broker": values{"class": "Nats"}}, "class"},
		{"retries without end", values{"delivery": values{"retry": 1000}}, "retry"},
	} {
		t.Run(r.name, func(t *testing.T) {
			_, _, err := render(c, merged(good, r.v))
			if err == nil || !strings.Contains(err.Error(), r.want) {
				t.Errorf("%v, want %q", err, r.want)
			}
		})
	}
}

// TestAuth shows what each mode makes of submission: from where it is reached, and what it is told.
func TestAuth(t *testing.T) {
	oidc := values{"mode": "oidc", "public": false, "issuer": "https://id.example.org", "audience": "eemt", "clientID": "page", "operators": []any{"admins", "root"}}
	for _, c := range []struct {
		name  string
		auth  values
		local bool
		want  []string
		lacks string
	}{
		{"none", values{"public": false}, true, []string{"name: EEMT_AUTH_MODE\n              value: none"}, "EEMT_AUTH_ISSUER"},
		{"none, public", values{}, false, []string{"value: none"}, "EEMT_AUTH_ISSUER"},
		{"oidc", oidc, false, []string{"value: oidc", "value: https://id.example.org", "value: admins,root", "name: EEMT_QUOTA_JOBS\n              value: \"20\"", "value: \"500000000000\""}, "PROXY"},
		{"proxy with a secret", values{"mode": "proxy", "public": false, "proxy": values{"secret": "shared"}}, false, []string{"name: EEMT_AUTH_PROXY_SECRET\n              valueFrom:\n                secretKeyRef:\n                  key: secret\n                  name: shared", "X-Forwarded-User"}, "TOKEN_HEADER"},
		{"proxy with tokens", merged(oidc, values{"mode": "proxy", "proxy": values{"tokenHeader": "X-Token"}}), false, []string{"value: X-Token", "EEMT_AUTH_ISSUER"}, "PROXY_SECRET"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := mustRender(t, values{"bucket": values{"url": "gs://maps"}, "auth": c.auth})
			o := find(t, list, "Service", release+"-submission")
			text := string(o.text)
			if got := strings.Contains(text, "visibility: cluster-local"); got != c.local {
				t.Errorf("cluster-local: %t", got)
			}
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("%q is missing in\n%s", w, text)
				}
			}
			if strings.Contains(text, c.lacks) {
				t.Errorf("%s is there", c.lacks)
			}
			if err := validate(list, nil); err != nil {
				t.Error(err)
			}
			for _, other := range []string{"compute", "cleanup"} {
				if o := find(t, list, "Service", release+"-"+other); strings.Contains(string(o.text), "EEMT_AUTH") || !strings.Contains(string(o.text), "visibility: cluster-local") {
					t.Errorf("%s is told of it, or can be reached", other)
				}
			}
		})
	}
}

func TestNotes(t *testing.T) {
	c := load(t)
	for _, r := range []struct {
		name string
		v    values
		want string
	}{
		{"plain", nil, "kubectl -n terrain get ksvc maps-submission"},
		{"host", values{"ingress": values{"enabled": true, "host": "maps.example.org", "tlsSecret": "x"}}, "https://maps.example.org"},
		{"next command", nil, "helm test maps -n terrain"},
		{"no cleanup", values{"cleanup": values{"enabled": false}}, "There is no cleanup service here."},
		{"hybrid", values{"mode": "hybrid"}, "http://broker-ingress.knative-eventing.svc.cluster.local/terrain/maps"},
	} {
		_, notes, err := render(c, merged(values{"bucket": values{"url": "gs://maps"}}, r.v))
		if err != nil || !strings.Contains(notes, r.want) {
			t.Errorf("%s: %v, %q is not in\n%s", r.name, err, r.want, notes)
		}
	}
}

// TestRenderIsDeterministic renders the same values twice.
func TestRenderIsDeterministic(t *testing.T) {
	text := func() string {
		var b strings.Builder
		for _, o := range mustRender(t, values{"bucket": values{"url": "gs://maps", "env": values{"A": "1", "B": "2", "C": "3"}}, "networkPolicy": values{"enabled": true}}) {
			b.Write(o.text)
		}
		return b.String()
	}
	first := text()
	for range 5 {
		if text() != first {
			t.Fatal("two renderings differ")
		}
	}
}
