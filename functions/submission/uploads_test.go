package submission_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/functions/submission/dropped"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
)

const station = "# elevation_m: 50\nmonth,tmin,tmax,prcp,vp\n"

// drop stores a file as a user does, with metadata given as name, value, name, value.
func (s *service) drop(t *testing.T, key, data string, metadata ...string) {
	t.Helper()
	m := map[string]string{}
	for i := 0; i < len(metadata); i += 2 {
		m[metadata[i]] = metadata[i+1]
	}
	if err := s.Store.Bucket.WriteAll(t.Context(), key, []byte(data), &blob.WriterOptions{Metadata: m}); err != nil {
		t.Fatal(err)
	}
}

// take looks at a dropped file and returns what came of it.
func (s *service) take(t *testing.T, key string) string {
	t.Helper()
	said, err := s.Take(t.Context(), key)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return said
}

// jobs lists all jobs, and fails if one is listed twice.
func (s *service) jobs(t *testing.T) []job.Status {
	t.Helper()
	var list []job.Status
	seen := map[string]bool{}
	if err := s.Store.List(t.Context(), func(id string) (bool, error) {
		if seen[id] {
			t.Errorf("job %s is listed twice", id)
		}
		seen[id] = true
		st, err := s.Store.Status(t.Context(), id)
		list = append(list, st)
		return true, err
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// only returns the single job there is.
func (s *service) only(t *testing.T) job.Status {
	t.Helper()
	list := s.jobs(t)
	if len(list) != 1 {
		t.Fatalf("%d jobs, want 1: %+v", len(list), list)
	}
	return list[0]
}

func TestDroppedFileBecomesAJob(t *testing.T) {
	table := station + strings.Repeat("1,1,2,3,4\n", 12)
	for _, c := range []struct {
		name     string
		metadata []string
		beside   map[string]string
		check    func(r job.Request) bool
	}{
		{"without parameters", nil, nil, func(r job.Request) bool {
			return r.Workflow == param.Sol && r.Parameters.Step == 15
		}},
		{"with metadata", []string{"eemt-step", "30", "Eemt_North", "grid", "eemt-linke-value", "2,2,2,2,2,2,2,2,2,2,2,3", "other", "x"}, nil, func(r job.Request) bool {
			return r.Parameters.Step == 30 && r.Parameters.North == "grid" && len(r.Parameters.Linke) == 12
		}},
		{"with a word in a sidecar", []string{"eemt-linke-value", "2.5"}, map[string]string{"dem.tif.json": `{"linke_value": "climatology"}`}, func(r job.Request) bool {
			return r.Parameters.LinkeClimatology && r.Parameters.Linke == nil
		}},
		{"with a record's parameters", []string{"eemt-linke-value", "climatology"}, map[string]string{"dem.tif.json": `{"linke_climatology": false, "step": 20}`}, func(r job.Request) bool {
			return !r.Parameters.LinkeClimatology && r.Parameters.Linke[0] == 3
		}},
		{"with a sidecar", nil, map[string]string{"dem.tif.json": `{"step": 20, "linke_value": [2,2,2,2,2,2,2,2,2,2,2,3.5], "daily": true}`}, func(r job.Request) bool {
			return r.Parameters.Step == 20 && r.Parameters.Linke[11] == 3.5 && r.Parameters.Daily
		}},
		{"with a sidecar of the bare name", nil, map[string]string{"dem.json": `{"albedo_value": 0.3}`}, func(r job.Request) bool {
			return r.Parameters.Albedo[0] == 0.3
		}},
		{"the sidecar is over metadata", []string{"eemt-step", "30", "eemt-sidecar", "true"}, map[string]string{"dem.tif.json": `{"step": 20}`}, func(r job.Request) bool {
			return r.Parameters.Step == 20
		}},
		{"with a climate table", []string{"eemt-workflow", "eemt", "eemt-climate", "table:station.csv", "eemt-start-year", "2022"}, map[string]string{"station.csv": table}, func(r job.Request) bool {
			return r.Workflow == param.EEMT && r.Parameters.Climate == "table:inputs/"+r.ID+"-1_station.csv" && r.Parameters.EndYear == 2022
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			for name, data := range c.beside {
				s.drop(t, "uploads/site/"+name, data)
			}
			s.drop(t, "uploads/site/dem.tif", hills(t), c.metadata...)
			if said := s.take(t, "uploads/site/dem.tif"); !strings.HasPrefix(said, "it becomes job ") {
				t.Fatal(said)
			}
			st := s.only(t)
			r := st.Request
			if st.State != job.Pending || !c.check(r) || r.DEM.Name != "dem.tif" || r.DEM.Key != "inputs/"+r.ID+"-1_dem.tif" || len(r.DEM.SHA256) != 64 || !r.Created.Equal(noon) {
				t.Errorf("job %+v", st)
			}
			if data, err := s.Store.Bucket.ReadAll(t.Context(), r.DEM.Key); err != nil || string(data) != hills(t) {
				t.Errorf("the copy has %d bytes (%v)", len(data), err)
			}
			if len(s.events) != 1 || s.events[0].Type() != eventing.JobSubmitted || s.events[0].Subject() != r.ID {
				t.Errorf("events %v", s.events)
			}
			if said := s.take(t, "uploads/site/dem.tif"); said != "it is job "+r.ID+" already" {
				t.Errorf("second look: %s", said)
			}
			// Retention and deletion leave the user's file alone, and it does not come back as a job.
			if _, err := (inuse.Remover{Store: s.Store}).All(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if n, err := s.ScanUploads(t.Context()); err != nil || n != 0 || len(s.jobs(t)) != 0 {
				t.Errorf("after the job was removed: %d jobs (%v)", n, err)
			}
			if left := keys(t, s.Store.Bucket); !slices.Contains(left, "uploads/site/dem.tif") || slices.ContainsFunc(left, func(k string) bool { return strings.HasPrefix(k, "inputs/") }) {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestDroppedFileThatIsNoInput(t *testing.T) {
	for _, c := range []struct {
		name, key, data string
		metadata        []string
		sidecar         string
		want            string
	}{
		{"no TIFF", "uploads/dem.tif", "these are no elevations", nil, "", "not a TIFF file"},
		{"another format", "uploads/dem.nc", "CDF\x01" + strings.Repeat("\x00", 600), nil, "", "gdal_translate -co COMPRESS=DEFLATE dem.nc dem_converted.tif"},
		{"a grid that is cut off", "uploads/dem.asc", "ncols 4\nnrows 4\n", nil, "", "the ASCII grid dem.asc ends in its header"},
		{"a grid without a system", "uploads/dem.asc", asciiGrid, nil, "", "no coordinate reference system"},
		{"another format", "uploads/dem.img", "EHFA_HEADER_TAG\x00 and more", nil, "", "gdal_translate"},
		{"too large", "uploads/dem.tif", hills(t) + strings.Repeat("x", 64<<10), nil, "", "is larger than"},
		{"a step out of range", "uploads/dem.tif", hills(t), []string{"eemt-step", "90"}, "", "step 90: must be 1 to 60 minutes"},
		{"a step that is no number", "uploads/dem.tif", hills(t), []string{"eemt-step", "often"}, "", `metadata eemt-step "often": must be a number of 1 to 60`},
		{"an unknown parameter", "uploads/dem.tif", hills(t), []string{"eemt-speed", "1"}, "", `metadata eemt-field "speed" is not known`},
		{"a sidecar that is no JSON", "uploads/dem.tif", hills(t), nil, "step=3", "file uploads/dem.tif.json: must be a JSON object of parameters"},
		{"a sidecar with a nested value", "uploads/dem.tif", hills(t), nil, `{"step":{"a":1}}`, `"step": must be a number, a text`},
		{"a sidecar that is too large", "uploads/dem.tif", hills(t), nil, strings.Repeat(" ", 64<<10) + "{}", "must have at most 65536 bytes"},
		{"eemt without climate", "uploads/dem.tif", hills(t), []string{"eemt-workflow", "eemt"}, "", "climate is missing"},
		{"a climate table that is not there", "uploads/dem.tif", hills(t), []string{"eemt-workflow", "eemt", "eemt-climate", "table:station.csv"}, "", "climate table uploads/station.csv is not there: upload it"},
		{"a climate table elsewhere", "uploads/dem.tif", hills(t), []string{"eemt-workflow", "eemt", "eemt-climate", "table:../jobs/x.csv"}, "", "must be a .csv file under uploads/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			if c.sidecar != "" {
				s.drop(t, c.key+".json", c.sidecar)
			}
			s.drop(t, c.key, c.data, c.metadata...)
			for range 3 {
				if _, err := s.ScanUploads(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			st := s.only(t)
			if st.State != job.Failed || !strings.Contains(st.End.Reason, c.want) || strings.Contains(st.End.Reason, "\n") {
				t.Errorf("%s: %+v, want %q", st.State, st.End, c.want)
			}
			if len(s.events) != 1 || s.events[0].Type() != eventing.JobFailed {
				t.Errorf("events %v", s.events)
			}
			for _, key := range keys(t, s.Store.Bucket) {
				if strings.HasPrefix(key, "inputs/") && strings.HasSuffix(key, "_dem.tif") {
					t.Errorf("%s is left", key)
				}
			}
			view := s.get(t, "/api/jobs/"+st.Request.ID).json(t)
			if view["status"] != "failed" || view["dem_filename"] != filepath.Base(c.key) {
				t.Errorf("shown as %v", view)
			}
		})
	}
}

func TestNoDroppedFile(t *testing.T) {
	s := newService(t, nil)
	for key, want := range map[string]string{
		"jobs/x/job.json":          "it is not under uploads/",
		"inputs/dem.tif":           "it is not under uploads/",
		"uploads":                  "it is not under uploads/",
		"uploads/":                 "it is a folder",
		"uploads/site/":            "it is a folder",
		"uploads/../jobs/x.tif":    "its name is no plain path",
		"uploads/a//b.tif":         "its name is no plain path",
		"uploads/.dem.tif.x7Rk":    "its name begins with a dot",
		"uploads/.git/dem.tif":     "its name begins with a dot",
		"uploads/dem.tif.aux.xml":  "it belongs to another file",
		"uploads/station.CSV":      "it belongs to another file",
		"uploads/gone.tif":         "there is no such object",
		"uploads/empty.tif":        "it is empty",
		"uploads/alone.tif.json":   "it waits for its DEM",
		"uploads/also.alone.json":  "it waits for its DEM",
		"uploads/placeholder.tiff": "it is empty",
	} {
		for _, name := range []string{"uploads/empty.tif", "uploads/placeholder.tiff", "uploads/site/"} {
			s.drop(t, name, "")
		}
		if said := s.take(t, key); said != want {
			t.Errorf("%s: %s, want %s", key, said, want)
		}
	}
	if n, err := s.ScanUploads(t.Context()); n != 0 || err != nil || len(s.jobs(t)) != 0 {
		t.Errorf("%d jobs (%v)", n, err)
	}
}

// TestOneJobForEachVersion delivers the events of a file many times at once, by every way.
func TestOneJobForEachVersion(t *testing.T) {
	s := newService(t, nil)
	s.drop(t, "uploads/dem.tif.json", `{"step": 20}`)
	s.drop(t, "uploads/dem.tif", hills(t))
	look := func() {
		var wait sync.WaitGroup
		for i := range 24 {
			wait.Go(func() {
				var err error
				switch i % 3 {
				case 0:
					_, err = s.Take(context.Background(), "uploads/dem.tif")
				case 1:
					_, err = s.Take(context.Background(), "uploads/dem.tif.json")
				case 2:
					_, err = s.ScanUploads(context.Background())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
	}
	look()
	first := s.only(t).Request
	if first.Parameters.Step != 20 {
		t.Errorf("job %+v", first)
	}
	s.drop(t, "uploads/dem.tif", hills(t)+" ")
	look()
	list := s.jobs(t)
	if len(list) != 2 {
		t.Fatalf("%d jobs after the file was replaced, want 2", len(list))
	}
	// The records of the version that is gone are forgotten, those of the file that lies there are not.
	if _, err := s.ScanUploads(t.Context()); err != nil {
		t.Fatal(err)
	}
	var records []string
	for _, key := range keys(t, s.Store.Bucket) {
		if strings.HasPrefix(key, "intake/") {
			records = append(records, key)
		}
	}
	if len(records) != 2 || strings.Contains(strings.Join(records, " "), first.ID) {
		t.Errorf("records %v, want two of the second version", records)
	}
	if err := s.Store.Bucket.Delete(t.Context(), "uploads/dem.tif"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.ScanUploads(t.Context()); n != 0 || err != nil {
		t.Errorf("%d jobs (%v)", n, err)
	}
	if left := strings.Join(keys(t, s.Store.Bucket), " "); strings.Contains(left, "intake/") {
		t.Errorf("left: %s", left)
	}
}

func TestSidecarThatIsAnnounced(t *testing.T) {
	s := newService(t, nil)
	s.drop(t, "uploads/dem.tif", hills(t), "eemt-sidecar", "true")
	if said := s.take(t, "uploads/dem.tif"); said != "it waits for its parameters in uploads/dem.tif.json" || len(s.jobs(t)) != 0 {
		t.Fatalf("%s, %d jobs", said, len(s.jobs(t)))
	}
	t.Run("comes", func(t *testing.T) {
		s.drop(t, "uploads/dem.tif.json", `{"step": 20}`)
		if said := s.take(t, "uploads/dem.tif.json"); !strings.HasPrefix(said, "uploads/dem.tif: it becomes job ") {
			t.Fatal(said)
		}
		if r := s.only(t).Request; r.Parameters.Step != 20 {
			t.Errorf("job %+v", r)
		}
	})
	t.Run("does not come", func(t *testing.T) {
		s := newService(t, nil)
		s.drop(t, "uploads/dem.tif", hills(t), "eemt-sidecar", "true")
		s.with(func(c *submission.Config) { c.Now = func() time.Time { return time.Now().Add(time.Hour) } })
		s.take(t, "uploads/dem.tif")
		if st := s.only(t); st.State != job.Failed || !strings.Contains(st.End.Reason, "waits for its parameters in uploads/dem.tif.json for 60 min in vain") {
			t.Errorf("job %+v", st.End)
		}
	})
}

// TestLookThatBreaksOff fails each operation on the bucket in turn: the next look finds everything it needs.
func TestLookThatBreaksOff(t *testing.T) {
	for n := 1; ; n++ {
		count, broken := 0, errors.New("the bucket is away")
		var on bool
		s := newService(t, func(string, string) error {
			if !on {
				return nil
			}
			if count++; count >= n && count < n+20 { // longer than anything repeats
				return broken
			}
			return nil
		})
		s.drop(t, "uploads/dem.tif.json", `{"step": 20}`)
		s.drop(t, "uploads/dem.tif", hills(t))
		on = true
		_, err := s.ScanUploads(t.Context())
		on = false
		if err == nil {
			if n < 8 {
				t.Fatalf("only %d operations were failed", n)
			}
			break
		}
		if n, err := s.ScanUploads(t.Context()); err != nil || n != 1 {
			t.Fatalf("the second look made %d jobs (%v)", n, err)
		}
		if st := s.only(t); st.State != job.Pending || st.Request.Parameters.Step != 20 {
			t.Fatalf("job %+v", st)
		}
	}
}

// TestLooksThatFindOtherwise break off when the job stands, and find the parameters changed the next time: what is
// announced is what stands.
func TestLooksThatFindOtherwise(t *testing.T) {
	for _, c := range []struct {
		name, first, second string
		state               job.State
		heard               string
	}{
		{"good, then bad", `{"step": 20}`, `{"step": 1000}`, job.Pending, eventing.JobSubmitted},
		{"bad, then good", `{"step": 1000}`, `{"step": 20}`, job.Failed, eventing.JobFailed},
		{"bad, then bad otherwise", `{"step": 1000}`, `{"step": "x"}`, job.Failed, eventing.JobFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			away := true
			s := newService(t, func(op, key string) error {
				if away && op == faultbucket.Commit && strings.HasSuffix(key, ".done") {
					return errors.New("the bucket is away")
				}
				return nil
			})
			s.drop(t, "uploads/dem.tif.json", c.first)
			s.drop(t, "uploads/dem.tif", hills(t))
			if _, err := s.ScanUploads(t.Context()); err == nil {
				t.Fatal("the look did not break off")
			}
			away, s.events = false, nil
			before := s.only(t)
			s.drop(t, "uploads/dem.tif.json", c.second)
			if _, err := s.ScanUploads(t.Context()); err != nil {
				t.Fatal(err)
			}
			st := s.only(t)
			if st.State != c.state || st.End != nil && st.End.Reason != before.End.Reason {
				t.Errorf("job %+v, before %+v", st, before)
			}
			for _, e := range s.events {
				if e.Type() != c.heard {
					t.Errorf("heard %s, want %s", e.Type(), c.heard)
				}
			}
			if noted, err := s.Store.Announced(t.Context(), st.Request.ID); err != nil || noted != (c.state == job.Failed) {
				t.Errorf("the announcement of an end is noted: %t (%v)", noted, err)
			}
		})
	}
}

// TestDirectoryIsLeftToSettle drops files where they can be seen while they are written.
func TestDirectoryIsLeftToSettle(t *testing.T) {
	dir := t.TempDir()
	b, err := dirbucket.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	s := newService(t, nil)
	s.on(b)
	s.with(func(c *submission.Config) { c.Uploads.Settle = 5 * time.Second })
	at := noon
	s.with(func(c *submission.Config) { c.Now = func() time.Time { return at } })
	write := func(name, data string, made time.Time) {
		t.Helper()
		name = filepath.Join(dir, "uploads", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(data), 0o600), os.Chtimes(name, made, made)); err != nil {
			t.Fatal(err)
		}
	}
	whole := hills(t)
	write("dem.tif", whole[:20], noon)
	write("old name.tif", whole, noon.AddDate(-3, 0, 0))
	write(".dem.tif.Xy3", whole, noon)
	scan := func(want int) {
		t.Helper()
		if n, err := s.ScanUploads(t.Context()); err != nil || n != want {
			t.Fatalf("%v: %d jobs (%v), want %d", at.Sub(noon), n, err, want)
		}
	}
	scan(1)
	if st := s.only(t); !st.Request.Created.Equal(noon) || st.Request.DEM.Name != "old name.tif" {
		t.Errorf("job %+v", st.Request)
	}
	at = noon.Add(4 * time.Second)
	scan(0)
	at = noon.Add(time.Minute) // settled, and no DEM as yet
	scan(0)
	write("dem.tif", whole, at)
	scan(0)
	at = at.Add(6 * time.Second)
	scan(1)
	scan(0)
	if list := s.jobs(t); len(list) != 2 || list[0].State != job.Pending || list[0].Request.DEM.Size != int64(len(whole)) {
		t.Errorf("jobs %+v", list)
	}
	for name, data := range map[string]string{
		"half.tif": whole[:20], "header.tif": "II*\x00\x00\x00\x00\x00" + strings.Repeat("x", 5000), "begun.tif": "MM", "zero.tif": strings.Repeat("\x00", 500), "empty.tif": "", "cells.tif": whole[:len(whole)-10],
	} {
		write(name, data, at)
		at = at.Add(time.Minute)
		scan(0)
		at = at.Add(2 * time.Minute)
		scan(1)
		st := s.jobs(t)[0]
		if want := name != "cells.tif"; (st.State == job.Failed) != want || st.Request.DEM.Name != name {
			t.Errorf("job %+v", st)
		}
	}
}

// TestUnusableFileFailsSoon drops files of a directory that are whole and cannot be used: they are told so as soon as they
// have settled.
func TestUnusableFileFailsSoon(t *testing.T) {
	dir := t.TempDir()
	b, err := dirbucket.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	bare := string(demtest.EncodeAs(t, demtest.Hills(8, 8), demtest.Transform(), raster.GeoKeys{}))
	for _, c := range []struct{ name, file, data, want string }{
		{"a picture", "hill.png", "\x89PNG\r\n\x1a\n and more", "not a TIFF file"},
		{"a few bytes", "a.tif", "no", "not a TIFF file"},
		{"text of another extension", "notes.txt", strings.Repeat("these are no elevations\n", 100), "not a TIFF file"},
		{"no reference system", "bare.tif", bare, "no coordinate reference system"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			s.on(b)
			s.with(func(c *submission.Config) { c.Uploads.Settle = 5 * time.Second })
			name := filepath.Join(dir, "uploads", c.name, c.file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(c.data), 0o600), os.Chtimes(name, noon, noon)); err != nil {
				t.Fatal(err)
			}
			s.with(func(c *submission.Config) { c.Now = func() time.Time { return noon.Add(4 * time.Second) } })
			key := "uploads/" + c.name + "/" + c.file
			if said := s.take(t, key); said != "it may still be written" {
				t.Error(said)
			}
			s.with(func(c *submission.Config) { c.Now = func() time.Time { return noon.Add(6 * time.Second) } })
			if said := s.take(t, key); !strings.Contains(said, "which failed: ") || !strings.Contains(said, c.want) {
				t.Errorf("%s, want %s", said, c.want)
			}
		})
	}
}

// TestAnyNameBecomesAJob drops a DEM under names that are hard to write.
func TestAnyNameBecomesAJob(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: not all of the names can be had on Windows")
	}
	dir := t.TempDir()
	b, err := dirbucket.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	names := []string{
		"a%20b.tif", "100%.tif", "100%25.tif", "a%2Fb.tif", `a\b.tif`, "tab\t.tif", "line\nbreak.tif", `"it's".tif`, "Größe ☀.tif", "-rf.tif", "noext", "dem.geotiff", "a.TIFF",
		"hash#?&=+;.tif", strings.Repeat("x", 251) + ".tif", strings.Repeat("ä", 127), " .tif ", "<b>.tif",
	}
	s := newService(t, nil)
	s.on(b)
	for _, name := range names {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "uploads"), 0o755), os.WriteFile(filepath.Join(dir, "uploads", name), []byte(hills(t)), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.ScanUploads(t.Context()); n != len(names) || err != nil {
		t.Errorf("%d jobs of %d files (%v)", n, len(names), err)
	}
	var got []string
	for _, st := range s.jobs(t) {
		if st.State != job.Pending {
			t.Errorf("%q: %+v", st.Request.DEM.Name, st.End)
		}
		if there, err := b.Exists(t.Context(), st.Request.DEM.Key); !there || err != nil {
			t.Errorf("%q: no %q (%v)", st.Request.DEM.Name, st.Request.DEM.Key, err)
		}
		got = append(got, st.Request.DEM.Name)
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("jobs of %q, want %q", got, names)
	}
	if n, err := s.ScanUploads(t.Context()); n != 0 || err != nil {
		t.Errorf("the second look made %d jobs (%v)", n, err)
	}
}

// TestPassIsBounded drops more files than one pass takes.
func TestPassIsBounded(t *testing.T) {
	s := newService(t, nil)
	for i := range 130 {
		s.drop(t, fmt.Sprintf("uploads/%03d.tif", i), "no DEM")
	}
	var got []int
	for range 3 {
		n, err := s.ScanUploads(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
	}
	if !slices.Equal(got, []int{100, 30, 0}) || len(s.jobs(t)) != 130 {
		t.Errorf("passes made %v jobs", got)
	}
}

// payload reads what a store sends.
func payload(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "eventing", "objectnotice", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestEventsOverHTTP(t *testing.T) {
	var data struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal([]byte(payload(t, "gcs-cloudevent.json")), &data); err != nil {
		t.Fatal(err)
	}
	tick := func(task string) string { return fmt.Sprintf(`{"task":%q}`, task) }
	ping := []string{"Ce-Specversion", "1.0", "Ce-Type", eventing.PingTick, "Ce-Source", "/x", "Ce-Id", "1", "Content-Type", "application/json"}
	for _, c := range []struct {
		name    string
		uploads dropped.Settings
		body    string
		header  []string
		dropped string
		status  int
		said    string
		jobs    int
	}{
		{"Eventarc, binary", dropped.Settings{Bucket: "eemt-maps"}, string(data.Data), []string{
			"Ce-Specversion", "1.0", "Ce-Type", "google.cloud.storage.object.v1.finalized", "Ce-Source", "//storage.googleapis.com/projects/_/buckets/eemt-maps",
			"Ce-Subject", "objects/uploads/dem.tif", "Ce-Id", "1", "Content-Type", "application/json",
		}, "uploads/dem.tif", 202, "", 1},
		{"Eventarc, structured", dropped.Settings{Bucket: "eemt-maps"}, payload(t, "gcs-cloudevent.json"), []string{"Content-Type", "application/cloudevents+json; charset=utf-8"}, "uploads/dem.tif", 202, "", 1},
		{"Pub/Sub push", dropped.Settings{Bucket: "eemt-maps"}, payload(t, "pubsub-push.json"), nil, "uploads/Maunga Whau.tif", 200, "it becomes job", 1},
		{"S3 records", dropped.Settings{Bucket: "eemt-maps"}, payload(t, "s3-records.json"), nil, "uploads/Maunga Whau (west).tif", 200, "object uploads/Ätna.tif: there is no such object", 1},
		{"SNS", dropped.Settings{Bucket: "eemt-maps"}, payload(t, "sns.json"), []string{"Content-Type", "text/plain; charset=UTF-8"}, "uploads/Maunga Whau (west).tif", 200, "it becomes job", 1},
		{"SNS confirmation", dropped.Settings{Bucket: "eemt-maps"}, payload(t, "sns-confirmation.json"), nil, "", 200, "open it to continue", 0},
		{"S3 test", dropped.Settings{Bucket: "eemt-maps"}, payload(t, "s3-test.json"), nil, "", 200, "test event of Amazon S3", 0},
		{"MinIO", dropped.Settings{Bucket: "eemt-maps"}, payload(t, "minio.json"), nil, "uploads/dem.tif", 200, "it becomes job", 1},
		{"Event Grid", dropped.Settings{Bucket: "maps"}, payload(t, "eventgrid.json"), []string{"aeg-event-type", "Notification"}, "uploads/Maunga Whau.tif", 200, "it becomes job", 1},
		{"Event Grid validation", dropped.Settings{Bucket: "maps"}, payload(t, "eventgrid-validation.json"), nil, "", 200, `"validationResponse":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"`, 0},
		{"Azure CloudEvent", dropped.Settings{Bucket: "maps"}, payload(t, "azure-cloudevent.json"), []string{"Content-Type", "application/cloudevents+json"}, "uploads/Maunga Whau.tif", 202, "", 1},
		{"Azure CloudEvents in a batch", dropped.Settings{Bucket: "maps"}, payload(t, "azure-cloudevents-batch.json"), []string{"Content-Type", "application/cloudevents-batch+json"}, "uploads/Maunga Whau.tif", 200, "it becomes job", 1},
		{"another bucket", dropped.Settings{Bucket: "maps"}, payload(t, "minio.json"), nil, "uploads/dem.tif", 200, `it is in bucket \"eemt-maps\", not in \"maps\"`, 0},
		{"a bucket without a name", dropped.Settings{}, payload(t, "minio.json"), nil, "uploads/dem.tif", 200, "it becomes job", 1},
		{"within a prefix", dropped.Settings{Bucket: "eemt-maps", Prefix: "uploads/"}, strings.Replace(payload(t, "minio.json"), "uploads%2Fdem", "uploads%2Fuploads%2Fdem", 1), nil, "uploads/dem.tif", 200, "it becomes job", 1},
		{"outside the prefix", dropped.Settings{Bucket: "eemt-maps", Prefix: "tenant/"}, payload(t, "minio.json"), nil, "uploads/dem.tif", 200, "it is not under tenant/uploads/", 0},
		{"resume tick", dropped.Settings{}, tick("resume"), ping, "uploads/dem.tif", 202, "", 1},
		{"retention tick", dropped.Settings{}, tick("retention"), ping, "uploads/dem.tif", 202, "", 0},
		{"unknown tick", dropped.Settings{}, tick("explode"), ping, "uploads/dem.tif", 400, "must be", 0},
		{"an event of cleanup", dropped.Settings{}, tick("resume"), append(slices.Clone(ping), "Ce-Type", eventing.CleanupCompleted), "", 400, "must be google.cloud.storage", 0},
		{"an event of a job without its id", dropped.Settings{}, tick("resume"), append(slices.Clone(ping), "Ce-Type", eventing.JobCompleted), "", 400, "job_id", 0},
		{"no event", dropped.Settings{}, "hello", nil, "", 400, "not the JSON expected", 0},
		{"too long", dropped.Settings{}, strings.Repeat(" ", 1<<20+1), nil, "", 413, "at most 1048576 bytes", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			s.with(func(with *submission.Config) { with.Uploads = c.uploads })
			if c.dropped != "" {
				s.drop(t, c.dropped, hills(t))
			}
			for range 2 {
				a := s.do(t, http.MethodPost, "/events", strings.NewReader(c.body), c.header...)
				if c.said == "it becomes job" && len(s.events) > 1 {
					c.said = "already"
				}
				if a.status != c.status || !strings.Contains(a.body, c.said) || c.status == 202 && a.body != "" {
					t.Errorf("answer %d %q, want %d %q", a.status, a.body, c.status, c.said)
				}
				if c.said == "it becomes job" {
					c.said = "already"
				}
			}
			if list := s.jobs(t); len(list) != c.jobs {
				t.Errorf("%d jobs, want %d", len(list), c.jobs)
			}
		})
	}
	t.Run("handshake of a web hook", func(t *testing.T) {
		s := newService(t, nil)
		a := s.do(t, http.MethodOptions, "/events", nil, "WebHook-Request-Origin", "eventgrid.azure.net", "WebHook-Request-Rate", "120")
		if a.status != 200 || a.header.Get("WebHook-Allowed-Origin") != "eventgrid.azure.net" || a.header.Get("WebHook-Allowed-Rate") != "*" {
			t.Errorf("%d %v", a.status, a.header)
		}
		if a := s.do(t, http.MethodOptions, "/events", nil); a.status != 400 {
			t.Errorf("without an origin: %d", a.status)
		}
	})
	t.Run("passing fault", func(t *testing.T) {
		s := newService(t, func(op, key string) error {
			if op == faultbucket.Attributes && strings.HasPrefix(key, "uploads/") {
				return errors.New("away")
			}
			return nil
		})
		if a := s.do(t, http.MethodPost, "/events", strings.NewReader(payload(t, "minio.json"))); a.status != 503 {
			t.Errorf("answer %d %s", a.status, a.body)
		}
		var e event.Event
		if err := json.Unmarshal([]byte(payload(t, "gcs-cloudevent.json")), &e); err != nil {
			t.Fatal(err)
		}
		if err := s.HandleNotice(t.Context(), e); err == nil || eventing.IsRejected(err) {
			t.Errorf("error %v, want a passing fault", err)
		}
		var log strings.Builder
		s.with(func(c *submission.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		a := s.do(t, http.MethodPost, "/events", strings.NewReader(payload(t, "gcs-cloudevent.json")), "Content-Type", event.ApplicationCloudEventsJSON)
		if a.status != 503 || strings.Contains(a.body, "away") || !strings.Contains(log.String(), "away") {
			t.Errorf("answer %d %q, log %q: want 503 with the cause in the log alone", a.status, a.body, log.String())
		}
	})
}

// TestUploadsByHTTPStartNothing stores files as the API does: none of them is a dropped one.
func TestUploadsByHTTPStartNothing(t *testing.T) {
	s := newService(t, nil)
	id := s.submit(t)
	if a := s.post(t, "/api/upload-file", field{"file", hills(t), "dem.tif"}); a.status != 200 {
		t.Fatal(a.body)
	}
	if n, err := s.ScanUploads(t.Context()); n != 0 || err != nil || s.only(t).Request.ID != id {
		t.Errorf("%d jobs (%v)", n, err)
	}
	for _, key := range keys(t, s.Store.Bucket) {
		if strings.HasPrefix(key, "uploads/") {
			t.Errorf("%s is in the watched place", key)
		}
	}
}

// TestReplacedBehindASecondLook: of two looks at a version one makes the job, then the file is replaced. The other
// finds that, and leaves what the job reads alone.
func TestReplacedBehindASecondLook(t *testing.T) {
	var s *service
	looking := false
	s = newService(t, func(op, key string) error {
		if op == faultbucket.Commit && strings.HasPrefix(key, "inputs/") && looking {
			looking = false
			s.take(t, "uploads/dem.tif")
			s.drop(t, "uploads/dem.tif", hills(t)+"\x00")
		}
		return nil
	})
	s.drop(t, "uploads/dem.tif", hills(t))
	looking = true
	s.take(t, "uploads/dem.tif")
	st := s.only(t)
	if there, err := s.Store.Bucket.Exists(t.Context(), st.Request.DEM.Key); !there || err != nil {
		t.Errorf("the DEM of the job is gone (%v)", err)
	}
}

// TestExecutedUploadMayBeReplaced: a job on a file under uploads/ reads a copy, so that its tiles are of one version.
func TestExecutedUploadMayBeReplaced(t *testing.T) {
	s := newService(t, nil)
	data := hills(t)
	s.drop(t, "uploads/dem.tif", data)
	execute := func(href string) answer {
		t.Helper()
		return s.do(t, http.MethodPost, "/processes/sol/execution", strings.NewReader(`{"inputs":{"dem":{"href":"`+href+`"}}}`), "Content-Type", "application/json", "Prefer", "respond-async")
	}
	if a := execute("uploads/dem.tif"); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r := s.only(t).Request
	s.drop(t, "uploads/dem.tif", "another")
	got, err := s.Store.Bucket.ReadAll(t.Context(), r.DEM.Key)
	if err != nil || string(got) != data || r.DEM.Name != "dem.tif" || r.DEM.Size != int64(len(data)) {
		t.Errorf("the job reads %d bytes of %+v (%v), want %d", len(got), r.DEM, err, len(data))
	}
	before := keys(t, s.Store.Bucket)
	for _, href := range []string{"uploads/dem.tif", "uploads/none.tif"} { // one is no DEM any more
		if a := execute(href); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", href, a.status, a.body)
		}
	}
	if after := keys(t, s.Store.Bucket); !slices.Equal(after, before) {
		t.Errorf("refused requests left %v, before there was %v", after, before)
	}
}
