package golden

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var sample = flag.Bool("sample", false, "make the sample bucket anew: earlier versions can no longer be said to be read")

const sampleFile = "testdata/bucket.zip"

// jobsOfSample are the states of the jobs in the sample bucket, in the order in which they were submitted. The last two
// have the same inputs and parameters. The server was killed while it worked on the last.
var jobsOfSample = []string{"completed", "failed", "cancelled", "completed", "running"}

// TestSampleBucket opens a bucket that an earlier version wrote: finished jobs are listed, read and pinned as they were,
// and the one that was interrupted is finished with the values of its twin.
func TestSampleBucket(t *testing.T) {
	if *sample {
		makeSample(t)
	}
	data := filepath.Join(t.TempDir(), "data")
	z, err := zip.OpenReader(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	if err := os.CopyFS(data, z); err != nil {
		t.Fatal(err)
	}
	s := serve(t, data)
	var list []struct {
		ID, Status string
		Pinned     bool
	}
	s.json("/api/jobs?limit=50", &list)
	slices.Reverse(list)
	if len(list) != len(jobsOfSample) {
		t.Fatalf("%d jobs, %d are there: %+v", len(list), len(jobsOfSample), list)
	}
	interrupted := list[len(list)-1].ID
	s.until(interrupted, "completed")
	values := map[string]string{}
	var earlier map[string]bool // maps of the job before: of the twin, once the interrupted one's turn has come
	for i, j := range list {
		want := jobsOfSample[i]
		switch {
		case want == "cancelled":
			want = "failed" // as the old suite has it
		case j.ID == interrupted:
			want = j.Status
		}
		if j.Status != want || j.Pinned != (j.ID != interrupted) {
			t.Errorf("job %d: %+v, it was %s", i, j, jobsOfSample[i])
		}
		if jobsOfSample[i] == "failed" || jobsOfSample[i] == "cancelled" {
			continue
		}
		type layer struct {
			Name                   string
			Minimum, Mean, Maximum *float64
		}
		var report struct {
			Layers []layer
		}
		s.json("/jobs/"+j.ID+"/results/report.json", &report)
		if len(report.Layers) < 10 {
			t.Errorf("job %d: %d maps", i, len(report.Layers))
		}
		for _, l := range report.Layers {
			if status, _, tif := s.ask("GET", "/jobs/"+j.ID+"/results/"+l.Name, nil, ""); status != 200 || !bytes.HasPrefix(tif, []byte("II*\x00")) {
				t.Errorf("job %d: %s: status %d, %d bytes", i, l.Name, status, len(tif))
			}
		}
		if j.ID == interrupted { // maps that only this version makes have no twin
			report.Layers = slices.DeleteFunc(report.Layers, func(l layer) bool { return !earlier[l.Name] })
		}
		earlier = map[string]bool{}
		for _, l := range report.Layers {
			earlier[l.Name] = true
		}
		values[j.ID] = string(marshal(t, report))
	}
	if twin := list[len(list)-2].ID; values[interrupted] != values[twin] {
		t.Errorf("the job that was interrupted has other values than its twin:\n%s", difference([]byte(values[twin]), []byte(values[interrupted])))
	}
}

// json reads a document of the server.
func (s *server) json(target string, v any) {
	s.t.Helper()
	status, _, data := s.ask("GET", target, nil, "")
	if err := json.Unmarshal(data, v); err != nil || status != 200 {
		s.t.Fatalf("%s: %d %s (%v)", target, status, data, err)
	}
}

// makeSample writes the sample bucket with this version.
func makeSample(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	inputs(t, dir)
	file := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return name + " " + string(data)
	}
	data := filepath.Join(t.TempDir(), "data")
	s := serve(t, data)
	submit := func(fields ...string) string {
		headers, body := form(t, append(fields, "dem_crs", "EPSG:32613")...)
		_, _, answer := s.ask("POST", "/api/submit-job", headers, body)
		return s.member(answer, "job_id")
	}
	pin := func(id string) {
		if status, _, answer := s.ask("PUT", "/jobs/"+id+"/keep", with("Content-Type", "application/json"), `{"pinned": true}`); status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
	}
	completed := submit("workflow_type", "eemt", "step", "60", "maps", "annual", "@dem_file", file("utm.asc"), "@climate_file", file("normals.csv"))
	s.until(completed, "completed")
	failed := submit("workflow_type", "eemt", "step", "60", "@dem_file", file("utm.asc"), "@climate_file", "climate.csv year,month\n")
	s.until(failed, "failed")
	cancelled := submit("workflow_type", "sol", "step", "1", "method", "reference", "@dem_file", file("large.asc"))
	s.until(cancelled, "running")
	s.ask("POST", "/api/jobs/"+cancelled+"/cancel", nil, "")
	s.until(cancelled, "failed")
	long := []string{"workflow_type", "sol", "step", "30", "method", "reference", "maps", "annual", "tile_size", "32", "@dem_file", file("utm.asc")}
	twin := submit(long...)
	s.until(twin, "completed")
	interrupted := submit(long...)
	for done := 0; done < 1; time.Sleep(10 * time.Millisecond) {
		var j struct {
			Done int `json:"tasks_done"`
		}
		s.json("/api/jobs/"+interrupted, &j)
		done = j.Done
	}
	for _, id := range []string{completed, failed, cancelled, twin} {
		pin(id)
	}
	if err := s.process.Kill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	for _, id := range []string{completed, twin} { // pictures would make most of the file
		if err := os.RemoveAll(filepath.Join(data, "jobs", id, "results", "previews")); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := z.AddFS(os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sampleFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
