package dirbucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

const (
	racerDir    = "DIRBUCKET_RACER_DIR"
	racerName   = "DIRBUCKET_RACER_NAME"
	racerRounds = 200
	racers      = 4
)

// TestMain lets the test binary be one of several processes that race for the same keys.
func TestMain(m *testing.M) {
	if dir := os.Getenv(racerDir); dir != "" {
		if err := race(dir, os.Getenv(racerName)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// race writes racerRounds keys, as soon as it is told to on standard input, and prints those it won. Each
// round starts on a line of its own so that all processes are at the same key.
func race(dir, name string) error {
	b, err := Open(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	var line string
	for i := range racerRounds {
		if _, err := fmt.Scanln(&line); err != nil {
			return err
		}
		body := strings.Repeat(name+" ", 2000)
		err := b.WriteAll(ctx, fmt.Sprintf("jobs/%d/end.json", i), []byte(body), &blob.WriterOptions{
			IfNotExist: true, Metadata: map[string]string{"writer": name},
		})
		switch {
		case err == nil:
			fmt.Println("won")
		case gcerrors.Code(err) == gcerrors.FailedPrecondition:
			fmt.Println("lost")
		default:
			return err
		}
	}
	return b.Close()
}

func TestOneWinnerAmongProcesses(t *testing.T) {
	dir := t.TempDir()
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	type racer struct {
		cmd *exec.Cmd
		in  io.WriteCloser
		out io.Reader
	}
	var all []racer
	for i := range racers {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), racerDir+"="+dir, racerName+"="+strconv.Itoa(i))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, racer{cmd, in, out})
	}
	wins := make([]int, racers)
	for round := range racerRounds {
		for _, r := range all {
			_, _ = io.WriteString(r.in, "go\n")
		}
		winner := ""
		for i, r := range all {
			var said string
			if _, err := fmt.Fscanln(r.out, &said); err != nil {
				t.Fatalf("round %d, process %d: %v", round, i, err)
			}
			if said == "won" {
				winner += strconv.Itoa(i)
				wins[i]++
			}
		}
		if len(winner) != 1 {
			t.Fatalf("round %d: winners %q, want exactly one", round, winner)
		}
		key := fmt.Sprintf("jobs/%d/end.json", round)
		got, err := b.ReadAll(t.Context(), key)
		if err != nil || string(got) != strings.Repeat(winner+" ", 2000) {
			t.Fatalf("round %d: %v, or content not the winner's", round, err)
		}
		a, err := b.Attributes(t.Context(), key)
		if err != nil || a.Metadata["writer"] != winner {
			t.Fatalf("round %d: metadata %v (%v), want the winner's %q", round, a.Metadata, err, winner)
		}
	}
	for i, r := range all {
		_ = r.in.Close()
		if err := r.cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
	}
	t.Logf("wins per process: %v", wins)
	if n := hiddenFiles(t, dir); n != racerRounds {
		t.Errorf("%d hidden files left, want the %d winners' metadata only", n, racerRounds)
	}
}

// hiddenFiles counts what is in the directory beside objects.
func hiddenFiles(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasPrefix(d.Name(), ".") || strings.Contains(path, tmpDir)) {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func openT(t *testing.T) (*blob.Bucket, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data", "bucket")
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b, dir
}

func list(t *testing.T, b *blob.Bucket, opts *blob.ListOptions, page int) []string {
	t.Helper()
	var keys []string
	token := blob.FirstPageToken
	for {
		objects, next, err := b.ListPage(t.Context(), token, page, opts)
		if err != nil {
			t.Fatal(err)
		}
		if len(objects) > page {
			t.Fatalf("%d objects on a page of %d", len(objects), page)
		}
		for _, o := range objects {
			keys = append(keys, o.Key)
		}
		if len(next) == 0 {
			return keys
		}
		token = next
	}
}

func TestKeysAndFiles(t *testing.T) {
	b, dir := openT(t)
	for key, file := range map[string]string{
		"jobs/01J/results/EEMT_Topo_jan_2020.tif": "jobs/01J/results/EEMT_Topo_jan_2020.tif",
		"../../escape":        "%2E./%2E./escape",
		"/etc/passwd":         "%/etc/passwd",
		"a//b":                "a/%/b",
		"dir/":                "dir/%",
		".tmp/x":              "%2Etmp/x",
		".hidden":             "%2Ehidden",
		"./x":                 "%2E/x",
		"100%.tif":            "100%.tif",
		"100%25.tif":          "100%25.tif",
		"a%20b.tif":           "a%20b.tif",
		"%2E":                 "%252E",
		"%252E":               "%25252E",
		"%":                   "%25",
		"tab\tback\\slash":    "tab\tback\\slash",
		"Ötztal/größe ☀.json": "Ötztal/größe ☀.json",
	} {
		if err := b.WriteAll(t.Context(), key, []byte(key), nil); err != nil {
			t.Errorf("%q: %v", key, err)
			continue
		}
		if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != key {
			t.Errorf("%q is not in %s: %v", key, file, err)
		}
		if got, err := b.ReadAll(t.Context(), key); err != nil || string(got) != key {
			t.Errorf("%q: read %q, %v", key, got, err)
		}
		if keys := list(t, b, &blob.ListOptions{Prefix: key}, 10); !slices.Contains(keys, key) {
			t.Errorf("%q is not among %q", key, keys)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(filepath.Dir(dir))); err != nil || len(entries) != 1 {
		t.Errorf("something was written outside the bucket: %v, %v", entries, err)
	}
}

// TestDroppedNames drops files of names that look like escapes, or are hard to type: each is an object of its own name
// but for those that mean another, and all can be read, listed and removed.
func TestDroppedNames(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: not all of the names can be had on Windows")
	}
	b, dir := openT(t)
	names := []string{
		"a b.tif", "a%20b.tif", "a%2520b.tif", "100%.tif", "100%25.tif", "100%2525.tif", "%41.tif", "%zz", "tab\t.tif", "tab%09.tif",
		"line\nbreak.tif", `back\slash.tif`, "back%5Cslash.tif", `"quoted" 'name'.tif`, "Größe ☀.tif", "-rf.tif", "--.tif", "noext", "a;b|c&d$e`f`.tif",
		"*?<>:.tif", "bell\x07del\x7f.tif", " leading and trailing ", strings.Repeat("ä", 127) + "x", strings.Repeat("%", 255), strings.Repeat("%25", 85),
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if !Named(name) {
			t.Errorf("%q is not an object of its own name", name)
		}
	}
	odd := map[string]string{"%2Edot": ".dot", "%252Edot": "%2Edot", "%00": "\x00"}
	for name, key := range odd {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
		if Named(name) {
			t.Errorf("%q passes for an object of its own name", name)
		}
		names = append(names, key)
	}
	for _, name := range []string{".hidden", "latin\xff1", "%", ""} {
		if Named(name) {
			t.Errorf("%q passes for an object of its own name", name)
		}
	}
	slices.Sort(names)
	if got := list(t, b, nil, 1000); !slices.Equal(got, names) {
		t.Errorf("listed %q, want %q", got, names)
	}
	for _, key := range names {
		if got, err := b.ReadAll(t.Context(), key); err != nil || string(got) != key {
			t.Errorf("%q: %q (%v)", key, got, err)
		}
		if err := b.Delete(t.Context(), key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	if got := list(t, b, nil, 10); len(got) != 0 {
		t.Errorf("left %q", got)
	}
}

// TestOlderNames reads objects where older programs put them, which escaped more, and leaves them there.
func TestOlderNames(t *testing.T) {
	b, dir := openT(t)
	for key, file := range map[string]string{"inputs/00_100%.tif": "inputs/00_100%25.tif", `a\b`: "a%5Cb", "x/tab\t/y": "x/tab%09/y"} {
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(key), 0o600)); err != nil {
			t.Fatal(err)
		}
		if got, err := b.ReadAll(t.Context(), key); err != nil || string(got) != key {
			t.Errorf("%q: %q (%v)", key, got, err)
		}
		if err := b.Delete(t.Context(), key); gcerrors.Code(err) != gcerrors.NotFound {
			t.Errorf("%q: what may be the object of another key is removed: %v", key, err)
		}
		if err := b.WriteAll(t.Context(), key, []byte("new"), nil); err != nil {
			t.Error(err)
		}
		if got, err := b.ReadAll(t.Context(), key); err != nil || string(got) != "new" {
			t.Errorf("%q: %q (%v)", key, got, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != key {
			t.Errorf("%s is written over: %q (%v)", file, got, err)
		}
	}
}

// TestNamesApart: a key that older programs kept in the file of another key leaves that one alone, in either order.
func TestNamesApart(t *testing.T) {
	for _, keys := range [][2]string{{"uploads/100%.tif", "uploads/100%25.tif"}, {"uploads/100%25.tif", "uploads/100%.tif"}} {
		b, _ := openT(t)
		for _, key := range keys {
			if err := b.WriteAll(t.Context(), key, []byte(key), nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, key := range keys {
			if got, err := b.ReadAll(t.Context(), key); err != nil || string(got) != key {
				t.Errorf("%q: %q (%v)", key, got, err)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	b, dir := openT(t)
	ctx := t.Context()
	for _, key := range []string{"file", "dir/file"} {
		if err := b.WriteAll(ctx, key, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, "linkdir")); err != nil {
		t.Fatal(err)
	}
	for _, once := range []bool{false, true} {
		o := &blob.WriterOptions{IfNotExist: once}
		for _, key := range []string{"", "file/below", "file/below/it", "dir", strings.Repeat("x", 201), "new/." + strings.Repeat("\t", 67)} {
			if err := b.WriteAll(ctx, key, []byte("x"), o); gcerrors.Code(err) != gcerrors.InvalidArgument {
				t.Errorf("write %.20q, once %v: %v, want InvalidArgument", key, once, err)
			}
		}
	}
	if err := b.WriteAll(ctx, strings.Repeat("x", 200), nil, &blob.WriterOptions{Metadata: map[string]string{"a": "b"}}); err != nil {
		t.Error(err)
	} else if err := b.Delete(ctx, strings.Repeat("x", 200)); err != nil {
		t.Error(err)
	}
	for _, key := range []string{strings.Repeat("x", 300), "dir", "file/below", "nothing", "link", "linkdir/secret"} {
		_, err := b.ReadAll(ctx, key)
		if err == nil || key != "linkdir/secret" && gcerrors.Code(err) != gcerrors.NotFound {
			t.Errorf("read %q: %v, want NotFound", key, err)
		}
		if err := b.Delete(ctx, key); err == nil {
			t.Errorf("%q could be deleted", key)
		}
	}
	if got := list(t, b, nil, 10); !slices.Equal(got, []string{"dir/file", "file"}) {
		t.Errorf("objects %q", got)
	}
	if _, err := b.SignedURL(ctx, "file", nil); gcerrors.Code(err) != gcerrors.Unimplemented {
		t.Errorf("SignedURL: %v", err)
	}
	if n := hiddenFiles(t, dir); n != 0 {
		t.Errorf("%d temporary files left by refused writes", n)
	}
}

// Every prefix, delimiter and page size lists what sorting all keys gives.
func TestListAgainstSorting(t *testing.T) {
	b, _ := openT(t)
	rng := rand.New(rand.NewPCG(3, 4))
	parts := []string{"a", "a-", "a.", "a0", "ab", "", ".", "é", "%"}
	taken := map[string]bool{}
	var keys []string
	for range 150 {
		var segs []string
		for range 1 + rng.IntN(3) {
			segs = append(segs, parts[rng.IntN(len(parts))])
		}
		key := strings.Join(segs, "/")
		conflicts := key == "" || taken[key]
		for k := range taken {
			conflicts = conflicts || strings.HasPrefix(k, key+"/") || strings.HasPrefix(key, k+"/")
		}
		if conflicts {
			continue
		}
		taken[key] = true
		keys = append(keys, key)
		if err := b.WriteAll(t.Context(), key, nil, nil); err != nil {
			t.Fatalf("%q: %v", key, err)
		}
	}
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "a/", "a-", "a/a", "/", "./", "é/", "zz", "a/a/a"} {
		for _, delim := range []string{"", "/", "a", "-"} {
			var want []string
			for _, k := range keys {
				rest, ok := strings.CutPrefix(k, prefix)
				if !ok {
					continue
				}
				if i := strings.Index(rest, delim); delim != "" && i >= 0 {
					k = prefix + rest[:i+len(delim)]
				}
				if len(want) == 0 || want[len(want)-1] != k {
					want = append(want, k)
				}
			}
			for _, page := range []int{1, 2, 7, 1000} {
				if got := list(t, b, &blob.ListOptions{Prefix: prefix, Delimiter: delim}, page); !slices.Equal(got, want) {
					t.Errorf("prefix %q, delimiter %q, page %d:\n%q, want\n%q", prefix, delim, page, got, want)
				}
			}
		}
	}
}

// A directory with more entries than are held at a time is listed in several passes.
func TestListLargeDirectory(t *testing.T) {
	b, dir := openT(t)
	const n = 2*chunk + 100
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := list(t, b, nil, n)
	if len(got) != n || !slices.IsSorted(got) || len(slices.Compact(got)) != n {
		t.Errorf("%d keys, sorted %v; want %d", len(got), slices.IsSorted(got), n)
	}
}

func TestContentTypeAndMetadata(t *testing.T) {
	b, dir := openT(t)
	ctx := t.Context()
	for _, c := range []struct {
		name, key, given, want string
		body                   string
		hidden                 int
	}{
		{"by extension", "a.json", "", "application/json", `{}`, 0},
		{"by extension, given", "b.tif", "image/tiff", "image/tiff", "II*", 0},
		{"by content", "c", "", "text/html; charset=utf-8", "<html>", 0},
		{"given", "d.tif", "image/tiff; application=geotiff", "image/tiff; application=geotiff", "II*", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := hiddenFiles(t, dir)
			if err := b.WriteAll(ctx, c.key, []byte(c.body), &blob.WriterOptions{ContentType: c.given}); err != nil {
				t.Fatal(err)
			}
			a, err := b.Attributes(ctx, c.key)
			if err != nil || a.ContentType != c.want {
				t.Errorf("content type %q (%v), want %q", a.ContentType, err, c.want)
			}
			if got := hiddenFiles(t, dir) - before; got != c.hidden {
				t.Errorf("%d metadata files, want %d", got, c.hidden)
			}
		})
	}
	t.Run("goes with the object", func(t *testing.T) {
		before := hiddenFiles(t, dir)
		meta := &blob.WriterOptions{Metadata: map[string]string{"owner": "me"}}
		for range 3 {
			if err := b.WriteAll(ctx, "m/x", []byte("12345"), meta); err != nil {
				t.Fatal(err)
			}
			if a, err := b.Attributes(ctx, "m/x"); err != nil || a.Metadata["owner"] != "me" {
				t.Errorf("metadata %v, %v", a.Metadata, err)
			}
			if err := b.WriteAll(ctx, "m/x", []byte("54321"), nil); err != nil {
				t.Fatal(err)
			}
			if a, err := b.Attributes(ctx, "m/x"); err != nil || len(a.Metadata) != 0 {
				t.Errorf("metadata %v of the object before, %v", a.Metadata, err)
			}
		}
		_ = b.WriteAll(ctx, "m/x", []byte("12345"), meta)
		if err := b.Delete(ctx, "m/x"); err != nil {
			t.Fatal(err)
		}
		if got := hiddenFiles(t, dir); got != before {
			t.Errorf("%d hidden files, want %d", got, before)
		}
		if _, err := os.Stat(filepath.Join(dir, "m")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the empty directory stays: %v", err)
		}
	})
}

// Deletes that remove directories race with writes that need them; no write may be lost.
func TestWritesAgainstDeletes(t *testing.T) {
	b, dir := openT(t)
	ctx := t.Context()
	var wg sync.WaitGroup
	var done atomic.Bool
	for g := range 2 {
		wg.Go(func() {
			for i := 0; !done.Load(); i++ {
				key := fmt.Sprintf("jobs/x/tasks/short-%d", g)
				if err := b.WriteAll(ctx, key, nil, nil); err != nil {
					t.Error(err)
					return
				}
				if err := b.Delete(ctx, key); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 100 {
		key := fmt.Sprintf("jobs/x/tasks/%d", i)
		if err := b.WriteAll(ctx, key, []byte(key), &blob.WriterOptions{IfNotExist: i%2 == 0}); err != nil {
			t.Fatal(err)
		}
		if got, err := b.ReadAll(ctx, key); err != nil || string(got) != key {
			t.Fatalf("%q: read %q, %v", key, got, err)
		}
		if err := b.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	done.Store(true)
	wg.Wait()
	if got := list(t, b, nil, 10); len(got) != 0 || hiddenFiles(t, dir) != 0 {
		t.Errorf("left over: %q", got)
	}
}

// A reader sees one version of an object however often it is replaced.
func TestReadersSeeWholeObjects(t *testing.T) {
	b, _ := openT(t)
	ctx := t.Context()
	version := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1000+i*1000) }
	if err := b.WriteAll(ctx, "k", version(0), nil); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var done atomic.Bool
	wg.Go(func() {
		defer done.Store(true)
		for i := range 100 {
			if err := b.WriteAll(ctx, "k", version(i), nil); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for !done.Load() {
		got, err := b.ReadAll(ctx, "k")
		if err != nil || !bytes.Equal(got, version(int(got[0]))) {
			t.Fatalf("%d mixed bytes, %v", len(got), err)
		}
	}
	wg.Wait()
}

func TestSweep(t *testing.T) {
	b, dir := openT(t)
	ctx := t.Context()
	if err := b.WriteAll(ctx, "keep", []byte("x"), &blob.WriterOptions{Metadata: map[string]string{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	for _, f := range []struct {
		name string
		old  bool
	}{{".tmp/dead", true}, {".tmp/writing", false}, {".gone.abc-1.attrs", true}, {".keep.abc-1.attrs", true}, {".profile", true}} {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if f.old {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n, err := Sweep(dir, time.Now().Add(-time.Minute)); n != 3 || err != nil {
		t.Errorf("swept %d, %v; want 3", n, err)
	}
	for _, name := range []string{".tmp/writing", ".profile", "keep"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := Sweep(dir, time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("swept %d, %v; want 1", n, err)
	}
	if a, err := b.Attributes(ctx, "keep"); err != nil || a.Metadata["a"] != "b" {
		t.Errorf("metadata of a living object swept: %v, %v", a, err)
	}
	if n, err := Sweep(filepath.Join(dir, "nowhere"), time.Now()); n != 0 || err != nil {
		t.Errorf("no directory: %d, %v", n, err)
	}
}

func FuzzKeyPath(f *testing.F) {
	for _, s := range []string{"a/b", "../x", "/", "a//b/", "%2E%", ".tmp/x", "a\x00b", "\\..\\x", "%", "%25", "%2525", "%252E", "%25", "a%20b", "100%", "%00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		path := keyPath(key)
		if !filepath.IsLocal(path) || strings.ContainsRune(path, 0) {
			t.Fatalf("%q leads to %q", key, path)
		}
		segs := strings.Split(path, string(filepath.Separator))
		for i, s := range segs {
			if strings.HasPrefix(s, ".") {
				t.Errorf("%q takes a hidden name: %q", key, path)
			}
			var ok bool
			if segs[i], ok = segmentOf(s); !ok {
				t.Errorf("%q: no way back from %q", key, path)
			}
		}
		if got := strings.Join(segs, "/"); got != key {
			t.Errorf("%q came back as %q", key, got)
		}
		// A file dropped into the directory is hidden, or can be opened by its key.
		if strings.ContainsAny(key, "/\x00") {
			return
		}
		seg, ok := segmentOf(key)
		if hidden := key == "" || key[0] == '.'; runtime.GOOS != "windows" && ok == hidden {
			t.Errorf("name %q is visible: %t", key, ok)
		}
		if ok && fileName(seg) != key {
			t.Errorf("name %q listed as %q, opened as %q", key, seg, fileName(seg))
		}
	})
}

func BenchmarkWriteOnce(b *testing.B) {
	bk, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		if err := bk.WriteAll(b.Context(), "jobs/x/tasks/"+strconv.Itoa(i), []byte("{}"), &blob.WriterOptions{IfNotExist: true}); err != nil {
			b.Fatal(err)
		}
	}
}
