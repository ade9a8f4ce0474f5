package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMeasure prints the figures of docs/performance.md, section "On Knative". It asserts nothing on time.
func TestMeasure(t *testing.T) {
	if os.Getenv("EEMT_MEASURE") != "1" {
		t.Skip("SKIPPED: EEMT_MEASURE=1 measures, for some minutes, on a cluster with nothing else to do")
	}
	requireCluster(t)
	d := fresh(t, "measure")
	image := testImage(t, "waiter")
	d.mustDeploy(t)
	d.host = strings.TrimPrefix(kubectl(t, "-n", d.namespace, "get", "ksvc", release+"-submission", "-o", "jsonpath={.status.url}"), "http://")
	d.broker = forward(t, "knative-eventing", "broker-ingress", "80")
	waiter := func(name, scale, concurrency, wait string) {
		file := fill(t, "waiter.yaml", "@NAME@", name, "@SCALE@", scale, "@CONCURRENCY@", concurrency, "@WAIT@", wait, "@IMAGE@", image)
		kubectl(t, "-n", d.namespace, "apply", "-f", file)
		kubectl(t, "-n", d.namespace, "wait", "--for=condition=Ready", "--timeout=120s", "ksvc/"+name)
	}
	waiter("hello", "0", "0", "0s")
	waiter("stub", "1", "1", "1s")
	kubectl(t, "-n", d.namespace, "apply", "-f", "testdata/waiter-trigger.yaml")
	// Compute answers from outside for as long as this test runs.
	kubectl(t, "-n", d.namespace, "label", "ksvc", release+"-compute", "networking.knative.dev/visibility-")

	t.Run("from zero to the first byte", func(t *testing.T) {
		times := map[string][]time.Duration{}
		for range 5 {
			for _, s := range []struct{ service, path string }{{"hello", "/"}, {release + "-submission", "/healthz"}, {release + "-compute", "/healthz"}} {
				eventually(t, 2*time.Minute, "at zero: "+s.service, func() (bool, string) {
					out := kubectl(t, "-n", d.namespace, "get", "deployment", "-l", "serving.knative.dev/service="+s.service, "-o", "jsonpath={.items[*].spec.replicas}")
					return strings.Trim(out, "0 ") == "", out
				})
				host := strings.Replace(d.host, release+"-submission", s.service, 1)
				begin := time.Now()
				status, _ := call(t, http.MethodGet, d.ingress()+s.path, host, "", nil, nil)
				if status != http.StatusOK {
					t.Fatalf("%s answers %d", s.service, status)
				}
				times[s.service] = append(times[s.service], time.Since(begin))
			}
		}
		for s, l := range times {
			slices.Sort(l)
			t.Logf("%s: median %.2f s, %.2f to %.2f", s, l[2].Seconds(), l[0].Seconds(), l[4].Seconds())
		}
	})

	t.Run("from POST to the first tile", func(t *testing.T) {
		for range 3 {
			d.atRest(t)
			begin := time.Now()
			id := d.submit(t, map[string]string{"workflow_type": "sol", "step": "60"})
			accepted := time.Since(begin)
			d.wait(t, id, 3*time.Minute)
			var first time.Time
			for _, k := range d.list(t, "jobs/"+id+"/phases/0001/") {
				_, data := d.object(t, http.MethodGet, k, nil)
				var task struct {
					Seconds float64
					Ended   time.Time
				}
				if err := json.Unmarshal(data, &task); err != nil {
					t.Fatal(err)
				}
				if at := task.Ended.Add(-time.Duration(task.Seconds * float64(time.Second))); first.IsZero() || at.Before(first) {
					first = at
				}
			}
			t.Logf("accepted after %.2f s, first tile after %.2f s, completed after %.1f s", accepted.Seconds(), first.Sub(begin).Seconds(), time.Since(begin).Seconds())
		}
	})

	done := regexp.MustCompile(`done (\S+) (\d+)`)
	t.Run("throughput", func(t *testing.T) {
		const events = 32
		for _, n := range []int{1, 2, 4, 8} {
			waiter("stub", fmt.Sprint(n), "1", "1s")
			eventually(t, 2*time.Minute, "scaled", func() (bool, string) {
				out := kubectl(t, "-n", d.namespace, "get", "deployment", "-l", "serving.knative.dev/service=stub", "-o", "jsonpath={range .items[*]}{.status.readyReplicas} {end}")
				return slices.Contains(strings.Fields(out), fmt.Sprint(n)), out
			})
			time.Sleep(3 * time.Second)
			batch := fmt.Sprintf("batch%d-", n)
			begin := time.Now()
			// All at once: the in-memory channel answers when the work is done.
			var wait sync.WaitGroup
			for i := range events {
				wait.Go(func() { d.offer(t, fmt.Sprint(batch, i)) })
			}
			wait.Wait()
			var last int64
			eventually(t, 3*time.Minute, "done", func() (bool, string) {
				seen := map[string]bool{}
				out := kubectl(t, "-n", d.namespace, "logs", "-l", "serving.knative.dev/service=stub", "-c", "user-container", "--tail=-1", "--max-log-requests=40")
				for _, m := range done.FindAllStringSubmatch(out, -1) {
					if strings.HasPrefix(m[1], batch) {
						seen[m[1]] = true
						var at int64
						_, _ = fmt.Sscan(m[2], &at)
						last = max(last, at)
					}
				}
				return len(seen) == events, fmt.Sprintf("%d of %d", len(seen), events)
			})
			took := time.UnixMilli(last).Sub(begin).Seconds()
			t.Logf("%d replicas: %d events of 1 s in %.1f s: %.2f events/s, efficiency %.0f %%, overhead %.0f ms an event", n, events, took, events/took, 100*events/(float64(n)*took), 1000*(took*float64(n)-events)/events)
		}
	})
}

// offer sends an event to the waiter, again where the forwarded connection breaks; it may arrive twice.
func (d *deployment) offer(t testing.TB, id string) {
	var last error
	for range 5 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.broker+"/"+d.namespace+"/"+release, strings.NewReader("{}"))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {id}, "Ce-Source": {"/measure"}, "Ce-Type": {"waiter"}, "Content-Type": {"application/json"}}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
			return
		}
		last = err
	}
	t.Errorf("event %s: %v", id, last)
}
