package outdir

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// ReportName is the report of a run among its files.
const ReportName = "report.json"

// unmarked finds whose maps lie in a directory of a program that left no mark: those of the job of the report, or else
// of the youngest job of which results lie there. Nil if there are none.
func (d *Dir) unmarked() *Mark {
	ids := d.jobs()
	var m *Mark
	var when time.Time
	var listed []string
	if m, listed, when = d.report(); m == nil {
		for _, id := range ids {
			if len(d.placed(id)) > 0 {
				m = d.record(id)
				break
			}
		}
	}
	if m == nil {
		return nil
	}
	// Runs before it may have left maps too.
	for _, id := range ids {
		m.add(d.placed(id))
	}
	// Without the results of the job, what its report lists and nobody touched since is what it wrote.
	for _, name := range listed {
		name = filepath.FromSlash(name)
		if !filepath.IsLocal(name) {
			continue
		}
		if info, err := os.Lstat(filepath.Join(d.path, name)); err == nil && info.Mode().IsRegular() && !info.ModTime().After(when) {
			m.add([]File{{filepath.ToSlash(name), info.Size(), info.ModTime()}})
		}
	}
	return m
}

func (m *Mark) add(files []File) {
	for _, f := range files {
		if !slices.ContainsFunc(m.Files, func(g File) bool { return g.Name == f.Name }) {
			m.Files = append(m.Files, f)
		}
	}
}

// jobs lists the jobs of the directory's bucket, youngest first.
func (d *Dir) jobs() []string {
	entries, err := os.ReadDir(filepath.Join(d.state, "jobs"))
	if err != nil {
		return nil
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && job.ValidID(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids
}

// record reads what a job of the directory's bucket was made of.
func (d *Dir) record(id string) *Mark {
	r := job.Request{Parameters: param.DefaultParameters()}
	data, err := readSmall(filepath.Join(d.state, filepath.FromSlash(job.Prefix(id)), "job.json"))
	if err != nil || json.Unmarshal(data, &r) != nil {
		return nil
	}
	return &Mark{Origin: Origin{Workflow: r.Workflow, DEM: r.DEM.Name, SHA256: r.DEM.SHA256, Parameters: r.Parameters}, Version: "of an unknown version", Job: id}
}

// OfReport makes a mark without files of a run's report, and lists the files that the report speaks of. It returns nil if the
// report does not say whose it is.
func OfReport(data []byte) (m *Mark, names []string) {
	r := struct {
		ID         string           `json:"job_id"`
		Workflow   param.Workflow   `json:"workflow"`
		Version    string           `json:"version"`
		Parameters param.Parameters `json:"parameters"`
		DEM        struct {
			Name   string `json:"name"`
			SHA256 string `json:"sha256"`
		} `json:"dem"`
		Layers []struct {
			Name string `json:"name"`
		} `json:"layers"`
		Previews []string `json:"previews"`
	}{Parameters: param.DefaultParameters()}
	if json.Unmarshal(data, &r) != nil || !job.ValidID(r.ID) || r.DEM.SHA256 == "" {
		return nil, nil
	}
	names = append([]string{ReportName, "item.json"}, r.Previews...)
	for _, l := range r.Layers {
		names = append(names, l.Name)
	}
	return &Mark{
		Origin:  Origin{Workflow: r.Workflow, DEM: r.DEM.Name, SHA256: r.DEM.SHA256, Parameters: r.Parameters},
		Version: r.Version, Job: r.ID,
	}, names
}

// report reads a run's report, with the names of the files it speaks of, and when it was written.
func (d *Dir) report() (*Mark, []string, time.Time) {
	path := filepath.Join(d.path, ReportName)
	data, err := readSmall(path)
	if err != nil {
		return nil, nil, time.Time{}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, nil, time.Time{}
	}
	m, names := OfReport(data)
	if m == nil {
		return nil, nil, time.Time{}
	}
	return m, names, info.ModTime()
}

// placed lists the results of a job that lie in the directory as the job made them.
func (d *Dir) placed(id string) []File {
	results := d.object(id, "")
	var files []File
	_ = filepath.WalkDir(results, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be read is not known to be the job's
		}
		name, err := filepath.Rel(results, path)
		if err != nil || !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			return nil //nolint:nilerr // no result
		}
		stored, err := e.Info()
		if err != nil {
			return nil //nolint:nilerr // removed meanwhile
		}
		outside := filepath.Join(d.path, name)
		info, err := os.Lstat(outside)
		if err != nil || info.Size() != stored.Size() {
			return nil //nolint:nilerr // it is not there
		}
		if os.SameFile(info, stored) || info.ModTime().Equal(stored.ModTime()) || sameContent(outside, path) {
			files = append(files, File{filepath.ToSlash(name), info.Size(), info.ModTime()})
		}
		return nil
	})
	return files
}
