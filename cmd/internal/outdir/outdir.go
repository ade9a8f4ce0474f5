// Package outdir keeps an output directory to the maps of one run. A directory is held by one process at a time, and a
// mark in it says what its maps were made of and which files they are.
package outdir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// StateDir is the bucket of a run, inside its output directory.
const StateDir = ".eemt"

const (
	// MarkName is the file that says whose maps lie in a directory.
	MarkName = ".eemt.json"
	// maxMark bounds a mark, and a report, in bytes.
	maxMark = 64 << 20
)

// Origin is what maps are made of.
type Origin struct {
	Workflow param.Workflow `json:"workflow"`
	// DEM is the name of the DEM's file, SHA256 the checksum of its content.
	DEM    string `json:"dem"`
	SHA256 string `json:"sha256"`
	// Parameters name files by their content, as the job's record does.
	Parameters param.Parameters `json:"parameters"`
}

// File is a file that a run wrote, as it was then.
type File struct {
	// Name below the directory, with slashes.
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// Mark says whose maps lie in a directory.
type Mark struct {
	Origin
	// Version of the program that made them, Job the id of the job.
	Version string `json:"version"`
	Job     string `json:"job"`
	Files   []File `json:"files"`
	// Stale are files of a former run that are still to be removed.
	Stale []File `json:"stale,omitempty"`
}

// files lists all that the mark speaks of.
func (m *Mark) files() []File {
	if m == nil {
		return nil
	}
	return slices.Concat(m.Files, m.Stale)
}

// Dir is an output directory that this process holds.
type Dir struct {
	path  string
	state string
	lock  *os.File
	// former is the mark found, nil if the directory has none; damaged is why a mark that is there says nothing.
	former  *Mark
	damaged error
}

// A process that is being killed holds its directory for a moment longer: so often and after such pauses it is tried.
const (
	claims     = 10
	claimPause = 100 * time.Millisecond
)

// Claim makes the directory and its folder of state, and holds them until Release. It fails if another process holds
// them.
func Claim(dir, state string) (*Dir, error) {
	d := &Dir{path: dir, state: filepath.Join(dir, state)}
	if err := os.MkdirAll(d.state, 0o777); err != nil {
		return nil, err
	}
	var err error
	for try := 1; ; try++ {
		d.lock, err = hold(filepath.Join(d.state, lockName))
		if err == nil {
			break
		}
		if !errors.Is(err, errHeld) || try == claims {
			return nil, d.busy(err)
		}
		time.Sleep(claimPause)
	}
	d.former, d.damaged = d.read()
	return d, nil
}

// Release lets other processes have the directory.
func (d *Dir) Release() error {
	if d.lock == nil {
		return nil
	}
	// A name left behind must not look like that of a holder.
	err := errors.Join(d.lock.Truncate(0), d.lock.Close())
	d.lock = nil
	return err
}

// Path is a file or folder in the directory.
func (d *Dir) Path(parts ...string) string {
	return filepath.Join(append([]string{d.path}, parts...)...)
}

// FormerJob is the job whose maps lie in the directory; empty if that is not known.
func (d *Dir) FormerJob() string {
	if d.former == nil {
		return ""
	}
	return d.former.Job
}

// read finds the mark, or makes one of what programs left that wrote none.
func (d *Dir) read() (*Mark, error) {
	data, err := readSmall(filepath.Join(d.path, MarkName))
	if errors.Is(err, fs.ErrNotExist) {
		return d.unmarked(), nil
	}
	m := &Mark{Origin: Origin{Parameters: param.DefaultParameters()}}
	if err == nil {
		err = json.Unmarshal(data, m)
	}
	if err == nil && (m.SHA256 == "" || m.Workflow == "") {
		err = errors.New("it does not name a DEM and a workflow")
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read as the record of the maps in %s: %w", filepath.Join(d.path, MarkName), d.path, err)
	}
	return m, nil
}

func readSmall(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxMark {
		return nil, fmt.Errorf("it must be a file of at most %d bytes", maxMark)
	}
	return os.ReadFile(name)
}

// choices are the two next steps after a refusal.
const choices = "choose another directory with --output, or replace them with --overwrite"

// Allow says whether a run may write files of these names into the directory, and what its user should know before it
// begins. origin is called only if there are maps to compare with.
func (d *Dir) Allow(origin func() (Origin, error), version string, names []string, overwrite bool) (notes []string, err error) {
	if d.damaged != nil && !overwrite {
		return nil, fmt.Errorf("%w: choose another directory with --output, or let maps of the same names be replaced with --overwrite", d.damaged)
	}
	if d.former != nil {
		mine, err := origin()
		if err != nil {
			return nil, err
		}
		switch differs := Differences(d.former.Origin, mine); {
		case len(differs) > 0 && !overwrite:
			return nil, fmt.Errorf("%s holds the maps of another run (%s): %s", d.path, strings.Join(differs, "; "), choices)
		case len(differs) == 0 && d.former.Version != version:
			notes = append(notes, fmt.Sprintf("%s holds maps of eemt %s; eemt %s makes them anew and replaces them", d.path, d.former.Version, version))
		}
	}
	if name := d.blocked(names); name != "" {
		return nil, fmt.Errorf("%s is in the way of the maps, which need a name or a directory there: move it, or choose another directory with --output", name)
	}
	if clash := d.clashes(names); len(clash) > 0 && !overwrite {
		more := ""
		if len(clash) > 1 {
			more = fmt.Sprintf(" and %d more", len(clash)-1)
		}
		return nil, fmt.Errorf("%s has files that eemt did not write, or that were changed since, under names of maps (%s%s): move them, %s", d.path, clash[0], more, choices)
	}
	return notes, nil
}

// clashes lists what lies under the names and is not as the former run left it.
func (d *Dir) clashes(names []string) []string {
	ours := map[string]File{}
	for _, f := range d.former.files() {
		ours[f.Name] = f
	}
	var list []string
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(d.path, filepath.FromSlash(name))); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if f, ok := ours[name]; !ok || !d.unchanged(f) {
			list = append(list, name)
		}
	}
	return list
}

// blocked finds a file where a map needs a directory, or a directory where it needs a file; empty if there is none.
func (d *Dir) blocked(names []string) string {
	for _, name := range names {
		path := d.path
		parts := strings.Split(name, "/")
		for i, part := range parts {
			path = filepath.Join(path, part)
			info, err := os.Stat(path)
			if err != nil {
				break
			}
			if last := i == len(parts)-1; info.IsDir() == last {
				return path
			}
		}
	}
	return ""
}

// unchanged reports whether a file is as the former run left it: of the same size and time or, where a copy of the
// directory lost the times, of the same content as the result of the job.
func (d *Dir) unchanged(f File) bool {
	name := filepath.FromSlash(f.Name)
	if !filepath.IsLocal(name) {
		return false
	}
	path := filepath.Join(d.path, name)
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
		return false
	}
	if info.ModTime().Equal(f.Modified) {
		return true
	}
	object := d.object(d.FormerJob(), f.Name)
	stored, err := os.Lstat(object)
	if err != nil || os.SameFile(info, stored) { // changed in place, and the result with it
		return false
	}
	return sameContent(path, object)
}

// Spoiled reports whether results of the former job were changed: a map may be a link to one, and share its content. A
// copy of a directory that lost all times is not taken for that.
func (d *Dir) Spoiled() bool {
	if d.former == nil {
		return false
	}
	same, other := 0, 0
	for _, f := range d.former.Files {
		info, err := os.Lstat(d.object(d.former.Job, f.Name))
		switch {
		case err != nil:
		case info.Size() != f.Size:
			return true
		case info.ModTime().Equal(f.Modified):
			same++
		default:
			other++
		}
	}
	return same > 0 && other > 0
}

func (d *Dir) object(id, name string) string {
	return filepath.Join(d.state, filepath.FromSlash(job.ResultKey(id, name)))
}

// Begin marks the directory as that of the files of m before they come, so that a download that breaks off is known.
// Files of the same former run stay in the mark.
func (d *Dir) Begin(m *Mark) error {
	listed := map[string]bool{}
	for _, f := range m.Files {
		listed[f.Name] = true
	}
	if d.former != nil && d.former.Job == m.Job { // some of its files may be there already
		for _, f := range d.former.Files {
			if !listed[f.Name] {
				m.Files = append(m.Files, f)
			}
		}
	}
	begun := *m
	begun.Stale = nil
	for _, f := range d.former.files() {
		if !slices.ContainsFunc(m.Files, func(g File) bool { return g.Name == f.Name }) {
			begun.Stale = append(begun.Stale, f)
		}
	}
	return d.write(begun)
}

// Place puts the files of a run into the directory in the stead of those of the former one. place puts one there. What
// the former run wrote and this one does not is removed, unless it was changed since: notes then tell of it. If it
// breaks off, the same run finds the directory marked as its own and does the rest.
func (d *Dir) Place(m Mark, place func(name string) error) (notes []string, err error) {
	listed := map[string]bool{}
	for _, f := range m.Files {
		listed[f.Name] = true
	}
	m.Stale = nil
	for _, f := range d.former.files() {
		if !listed[f.Name] {
			listed[f.Name] = true
			m.Stale = append(m.Stale, f)
		}
	}
	kept := d.changed(m.Stale)
	if err := d.write(m); err != nil {
		return nil, err
	}
	for _, f := range m.Files {
		if err := place(f.Name); err != nil {
			return nil, err
		}
	}
	for _, f := range m.Stale {
		if kept[f.Name] {
			notes = append(notes, fmt.Sprintf("%s is of the former run, and was changed since: it stays", filepath.Join(d.path, filepath.FromSlash(f.Name))))
			continue
		}
		if err := d.remove(f.Name); err != nil {
			return notes, err
		}
	}
	m.Stale = nil
	if err := d.write(m); err != nil {
		return notes, err
	}
	d.former, d.damaged = &m, nil
	return notes, nil
}

// changed finds those of the files that are there, but not as they were written.
func (d *Dir) changed(files []File) map[string]bool {
	found := map[string]bool{}
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(d.path, filepath.FromSlash(f.Name))); err == nil && !d.unchanged(f) {
			found[f.Name] = true
		}
	}
	return found
}

// remove takes a file away, and the directories that are empty then. It never leaves the directory.
func (d *Dir) remove(name string) error {
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	name = filepath.FromSlash(name)
	if !filepath.IsLocal(name) {
		return nil
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
		if root.Remove(dir) != nil { // not empty
			break
		}
	}
	return nil
}

// write replaces the mark at once.
func (d *Dir) write(m Mark) error {
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	name := filepath.Join(d.path, MarkName)
	if err := os.WriteFile(name+".part", append(data, '\n'), 0o666); err != nil {
		return err
	}
	return os.Rename(name+".part", name)
}
