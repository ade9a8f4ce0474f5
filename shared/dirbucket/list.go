package dirbucket

import (
	"container/heap"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"gocloud.dev/blob/driver"
)

const (
	defaultPage = 1000
	maxPage     = 10_000
	// chunk is how many entries of a directory are held at a time: a larger directory is read again for
	// the next ones, so that the memory of a page does not grow with the bucket.
	chunk = 4096
)

// A page token is one of these bytes and the last key listed.
const (
	afterObject = 'k'
	afterDir    = 'd' // everything that starts with the key was listed as one directory
)

// ListPaged implements driver.Bucket.
func (b *bucket) ListPaged(ctx context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	if opts.BeforeList != nil {
		if err := opts.BeforeList(func(any) bool { return false }); err != nil {
			return nil, err
		}
	}
	l := lister{ctx: ctx, b: b, prefix: opts.Prefix, delim: opts.Delimiter, size: opts.PageSize}
	if l.size <= 0 {
		l.size = defaultPage
	}
	l.size = min(l.size, maxPage)
	if t := opts.PageToken; len(t) > 0 {
		l.after = string(t[1:])
		if t[0] == afterDir {
			l.collapsed = l.after
		}
	}
	// Nothing outside the directory of the prefix can match it.
	start := opts.Prefix[:strings.LastIndexByte(opts.Prefix, '/')+1]
	dir := "."
	if start != "" {
		dir = keyPath(strings.TrimSuffix(start, "/"))
	}
	err := l.walk(dir, start)
	if err != nil && !errors.Is(err, errPageFull) {
		return nil, err
	}
	return &l.page, nil
}

var errPageFull = errors.New("page is full")

type lister struct {
	ctx       context.Context
	b         *bucket
	prefix    string
	delim     string
	size      int
	after     string // list keys greater than this
	collapsed string // last directory listed
	page      driver.ListPage
}

// walk lists the objects in the directory dir, whose keys start with key, in the order of their keys. Sorting a
// directory as key + "/" among its siblings makes a depth-first walk come out in that order.
func (l *lister) walk(dir, key string) error {
	from := ""
	for {
		entries, more, err := l.entries(dir, key, from)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.dir {
				err = l.walk(filepath.Join(dir, fileName(strings.TrimSuffix(e.name, "/"))), key+e.name)
			} else {
				err = l.add(key+e.name, filepath.Join(dir, fileName(e.name)))
			}
			if err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		from = entries[len(entries)-1].name
	}
}

type entry struct {
	name string // segment of the key, with "/" after a directory's
	dir  bool
}

// entries returns, in order, up to chunk entries of dir after the name from which may lead to keys still to be listed.
func (l *lister) entries(dir, key, from string) (out []entry, more bool, err error) {
	if err := l.ctx.Err(); err != nil {
		return nil, false, err
	}
	f, err := l.open(dir)
	if f == nil || err != nil {
		return nil, false, err
	}
	defer func() { _ = f.Close() }()
	var least entryHeap
	for {
		batch, err := f.ReadDir(1024)
		for _, d := range batch {
			e, ok := entryOf(d, key)
			if !ok || from != "" && e.name <= from || !l.wanted(key+e.name, e.dir) {
				continue
			}
			heap.Push(&least, e)
			if len(least) > chunk {
				heap.Pop(&least)
				more = true
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		if err := l.ctx.Err(); err != nil {
			return nil, false, err
		}
	}
	slices.SortFunc(least, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return least, more, nil
}

// open opens a directory; nil where it was removed since it was listed.
func (l *lister) open(dir string) (*os.File, error) {
	info, err := l.b.root.Lstat(dir)
	switch {
	case err == nil && !info.IsDir(), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG):
		return nil, nil
	case err != nil:
		return nil, err
	}
	f, err := l.b.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// entryOf is the entry of a file in the directory of key; false for one that is no object and no directory of objects.
func entryOf(d fs.DirEntry, key string) (entry, bool) {
	seg, ok := segmentOf(d.Name())
	if !ok || !utf8.ValidString(seg) {
		return entry{}, false
	}
	if d.IsDir() {
		return entry{name: seg + "/", dir: true}, true
	}
	return entry{name: seg}, d.Type().IsRegular() && key+seg != ""
}

// wanted reports whether an object key, or some key below a directory's, can belong to the rest of the listing.
func (l *lister) wanted(key string, dir bool) bool {
	if !strings.HasPrefix(key, l.prefix) && (!dir || !strings.HasPrefix(l.prefix, key)) {
		return false
	}
	if l.collapsed != "" && strings.HasPrefix(key, l.collapsed) {
		return false
	}
	return key > l.after || dir && strings.HasPrefix(l.after, key)
}

// add puts an object on the page, or the directory it stands for.
func (l *lister) add(key, path string) error {
	if !l.wanted(key, false) {
		return nil // its directory was listed since the entries were read
	}
	o := &driver.ListObject{Key: key}
	if l.delim != "" {
		if i := strings.Index(key[len(l.prefix):], l.delim); i >= 0 {
			o.Key, o.IsDir = key[:len(l.prefix)+i+len(l.delim)], true
		}
	}
	if !o.IsDir {
		info, err := l.b.root.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		o.ModTime, o.Size = info.ModTime(), info.Size()
	}
	if len(l.page.Objects) == l.size {
		last := l.page.Objects[l.size-1]
		kind := byte(afterObject)
		if last.IsDir {
			kind = afterDir
		}
		l.page.NextPageToken = append([]byte{kind}, last.Key...)
		return errPageFull
	}
	if o.IsDir {
		l.collapsed = o.Key
	}
	l.page.Objects = append(l.page.Objects, o)
	return nil
}

// holdsObject reports whether some object's key leads through dir.
func (b *bucket) holdsObject(dir string) (bool, error) {
	l := lister{ctx: context.Background(), b: b, size: 1}
	err := l.walk(dir, "")
	if errors.Is(err, errPageFull) {
		err = nil
	}
	return len(l.page.Objects) > 0, err
}

// entryHeap has the greatest entry on top.
type entryHeap []entry

func (h entryHeap) Len() int           { return len(h) }
func (h entryHeap) Less(i, j int) bool { return h[i].name > h[j].name }
func (h entryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *entryHeap) Push(x any)        { *h = append(*h, x.(entry)) }
func (h *entryHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
