package room_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/cmd/internal/room"
	"github.com/cyverse-gis/eemt/shared/param"
)

func TestRoom(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("SKIPPED: what is free is not known on this system")
	}
	dir := t.TempDir()
	for _, c := range []struct {
		name   string
		w      param.Workflow
		change func(p *param.Parameters)
		side   int
		want   string // of the sentence; empty for none
	}{
		{"small", param.Sol, func(*param.Parameters) {}, 100, ""},
		{"large", param.Sol, func(*param.Parameters) {}, 1 << 20, `^the job needs about \d+ TB of disk in .*new/maps.*, where [\d.]+ [kMGT]B are free: maps annual, which takes about \d+ TB; or buy a disk$`},
		{"large, annual already", param.EEMT, func(p *param.Parameters) { p.Maps = param.AnnualMaps }, 1 << 20, `^the job needs about \d+ TB of disk in .*, where [\d.]+ [kMGT]B are free: buy a disk$`},
		{"large, of days", param.Sol, func(p *param.Parameters) { p.Daily = true }, 1 << 20, `^the job needs about [\d.]+ PB of disk in .*: buy a disk$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := param.DefaultParameters()
			c.change(&p)
			// The directory is still to be made.
			m := room.Machine{Store: filepath.Join(dir, "new", "maps"), Temp: dir, Elsewhere: "buy a disk"}
			err := m.Check(c.w, p, c.side, c.side, 1000)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, room.ErrNone) || !regexp.MustCompile(c.want).MatchString(err.Error()) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// TestTemporaryFilesElsewhere has temporary files on a small disk of their own.
func TestTemporaryFilesElsewhere(t *testing.T) {
	const shm = "/dev/shm"
	if _, err := os.Stat(shm); err != nil {
		t.Skipf("SKIPPED: no disk in memory here: %v", err)
	}
	// The side at which one of the two disks is too small depends on the machine.
	p := param.DefaultParameters()
	m := room.Machine{Store: t.TempDir(), Temp: shm, Elsewhere: "buy a disk"}
	for side := 1000; side <= 1<<20; side *= 2 {
		err := m.Check(param.Sol, p, side, side, 1000)
		if err == nil {
			continue
		}
		if strings.Contains(err.Error(), "temporary files in /dev/shm") && !strings.Contains(err.Error(), "set TMPDIR to a directory on another disk") {
			t.Error(err)
		}
		return
	}
	t.Error("there is room for everything")
}
