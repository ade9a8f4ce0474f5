package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// request is one of those that a pod sends, answer what it gets.
type request struct {
	Method, Address string
	Header          map[string]string `json:",omitempty"`
	Token           string            `json:",omitempty"`
	Body            string            `json:",omitempty"`
}

type answer struct {
	Status      int
	Body, Error string
}

// calls has a pod of another namespace send requests.
func calls(t *testing.T, audience string, requests ...request) []answer {
	t.Helper()
	other := fmt.Sprintf("stranger-%d", time.Now().UnixNano())
	kubectl(t, "create", "namespace", other)
	t.Cleanup(func() { _ = exec.Command("kubectl", "delete", "namespace", other, "--wait=false").Run() })
	text, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "an account", func() (bool, string) {
		out, err := try(t, "kubectl", "-n", other, "get", "serviceaccount", "default")
		return err == nil, out
	})
	kubectl(t, "-n", other, "apply", "-f", fill(t, "caller.yaml", "@NAME@", "caller", "@IMAGE@", testImage(t, "caller"), "@AUDIENCE@", audience, "@REQUESTS@", strings.ReplaceAll(string(text), "'", "''")))
	out, err := try(t, "kubectl", "-n", other, "wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=120s", "pod/caller")
	if err != nil {
		t.Fatalf("%s\n%s", out, kubectl(t, "-n", other, "describe", "pod", "caller"))
	}
	var list []answer
	for line := range strings.Lines(kubectl(t, "-n", other, "logs", "caller")) {
		var a answer
		decode(t, []byte(line), &a)
		list = append(list, a)
	}
	if len(list) != len(requests) {
		t.Fatalf("%d answers to %d requests: %v", len(list), len(requests), list)
	}
	return list
}

// inside is the address of a service within the cluster.
func (d *deployment) inside(service string) string {
	return "http://" + release + "-" + service + "." + d.namespace + ".svc.cluster.local"
}

// atBroker is where the broker takes events within the cluster.
func (d *deployment) atBroker() string {
	return "http://broker-ingress.knative-eventing.svc.cluster.local/" + d.namespace + "/" + release
}

// forgeries are work that a job does not have, and a dead letter that would end it.
func forgeries(id string) (work, dead map[string]string, data string) {
	work = map[string]string{
		"Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Id": "forged", "Ce-Source": "/compute", "Ce-Type": "org.cyverse.eemt.task.requested.v1",
		"Ce-Subject": "jobs/" + id, "Ce-Time": time.Now().UTC().Format(time.RFC3339),
	}
	dead = map[string]string{"Ce-Knativeerrorcode": "500", "Ce-Knativeerrordest": "http://compute", "Ce-Knativeerrordata": "forged"}
	for k, v := range work {
		dead[k] = v
	}
	return work, dead, fmt.Sprintf(`{"job_id":%q,"phase":0,"kind":"tiles","task":"forged","attempt":1}`, id)
}

// forge sends events about a job that no function made: from a pod of another namespace to the services, and into the broker,
// which hands them on to compute.
func (d *deployment) forge(t *testing.T, id string) {
	t.Helper()
	work, dead, data := forgeries(id)
	pod := kubectl(t, "-n", d.namespace, "get", "pods", "-l", "serving.knative.dev/service="+release+"-compute", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[0].status.podIP}")
	got := calls(t, "none",
		request{http.MethodPost, d.inside("compute") + "/", work, "", data},
		request{http.MethodPost, d.inside("cleanup") + "/dead-letter", dead, "", data},
		request{http.MethodPost, d.inside("submission") + "/events", work, "", data},
		request{http.MethodPost, "http://" + pod + ":8012/", work, "", data},
		request{http.MethodPost, d.atBroker(), work, "", data},
	)
	for i, name := range []string{"compute", "cleanup", "submission"} {
		if got[i].Status != http.StatusUnauthorized || !strings.Contains(got[i].Body, "eemtmac") {
			t.Errorf("%s answers a forged event with %+v", name, got[i])
		}
	}
	if got[3].Error == "" {
		t.Errorf("a pod of compute answers another namespace: %+v", got[3])
	}
	// The in-memory channel answers when it has tried; other brokers have accepted it by then.
	if got[4].Status != http.StatusAccepted && got[4].Status != http.StatusInternalServerError {
		t.Errorf("the broker answers %+v", got[4])
	}
	// One came from the stranger, at least one more from the broker, and one of what compute refused from the broker to cleanup.
	for service, least := range map[string]int{"compute": 2, "cleanup": 2} {
		eventually(t, time.Minute, service+" refuses what the broker brings", func() (bool, string) {
			out, err := try(t, "kubectl", "-n", d.namespace, "logs", "-l", "app.kubernetes.io/component="+service, "-c", service, "--tail=-1")
			n := 0
			for line := range strings.Lines(out) {
				if strings.Contains(line, "eemtmac") && strings.Contains(line, `"forged"`) {
					n++
				}
			}
			return n >= least, fmt.Sprintf("%d refusals (%v) in\n%.2000s", n, err, out)
		})
	}
}

// requireOIDC skips where Eventing does not authenticate senders.
func requireOIDC(t *testing.T) {
	t.Helper()
	requireCluster(t)
	on := kubectl(t, "-n", "knative-eventing", "get", "configmap", "config-features", "-o", `jsonpath={.data.authentication-oidc}`)
	switch {
	case strings.EqualFold(on, "enabled"):
	case os.Getenv("EEMT_CLUSTER_OIDC") == "1":
		t.Fatalf("EEMT_CLUSTER_OIDC=1, and authentication-oidc of Knative Eventing is %q", on)
	default:
		t.Skipf("SKIPPED: authentication-oidc of Knative Eventing is %q", on)
	}
}

// TestIdentities runs jobs on a cluster that authenticates the senders of events. The chart finds that out by itself.
func TestIdentities(t *testing.T) {
	requireOIDC(t)
	d := fresh(t, "identities")
	step := steps(t)
	step("installs", func(t *testing.T) {
		d.mustDeploy(t)
		d.findHost(t)
		eventually(t, time.Minute, "a policy for the broker", func() (bool, string) {
			out := kubectl(t, "-n", d.namespace, "get", "broker", release, "-o", `jsonpath={.status.policies[*].name} {.status.conditions[?(@.type=="EventPoliciesReady")].status}`)
			return out == release+" True", out
		})
	})
	d.broker = forward(t, "knative-eventing", "broker-ingress", "80")
	step("a job runs from end to end", func(t *testing.T) {
		id := d.submit(t, slow)
		d.wait(t, id, 3*time.Minute)
		sameMaps(t, d.sums(t, id), local(t, program(t, "eemt"), "--step", "60", "--method", "reference"))
	})
	step("strangers are refused", func(t *testing.T) {
		work, dead, data := forgeries("01JTESTAAAAAAAAAAAAAAAAAAA")
		const token = "/tokens/token"
		for audience, ask := range map[string]request{
			"eventing.knative.dev/broker/" + d.namespace + "/" + release: {http.MethodPost, d.atBroker(), work, "", data},
			d.namespace + "/" + release + "-compute":                     {http.MethodPost, d.inside("compute") + "/", work, "", data},
			d.namespace + "/" + release + "-cleanup":                     {http.MethodPost, d.inside("cleanup") + "/dead-letter", dead, "", data},
			d.namespace + "/" + release + "-submission":                  {http.MethodPost, d.inside("submission") + "/events", work, "", data},
		} {
			with := ask
			with.Token = token
			got := calls(t, audience, ask, with)
			if got[0].Status != http.StatusUnauthorized || got[1].Status != http.StatusForbidden {
				t.Errorf("%s answers %+v without a token, %+v with that of a stranger", ask.Address, got[0], got[1])
			}
			for _, a := range got {
				if strings.Contains(a.Body, "eemtmac") {
					t.Errorf("%s looked at the event first: %+v", ask.Address, a)
				}
			}
		}
		// Another account of the same namespace, and one of the services.
		for account, want := range map[string]int{"default": http.StatusForbidden, release + "-compute": http.StatusAccepted} {
			token := kubectl(t, "-n", d.namespace, "create", "token", account, "--audience", "eventing.knative.dev/broker/"+d.namespace+"/"+release)
			header := map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/test", "Ce-Type": "nobody.wants.this", "Authorization": "Bearer " + token}
			if code, body := call(t, http.MethodPost, d.broker+"/"+d.namespace+"/"+release, "", "application/json", []byte("{}"), header); code != want {
				t.Errorf("the broker answers %s with %d %s, want %d", account, code, body, want)
			}
		}
	})
	step("clocks and dead letters have identities too", func(t *testing.T) {
		id := d.submit(t, slow)
		d.object(t, http.MethodPost, "jobs/"+id+"/job.json", []byte("{"))
		d.object(t, http.MethodPost, "uploads/quiet.tif", dem(t))
		eventually(t, 3*time.Minute, "a job by tick", func() (bool, string) {
			out := string(d.api(t, http.MethodGet, "/api/jobs", "", nil))
			return strings.Contains(out, "quiet.tif"), out
		})
		eventually(t, 3*time.Minute, "ended by a dead letter", func() (bool, string) {
			code, data := d.object(t, http.MethodGet, "jobs/"+id+"/end.json", nil)
			return code == http.StatusOK && strings.Contains(string(data), "failed repeatedly"), fmt.Sprintf("%d %s", code, data)
		})
	})
}
