package browser

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// line is a connection to a server that can be cut and held.
type line struct {
	to string
	mu sync.Mutex
	on sync.Cond
	// sent counts the bytes toward the server. At cut the line breaks, at hold large requests stand still; 0 means never.
	sent, cut, hold int
	broken          bool
	open            map[net.Conn]bool
}

// small requests are not held: a browser may send an upload whose line broke once more, before it hears that the page
// has given it up, and fill the line to where it stands still. The page could not be loaded then.
const small = 1 << 20

// answer tells of what comes back.
type answer struct {
	io.Writer
	came func()
}

func (a answer) Write(p []byte) (int, error) {
	a.came()
	return a.Writer.Write(p)
}

// through puts a line before a server and returns the address in front of it.
func through(t *testing.T, to string) (*line, string) {
	t.Helper()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{to: to, open: map[net.Conn]bool{}}
	l.on.L = &l.mu
	t.Cleanup(func() {
		_ = in.Close()
		l.set(func() { l.hold, l.broken = 0, true; l.drop() })
	})
	go func() {
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			go l.carry(c)
		}
	}()
	return l, "http://" + in.Addr().String()
}

// set changes what the line does.
func (l *line) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.on.Broadcast()
}

// drop breaks every connection; the lock is held.
func (l *line) drop() {
	for c := range l.open {
		_ = c.Close()
	}
}

func (l *line) carry(c net.Conn) {
	defer func() { _ = c.Close() }()
	server, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	l.set(func() { l.open[c], l.open[server] = true, true })
	defer l.set(func() { delete(l.open, c); delete(l.open, server) })
	asked := 0 // bytes of the request at hand
	go func() {
		_, _ = io.Copy(answer{c, func() { l.set(func() { asked = 0 }) }}, server)
		_ = c.Close()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		whole := true
		l.set(func() {
			l.sent += n
			asked += n
			for l.hold > 0 && l.sent >= l.hold && asked > small {
				l.on.Wait()
			}
			if l.cut > 0 && l.sent >= l.cut {
				l.broken = true
				l.drop()
			}
			whole = !l.broken
		})
		if !whole {
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// An upload outlasts the connection, a pause and a reload: each time it goes on where it was.
func TestUploadGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.tif")
	if out, err := exec.Command(tool(t, "gdal_translate"), "-q", "-outsize", "4000%", "0", "-ot", "Float32", example+"dem.tif", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := read(t, path)
	const mb = 1 << 20
	if len(want) < 32*mb {
		t.Fatalf("%d bytes are too few for this test", len(want))
	}
	data := t.TempDir()
	l, url := through(t, serveIn(t, data)[len("http://"):])
	p := open(t, url, "/", wide, high)
	var offsets []int
	questions := 0
	chromedp.ListenTarget(p.ctx, func(e any) {
		if _, ok := e.(*page.EventJavascriptDialogOpening); ok {
			p.mu.Lock()
			questions++
			p.mu.Unlock()
			go func() { _ = chromedp.Run(p.ctx, page.HandleJavaScriptDialog(true)) }()
		}
		if sent, ok := e.(*network.EventRequestWillBeSent); ok && sent.Request.Method == "PATCH" {
			n, _ := strconv.Atoi(fmt.Sprint(sent.Request.Headers["Upload-Offset"]))
			p.mu.Lock()
			offsets = append(offsets, n)
			p.mu.Unlock()
		}
	})
	asked := func() []int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return append([]int(nil), offsets...)
	}
	// The page may be ahead of what is told here, and of what the server has written of a broken request.
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: it never came to that", what)
			}
		}
	}
	parts := func() int {
		found, err := filepath.Glob(filepath.Join(data, "incoming", "*", "0*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	stands := func() {
		t.Helper()
		eventually("the line stands still", func() (still bool) {
			l.set(func() { still = l.sent >= l.hold })
			return still
		})
	}
	choose := func() {
		p.until("the form is there", `document.querySelector("#p-step")`)
		p.do(chromedp.SetUploadFiles("#dem-file", []string{path}, chromedp.ByQuery))
	}
	waits := `document.querySelector("#upload[data-standing=waiting]:not([hidden])")?.innerText.includes("connection lost")`

	l.set(func() { l.cut = l.sent + 7*mb })
	choose()
	p.until("the page says that the connection is lost", "%s", waits)
	p.shot("upload-lost")
	eventually("what came is stored", func() bool { return parts() == 1 })

	// It comes back, and stands still a little further on: time to pause.
	l.set(func() { l.broken, l.cut, l.hold = false, 0, l.sent+14*mb })
	p.until("the upload goes on", `document.querySelector("#upload[data-standing=sending]") && document.querySelector("#upload progress").value > 20`)
	eventually("the page asks once more", func() bool { return len(asked()) > 1 })
	first := asked()
	if last := first[len(first)-1]; last < 1*mb || last > 7*mb {
		t.Errorf("after the break it went on at %d of %v", last, first)
	}
	p.shot("upload")
	stands()
	p.click("#pause")
	p.until("the upload is paused", `document.querySelector("#upload[data-standing=paused]")?.innerText.includes("paused")`)
	n := len(asked())
	// What the system still has of the paused request is not to count.
	l.set(func() { l.drop(); l.hold = l.sent + 6*mb })
	eventually("what came is stored", func() bool { return parts() == 2 })

	// A reload takes the page away; the same file goes on, and stands still once more.
	p.do(chromedp.Reload())
	p.mu.Lock()
	if questions != 1 {
		t.Errorf("leaving in the middle of an upload asks %d times", questions)
	}
	p.mu.Unlock()
	if len(asked()) != n {
		t.Error("a paused upload sent something")
	}
	choose()
	p.until("the upload goes on", `document.querySelector("#upload[data-standing=sending]") && document.querySelector("#upload progress").value > 0`)
	stands()
	p.click("#pause")
	p.until("the upload is paused", `document.querySelector("#upload[data-standing=paused]")`)
	l.set(func() { l.drop(); l.hold = 0 })
	eventually("what came is stored", func() bool { return parts() == 3 })
	p.click("#pause")
	p.until("the DEM is taken", `document.querySelector(".verdict.good, .verdict.fair")?.innerText.includes("large.tif")`)
	eventually("the page asks once more", func() bool { return len(asked()) > n })
	all := asked()
	if after := all[n]; after < 7*mb {
		t.Errorf("after the reload it went on at %d of %v", after, all)
	}
	found, err := filepath.Glob(filepath.Join(data, "inputs", "*_large.tif"))
	if err != nil || len(found) != 1 {
		t.Fatalf("stored %v (%v)", found, err)
	}
	got, err := os.ReadFile(found[0])
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("what is stored is not what was sent: %d bytes, want %d (%v)", len(got), len(want), err)
	}
	l.set(func() {
		if l.sent > len(want)+len(want)*3/4 {
			t.Errorf("%d bytes were sent for %d", l.sent, len(want))
		}
	})
	// Nothing is left of the parts; the record stays for a day.
	left, err := filepath.Glob(filepath.Join(data, "incoming", "*", "0*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v (%v)", left, err)
	}
}
