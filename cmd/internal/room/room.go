// Package room tells whether disks and memory have room for a job before it begins.
package room

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cyverse-gis/eemt/functions/compute/cost"

	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/param"
)

// ErrNone is wrapped by errors that say that there is not room enough.
var ErrNone = errors.New("not room enough")

// refusal is a sentence that is an ErrNone.
type refusal string

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == ErrNone }

// Machine is where a job is computed.
type Machine struct {
	// Store is the directory that holds the job's data, Temp that of temporary files.
	Store, Temp string
	// Elsewhere says how to name another place for the data, such as "choose a directory on another disk with --output".
	Elsewhere string
	Cost      cost.Cost
}

// Check refuses a job on a DEM of width x height cells, in a file of dem bytes, for which there is not room.
func (m Machine) Check(w param.Workflow, p param.Parameters, width, height int, dem int64) error {
	if err := m.checkMemory(w, p, width, height); err != nil {
		return err
	}
	need := m.Cost.Disk(w, p, width, height, dem)
	store, known := free(m.Store)
	if !known {
		return nil
	}
	temp, known := free(m.Temp)
	shared := known && temp.device == store.device
	stored := need.Stored
	if shared {
		stored += need.Temp
	}
	if stored > store.bytes {
		return m.noDisk(w, p, width, height, dem, stored, store.bytes, shared)
	}
	if known && !shared && need.Temp > temp.bytes {
		return refusal(fmt.Sprintf("the job needs about %s for temporary files in %s, where %s are free: free some room there, or set TMPDIR to a directory on another disk",
			amount.Bytes(need.Temp), m.Temp, amount.Bytes(temp.bytes)))
	}
	return nil
}

// noDisk says what is needed, what there is, and what helps.
func (m Machine) noDisk(w param.Workflow, p param.Parameters, width, height int, dem, need, have int64, shared bool) error {
	where := m.Store
	if shared {
		where += " and " + m.Temp
	}
	help := []string{}
	if annual := p; annual.Maps.IsZero() && !annual.Daily {
		annual.Maps = param.AnnualMaps
		d := m.Cost.Disk(w, annual, width, height, dem)
		least := d.Stored
		if shared {
			least += d.Temp
		}
		help = append(help, "maps annual, which takes about "+amount.Bytes(least))
	}
	help = append(help, m.Elsewhere)
	return refusal(fmt.Sprintf("the job needs about %s of disk in %s, where %s are free: %s", amount.Bytes(need), where, amount.Bytes(have), strings.Join(help, "; or ")))
}

func (m Machine) checkMemory(w param.Workflow, p param.Parameters, width, height int) error {
	need := m.Cost.Estimate(w, p, width, height).Memory
	if have, known := memory(); known && need > have {
		return refusal(fmt.Sprintf("the job needs about %s of memory, and this machine has %s: take a smaller part of the DEM, or a machine with more", amount.Bytes(need), amount.Bytes(have)))
	}
	return nil
}

// space is what is free on the disk of a directory.
type space struct {
	device uint64
	bytes  int64
}

// free looks at the disk of a directory, or of what is there of the path to it; false where that cannot be told.
func free(dir string) (space, bool) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return space{}, false
	}
	for {
		if _, err := os.Stat(abs); err == nil {
			return spaceOf(abs)
		}
		up := filepath.Dir(abs)
		if up == abs {
			return space{}, false
		}
		abs = up
	}
}
