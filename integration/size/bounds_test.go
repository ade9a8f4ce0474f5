package size_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bounds keep a program below a limit of memory.
type bounds struct {
	how     string
	command func(args []string) []string
	verdict func() string // what to say of a program that was killed
}

// confine finds a way to kill a program that takes more than so many bytes: a
// control group within that of the test, or a scope of systemd. An address space
// limit (ulimit -v) does not serve: a Go program reserves far more than it uses.
func confine(t *testing.T, bytes int64) bounds {
	t.Helper()
	group, reasons := memoryGroup(t, bytes)
	if group != "" {
		return bounds{
			how: "enforced by the control group",
			command: func(args []string) []string {
				return append([]string{"sh", "-c", `echo $$ > "$0" && exec "$@"`, filepath.Join(group, "cgroup.procs")}, args...)
			},
			verdict: func() string {
				for _, name := range []string{"memory.events", "memory.oom_control"} {
					if data, err := os.ReadFile(filepath.Join(group, name)); err == nil {
						return fmt.Sprintf(" within %d MiB; %s: %s", bytes>>20, name, strings.Join(strings.Fields(string(data)), " "))
					}
				}
				return ""
			},
		}
	}
	scope := []string{"systemd-run", "--scope", "--quiet", "-p", fmt.Sprintf("MemoryMax=%d", bytes), "-p", "MemorySwapMax=0"}
	if os.Getuid() != 0 {
		scope = append(scope, "--user")
	}
	if out, err := exec.CommandContext(t.Context(), scope[0], append(scope[1:], "true")...).CombinedOutput(); err != nil {
		t.Logf("the limit is not enforced here, but measured: %s; systemd-run: %v %s", reasons, err, out)
		return bounds{how: "not enforced", command: func(args []string) []string { return args }, verdict: func() string { return "" }}
	}
	return bounds{
		how:     "enforced by systemd",
		command: func(args []string) []string { return append(scope, args...) },
		verdict: func() string { return fmt.Sprintf(" within %d MiB", bytes>>20) },
	}
}

// memoryGroup makes a control group with a limit, of either version, below that of
// the test; else it says why it cannot.
func memoryGroup(t *testing.T, bytes int64) (dir, reasons string) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err.Error()
	}
	var all []string
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		var root, file string
		switch {
		case parts[1] == "":
			root, file = "/sys/fs/cgroup", "memory.max"
		case strings.Contains(","+parts[1]+",", ",memory,"):
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		dir := filepath.Join(root, parts[2], fmt.Sprintf("eemt-size-%d-%d", os.Getpid(), time.Now().UnixNano()))
		if err := limited(dir, file, bytes); err != nil {
			all = append(all, err.Error())
			continue
		}
		t.Cleanup(func() {
			if err := os.Remove(dir); err != nil {
				t.Logf("a control group is left: %v", err)
			}
		})
		return dir, ""
	}
	return "", strings.Join(all, "; ")
}

// limited makes a control group; what it cannot finish it takes away.
func limited(dir, file string, bytes int64) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, file)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		// Only for groups whose parent has no processes of its own, or is the root.
		_ = os.WriteFile(filepath.Join(filepath.Dir(dir), "cgroup.subtree_control"), []byte("+memory"), 0)
	}
	err := write(path, fmt.Sprint(bytes))
	if swap := filepath.Join(dir, "memory.swap.max"); err == nil {
		if _, missing := os.Stat(swap); missing == nil {
			err = write(swap, "0")
		}
	}
	if err != nil {
		_ = os.Remove(dir)
	}
	return err
}

// write writes to a file that is there: in a plain directory there is none.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// hog makes the test a program that takes so many MiB.
const hog = "EEMT_SIZE_HOG"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(hog)); err == nil {
		b := make([]byte, n<<20)
		for i := range b {
			b[i] = byte(i)
		}
		os.Exit(int(b[len(b)/2]))
	}
	os.Exit(m.Run())
}

// TestBoundsHold lets a program take more than it may.
func TestBoundsHold(t *testing.T) {
	if os.Getenv("EEMT_SIZE") == "" {
		t.Skip("only where EEMT_SIZE is set")
	}
	b := confine(t, 128<<20)
	if b.how == "not enforced" {
		t.Skip("no limit of memory can be enforced here")
	}
	for _, c := range []struct {
		mib  string
		dies bool
	}{{"32", false}, {"512", true}} {
		args := b.command([]string{os.Args[0]})
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = append(os.Environ(), hog+"="+c.mib)
		out, err := cmd.CombinedOutput()
		if died := err != nil && strings.Contains(err.Error(), "killed"); died != c.dies || !died && err != nil {
			t.Errorf("a program that takes %s MiB of 128: %v %s", c.mib, err, out)
		}
	}
}

// disk is the room that a directory takes while somebody works in it.
type disk struct {
	done chan struct{}
	most chan int64
}

func watchDisk(dir string) *disk {
	d := &disk{done: make(chan struct{}), most: make(chan int64)}
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		most := int64(0)
		for {
			most = max(most, sizeOf(dir, ""))
			select {
			case <-tick.C:
			case <-d.done:
				d.most <- max(most, sizeOf(dir, ""))
				return
			}
		}
	}()
	return d
}

func (d *disk) stop() int64 {
	close(d.done)
	return <-d.most
}

// sizeOf is the room that files take on disk, those with two names once, without
// directories of the name left out.
func sizeOf(dir, leaveOut string) int64 {
	var total int64
	seen := map[uint64]bool{}
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // somebody works here: files come and go
		}
		if e.IsDir() {
			if leaveOut != "" && e.Name() == leaveOut {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := e.Info(); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok && !seen[s.Ino] {
				seen[s.Ino] = true
				total += s.Blocks * 512
			}
		}
		return nil
	})
	return total
}
