package outdir

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/param"
)

const holderDir = "OUTDIR_HOLDER_DIR"

// TestMain lets the test binary be the process that holds a directory.
func TestMain(m *testing.M) {
	if dir := os.Getenv(holderDir); dir != "" {
		if _, err := Claim(dir, ".state"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("held")
		select {}
	}
	os.Exit(m.Run())
}

// TestOneProcessAtATime holds a directory by a process, which is then killed.
func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), holderDir+"="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill() }()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("%q (%v)", line, err)
	}
	if lockFree(t, dir) {
		t.Skip("SKIPPED: no locks between processes on this system")
	}
	_, err = Claim(dir, ".state")
	host, _ := os.Hostname()
	if want := fmt.Sprintf("another run (process %d on %s, since 2", c.Process.Pid, host); err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v, want %s", err, want)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	d, err := Claim(dir, ".state")
	if err != nil {
		t.Fatalf("after the process died: %v", err)
	}
	if err := d.Release(); err != nil {
		t.Fatal(err)
	}
	if d, err = Claim(dir, ".state"); err != nil {
		t.Fatalf("after it was let go: %v", err)
	}
	_ = d.Release()
}

// lockFree reports whether a lock that another process holds can be had.
func lockFree(t *testing.T, dir string) bool {
	t.Helper()
	f, err := hold(filepath.Join(dir, ".state", lockName))
	if errors.Is(err, errHeld) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	return true
}

// site is a directory that the test holds.
func site(t *testing.T, dir string) *Dir {
	t.Helper()
	d, err := Claim(dir, ".state")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Release() })
	return d
}

var modified = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// mark is that of a run with a step, which wrote files that hold their names.
func mark(step float64, names ...string) Mark {
	m := Mark{Origin: Origin{Workflow: param.Sol, DEM: "dem.tif", SHA256: "ab", Parameters: param.DefaultParameters()}, Version: "1", Job: "01JTESTKDH6BKDYFCDM6QM1YQ4"}
	m.Parameters.Step = step
	for _, n := range names {
		m.Files = append(m.Files, File{n, int64(len(n)), modified})
	}
	return m
}

func put(t *testing.T, dir, name string) error {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
		return err
	}
	return os.Chtimes(path, modified, modified)
}

// tree lists what lies in a directory, but what the package keeps there.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	if err := filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		name, _ := filepath.Rel(dir, path)
		if err == nil && name != "." && name != MarkName && !strings.HasPrefix(name, ".state") {
			list = append(list, filepath.ToSlash(name))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestReplace replaces the maps of one run by those of another, interrupted at each file and begun again.
func TestReplace(t *testing.T) {
	for fail := range 4 {
		t.Run(fmt.Sprintf("interrupted after %d files", fail), func(t *testing.T) {
			dir := t.TempDir()
			d := site(t, dir)
			for _, name := range []string{"notes.txt", "a/mine.tif", "a/old.tif.aux.xml"} {
				if err := put(t, dir, name); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := d.Place(mark(15, "a/x.tif", "a/old.tif", "b/c/old.tif", "both.tif"), func(name string) error { return put(t, dir, name) }); err != nil {
				t.Fatal(err)
			}
			_ = d.Release()

			next := mark(30, "both.tif", "new/x.tif", "a/y.tif")
			broken := errors.New("interrupted")
			d = site(t, dir)
			n := 0
			_, err := d.Place(next, func(name string) error {
				if n++; n > fail {
					return broken
				}
				return put(t, dir, name)
			})
			_ = d.Release()
			if fail < len(next.Files) {
				if !errors.Is(err, broken) {
					t.Fatal(err)
				}
				d = site(t, dir)
				names := []string{"both.tif", "new/x.tif", "a/y.tif"}
				if _, err := d.Allow(func() (Origin, error) { return next.Origin, nil }, "1", names, false); err != nil {
					t.Errorf("the run that was interrupted is refused: %v", err)
				}
				if _, err := d.Allow(func() (Origin, error) { return mark(15).Origin, nil }, "1", names, false); err == nil {
					t.Error("the former run is allowed into a directory of both")
				}
				if _, err := d.Place(next, func(name string) error { return put(t, dir, name) }); err != nil {
					t.Fatal(err)
				}
			}
			want := []string{"a", "a/mine.tif", "a/old.tif.aux.xml", "a/y.tif", "both.tif", "new", "new/x.tif", "notes.txt"}
			if got := tree(t, dir); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// TestNothingOutside gives marks that name files elsewhere, by path and by links.
func TestNothingOutside(t *testing.T) {
	outside := t.TempDir()
	if err := put(t, outside, "secret.tif"); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	d := site(t, dir)
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Skipf("SKIPPED: no symbolic links here: %v", err)
	}
	up, err := filepath.Rel(dir, outside)
	if err != nil {
		t.Fatal(err)
	}
	evil := mark(15)
	for _, name := range []string{"link/secret.tif", filepath.ToSlash(up) + "/secret.tif", filepath.ToSlash(outside) + "/secret.tif", ".", "", ".."} {
		evil.Files = append(evil.Files, File{name, int64(len("secret.tif")), modified})
	}
	if err := d.write(evil); err != nil {
		t.Fatal(err)
	}
	_ = d.Release()
	d = site(t, dir)
	_, _ = d.Place(mark(30), func(string) error { return nil })
	if got := tree(t, outside); !slices.Equal(got, []string{"secret.tif"}) {
		t.Errorf("outside: %q", got)
	}
	if got := tree(t, dir); !slices.Equal(got, []string{"link"}) {
		t.Errorf("inside: %q", got)
	}
}

func TestDifferences(t *testing.T) {
	base := func(change func(o *Origin)) Origin {
		o := mark(15).Origin
		o.Parameters.Climate = "table:inputs/00112233445566aa_my station.csv"
		o.Parameters.AlbedoRaster = []string{"inputs/00112233445566ab_albedo.tif"}
		change(&o)
		return o
	}
	for _, c := range []struct {
		name   string
		change func(o *Origin)
		want   string
	}{
		{"nothing", func(*Origin) {}, ""},
		{"the name of the DEM", func(o *Origin) { o.DEM = "other.tif" }, ""},
		{"how work is cut", func(o *Origin) { o.Parameters.TileSize = 64 }, ""},
		{"all maps, said", func(o *Origin) { o.Parameters.Maps = param.AllMaps }, ""},
		{"the name of a table", func(o *Origin) { o.Parameters.Climate = "table:inputs/00112233445566aa_x.csv" }, ""},
		{"the DEM", func(o *Origin) { o.SHA256 = "cd" }, "its DEM dem.tif is another file of that name"},
		{"the DEM and its name", func(o *Origin) { o.SHA256, o.DEM = "cd", "x.tif" }, "DEM dem.tif there, x.tif here"},
		{"the workflow", func(o *Origin) { o.Workflow = param.EEMT }, "workflow sol there, eemt here"},
		{"a table", func(o *Origin) { o.Parameters.Climate = "table:inputs/ff112233445566aa_b.csv" }, "climate table:my station.csv there, table:b.csv here"},
		{"the content of a table", func(o *Origin) { o.Parameters.Climate = "table:inputs/ff112233445566aa_my station.csv" }, "climate table:my station.csv of another content"},
		{"a raster", func(o *Origin) { o.Parameters.AlbedoRaster = nil }, "albedo-value albedo.tif there, none here"},
		{"some", func(o *Origin) { o.Parameters.Layers, o.Parameters.EndYear = []param.Layer{"horizon"}, 2021 }, "end-year 2020 there, 2021 here; layers none there, horizon here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(Differences(base(func(*Origin) {}), base(c.change)), "; "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// FuzzMark lets no mark make the package panic, or touch what it did not write.
func FuzzMark(f *testing.F) {
	f.Add([]byte(`{"workflow":"sol","sha256":"ab","files":[{"name":"../x","size":1}]}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := put(t, dir, "mine.tif"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, MarkName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		d := site(t, dir)
		names := []string{"mine.tif", "x/y.tif"}
		_, _ = d.Allow(func() (Origin, error) { return mark(15).Origin, nil }, "1", names, false)
		d.Spoiled()
		_, _ = d.Place(mark(30), func(string) error { return nil })
		if strings.Contains(string(data), "mine.tif") || strings.Contains(string(data), "2026-01-02") {
			return
		}
		if _, err := os.Stat(filepath.Join(dir, "mine.tif")); err != nil {
			t.Error(err)
		}
	})
}
