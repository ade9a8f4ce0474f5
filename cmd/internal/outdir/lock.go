package outdir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// lockName is the file that the holder of a directory locks. Names that begin with a dot are no objects of its bucket.
const lockName = ".lock"

// errHeld says that another process holds a lock.
var errHeld = errors.New("held by another process")

// holder says who holds a directory.
type holder struct {
	Process int       `json:"process"`
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
}

// hold locks a file, which it makes, and writes into it who holds it. The lock ends with the process.
func hold(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	host, _ := os.Hostname()
	data, err := json.Marshal(holder{os.Getpid(), host, time.Now().Truncate(time.Second)})
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(data, '\n'), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// busy says who holds the directory.
func (d *Dir) busy(err error) error {
	if !errors.Is(err, errHeld) {
		return err
	}
	who := ""
	if f, err := os.Open(filepath.Join(d.state, lockName)); err == nil {
		var h holder
		data, err := io.ReadAll(io.LimitReader(f, 4096))
		_ = f.Close()
		if err == nil && json.Unmarshal(data, &h) == nil && h.Process > 0 {
			who = fmt.Sprintf(" (process %d on %s, since %s)", h.Process, h.Host, h.Since.Local().Format("2006-01-02 15:04:05"))
		}
	}
	return fmt.Errorf("another run%s works in %s: wait for it, or choose another directory with --output", who, d.path)
}
