package ogc

import (
	"bytes"
	"io"
	"os"
	"runtime"
)

// spooled is the body of a request that has come whole.
type spooled struct {
	io.Reader
	// file has a large body; nil where it is in memory.
	file *os.File
}

// spool takes a body as it comes. Of a slow client only a little is in memory meanwhile.
func spool(in io.Reader) (*spooled, error) {
	small, err := io.ReadAll(io.LimitReader(in, smallRequest))
	if err != nil || len(small) < smallRequest {
		return &spooled{Reader: bytes.NewReader(small)}, err
	}
	// The name is that of all temporary files, which are removed a day after their process was killed.
	f, err := os.CreateTemp("", "eemt-spool-*")
	if err != nil {
		return nil, err
	}
	s := &spooled{Reader: f, file: f}
	if runtime.GOOS != "windows" { // it is gone with the process, however that ends
		_ = os.Remove(f.Name())
	}
	if _, err = f.Write(small); err == nil {
		_, err = io.Copy(f, in)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close removes the body.
func (s *spooled) Close() {
	if s.file == nil {
		return
	}
	_ = s.file.Close()
	_ = os.Remove(s.file.Name()) // where that was not possible before
}
