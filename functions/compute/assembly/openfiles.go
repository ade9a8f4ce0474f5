package assembly

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/cyverse-gis/eemt/functions/compute/arithmetic"
	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

const (
	// filesOpen is how many files a pass keeps open at least, filesCache what it holds of
	// all of them, in bytes.
	filesOpen  = 4
	filesCache = 64 << 20
)

// openFiles keeps the files read last open, for all threads of a pass.
type openFiles struct {
	objects objects.Store
	most    int
	mu      sync.Mutex
	files   []*imageFile // the last one first
}

// newOpenFiles has room for all files that the blocks at hand are made of: means over
// many years would else open each for every strip.
func (m *mosaic) newOpenFiles(parts []part, threads int) *openFiles {
	names := map[arithmetic.Input]int{}
	for _, p := range parts {
		for _, in := range p.Inputs {
			n := min(threads, filesOpen) // neighbours may lie in as many tiles
			if in.Result != "" {
				n = 1
			}
			names[arithmetic.Input{File: in.File, Result: in.Result}] = n
		}
	}
	most := 0
	for _, n := range names {
		most += n
	}
	return &openFiles{objects: m.job.Objects, most: max(filesOpen, most)}
}

type imageFile struct {
	key    string
	users  int
	open   sync.Once
	image  *geotiff.Image
	closer io.Closer
	err    error
}

func (o *openFiles) read(ctx context.Context, key string, band int, w raster.Window, dst []float64) error {
	f := o.take(key)
	defer o.release(f)
	f.open.Do(func() { f.image, f.closer, f.err = o.objects.OpenWithin(ctx, key, filesCache/int64(o.most)) })
	if f.err != nil {
		return f.err
	}
	if err := f.image.Read(ctx, band, w, dst); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}

func (o *openFiles) take(key string) *imageFile {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := slices.IndexFunc(o.files, func(f *imageFile) bool { return f.key == key })
	if at < 0 {
		at = len(o.files)
		o.files = append(o.files, &imageFile{key: key})
	}
	f := o.files[at]
	copy(o.files[1:at+1], o.files[:at])
	o.files[0] = f
	f.users++
	return f
}

// release closes the files that nobody reads and nobody read for long.
func (o *openFiles) release(f *imageFile) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f.users--
	for at := len(o.files) - 1; at >= 0 && len(o.files) > o.most; at-- {
		if o.files[at].users == 0 {
			o.files[at].close()
			o.files = slices.Delete(o.files, at, at+1)
		}
	}
}

func (f *imageFile) close() {
	if f.closer != nil {
		_ = f.closer.Close()
	}
}

func (o *openFiles) close() {
	for _, f := range o.files {
		f.close()
	}
}
