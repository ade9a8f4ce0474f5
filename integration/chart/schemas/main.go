// Command schemas writes the JSON schemas that the rendered manifests are held against: Kubernetes' own from its
// OpenAPI documents, those of custom resources from the definitions that Knative and the Prometheus operator release.
//
//	go run ./schemas testdata/schemas
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	kubernetes = "k8s.io/kubernetes@v1.34.4"
	serving    = "knative.dev/serving@v0.42.2"
	eventing   = "knative.dev/eventing@v0.42.0"
	networking = "knative.dev/networking@v0.0.0-20240716111826-bab7f2a3e556"
	prometheus = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
)

var core = []struct{ file, definition string }{
	{"api__v1", "io.k8s.api.core.v1.ConfigMap"},
	{"api__v1", "io.k8s.api.core.v1.Secret"},
	{"api__v1", "io.k8s.api.core.v1.ServiceAccount"},
	{"api__v1", "io.k8s.api.core.v1.PersistentVolumeClaim"},
	{"api__v1", "io.k8s.api.core.v1.Pod"},
	{"api__v1", "io.k8s.api.core.v1.ResourceQuota"},
	{"api__v1", "io.k8s.api.core.v1.LimitRange"},
	{"apis__networking.k8s.io__v1", "io.k8s.api.networking.v1.NetworkPolicy"},
	{"apis__policy__v1", "io.k8s.api.policy.v1.PodDisruptionBudget"},
}

var custom = []struct{ module, file string }{
	{serving, "config/core/300-resources/service.yaml"},
	{serving, "config/core/300-resources/domain-mapping.yaml"},
	{networking, "config/domain-claim.yaml"},
	{eventing, "config/core/resources/broker.yaml"},
	{eventing, "config/core/resources/trigger.yaml"},
	{eventing, "config/core/resources/eventpolicy.yaml"},
	{eventing, "config/core/resources/pingsource.yaml"},
	{prometheus, "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemas DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	source, err := module(kubernetes)
	if err != nil {
		return err
	}
	for _, c := range core {
		if err := writeCore(dir, filepath.Join(source, "api/openapi-spec/v3", c.file+"_openapi.json"), c.definition); err != nil {
			return err
		}
	}
	for _, c := range custom {
		source, err := module(c.module)
		if err != nil {
			return err
		}
		if err := writeCustom(dir, filepath.Join(source, c.file)); err != nil {
			return err
		}
	}
	return nil
}

// module returns the directory of a module, after downloading it.
func module(name string) (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", name).Output()
	if err != nil {
		return "", fmt.Errorf("download %s: %w\n%s", name, err, out)
	}
	var found struct{ Dir string }
	return found.Dir, json.Unmarshal(out, &found)
}

func writeCore(dir, file, definition string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var doc struct {
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	schema, ok := doc.Components.Schemas[definition].(map[string]any)
	if !ok {
		return fmt.Errorf("%s: no definition %s", file, definition)
	}
	kind := schema["x-kubernetes-group-version-kind"].([]any)[0].(map[string]any)
	return save(dir, kind["kind"].(string), kind["group"].(string), kind["version"].(string), strict(schema, doc.Components.Schemas))
}

func writeCustom(dir, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd struct {
		Spec struct {
			Group string
			Names struct{ Kind string }

			Versions []struct {
				Name   string
				Schema struct {
					Root map[string]any `json:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, v := range crd.Spec.Versions {
		// A definition leaves these to the API server.
		properties := v.Schema.Root["properties"].(map[string]any)
		for _, name := range []string{"apiVersion", "kind"} {
			properties[name] = map[string]any{"type": "string"}
		}
		properties["metadata"] = map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
		if err := save(dir, crd.Spec.Names.Kind, crd.Spec.Group, v.Name, strict(v.Schema.Root, nil)); err != nil {
			return err
		}
	}
	return nil
}

// strict turns an OpenAPI schema into a JSON schema that refuses fields the server would drop; references are put in place.
func strict(node any, definitions map[string]any) any {
	switch n := node.(type) {
	case []any:
		out := make([]any, len(n))
		for i, v := range n {
			out[i] = strict(v, definitions)
		}
		return out
	case map[string]any:
		if ref, ok := n["$ref"].(string); ok {
			return strict(definitions[strings.TrimPrefix(ref, "#/components/schemas/")], definitions)
		}
		if all, ok := n["allOf"].([]any); ok && len(all) == 1 && n["properties"] == nil {
			return strict(all[0], definitions)
		}
		if n["x-kubernetes-int-or-string"] == true || n["format"] == "int-or-string" {
			return map[string]any{"type": []any{"string", "integer"}}
		}
		out := map[string]any{}
		for _, k := range []string{"type", "required", "enum", "minimum", "maximum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "oneOf", "anyOf", "items"} {
			if v, ok := n[k]; ok {
				out[k] = strict(v, definitions)
			}
		}
		if all, ok := n["allOf"]; ok {
			out["allOf"] = strict(all, definitions)
		}
		if _, nullable := n["nullable"]; nullable {
			out["type"] = []any{n["type"], "null"}
		}
		properties, ok := n["properties"].(map[string]any)
		if more, has := n["additionalProperties"]; has {
			if schema, is := more.(map[string]any); is {
				more = strict(schema, definitions)
			}
			out["additionalProperties"] = more
		}
		if ok {
			fields := map[string]any{}
			for k, v := range properties {
				fields[k] = strict(v, definitions)
			}
			out["properties"] = fields
			if n["x-kubernetes-preserve-unknown-fields"] != true && out["additionalProperties"] == nil {
				out["additionalProperties"] = false
			}
		}
		return out
	}
	return node
}

func save(dir, kind, group, version string, schema any) error {
	name := kind
	if group != "" {
		// kubeconform looks for the first part of the group only.
		name += "-" + strings.Split(group, ".")[0]
	}
	data, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, strings.ToLower(name)+"-"+version+".json"), append(data, '\n'), 0o644)
}
