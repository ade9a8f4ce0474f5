package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/raster"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"eemt":    func() { os.Exit(run()) },
		"kn-eemt": func() { os.Exit(run()) },
	})
}

// TestScripts runs testdata/script. Each script finds dem.tif, 24 x 20 cells of
// 30 m, other.tif, 20 x 20 cells of it, huge.tif, 20000 x 20000 cells that are all the same, bare.tif, the same without a coordinate reference system, and factor.tif,
// a raster of 0.5 and 0.7 around it in degrees. $ADDRESS is free for a server, and
// where commands look for one.
func TestScripts(t *testing.T) {
	hills := demtest.Hills(24, 20)
	factor := raster.New[float64](4, 4)
	for i := range factor.Cells {
		factor.Cells[i] = 0.5 + 0.2*float64(i%2)
	}
	degrees := raster.Transform{OriginX: -107.02, OriginY: 39.03, StepX: 0.01, StepY: -0.01}
	files := map[string][]byte{
		"factor.tif": demtest.EncodeAs(t, factor, degrees, raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}),
		"dem.tif":    demtest.Encode(t, hills),
		"other.tif":  demtest.Encode(t, demtest.Hills(20, 20)),
		"huge.tif":   huge(t, 20000),
		"bare.tif":   demtest.EncodeAs(t, hills, demtest.Transform(), raster.GeoKeys{}),
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(e *testscript.Env) error {
			address, err := freeAddress()
			if err != nil {
				return err
			}
			e.Setenv("ADDRESS", address)
			e.Setenv("EEMT_SERVER", "http://"+address)
			for name, data := range files {
				if err := os.WriteFile(filepath.Join(e.WorkDir, name), data, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"stamps":     stamps,
			"samestamps": sameStamps,
			"answers":    answers,
			"setenvfrom": setenvFrom,
			"sums":       sums,
		},
	})
}

// huge is a DEM of side x side cells of 30 m, every block of which is the same one.
func huge(t *testing.T, side int) []byte {
	t.Helper()
	const block = 512
	var tile bytes.Buffer
	z := zlib.NewWriter(&tile)
	if _, err := z.Write(bytes.Repeat([]byte{0, 0, 0x7a, 0x44}, block*block)); err != nil { // 1000 m
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	const first = 8 + 2 + 14*12 + 4
	var entries, values []byte
	entry := func(tag, kind uint16, count int, data []byte) {
		entries = le.AppendUint32(le.AppendUint16(le.AppendUint16(entries, tag), kind), uint32(count))
		if len(data) > 4 {
			entries = le.AppendUint32(entries, uint32(first+len(values)))
			values = append(values, data...)
			return
		}
		entries = append(entries, append(data, 0, 0, 0, 0)[:4]...)
	}
	short := func(tag uint16, v ...uint16) {
		var b []byte
		for _, x := range v {
			b = le.AppendUint16(b, x)
		}
		entry(tag, 3, len(v), b)
	}
	long := func(tag uint16, v ...uint32) {
		var b []byte
		for _, x := range v {
			b = le.AppendUint32(b, x)
		}
		entry(tag, 4, len(v), b)
	}
	double := func(tag uint16, v ...float64) {
		var b []byte
		for _, x := range v {
			b = le.AppendUint64(b, math.Float64bits(x))
		}
		entry(tag, 12, len(v), b)
	}
	blocks := (side + block - 1) / block * ((side + block - 1) / block)
	at := first + 8*blocks + 9*8 + 4*4*2 + 8 // after all values, with some room
	long(256, uint32(side))
	long(257, uint32(side))
	short(258, 32)
	short(259, 8)
	short(262, 1)
	short(277, 1)
	short(322, block)
	short(323, block)
	long(324, slices.Repeat([]uint32{uint32(at)}, blocks)...)
	long(325, slices.Repeat([]uint32{uint32(tile.Len())}, blocks)...)
	short(339, 3)
	double(33550, 30, 30, 0)
	double(33922, 0, 0, 0, 300000, 4000000, 0)
	short(34735, 1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32613)
	data := append([]byte("II*\x00\x08\x00\x00\x00"), 14, 0)
	data = append(append(append(data, entries...), 0, 0, 0, 0), values...)
	data = append(data, make([]byte, at-len(data))...)
	return append(append(data, tile.Bytes()...), make([]byte, 8<<20)...) // so that so many cells could be there
}

// recordStamps are the names, times and sizes of the records and results below a directory.
func recordStamps(ts *testscript.TestScript, dir string) string {
	var b bytes.Buffer
	ts.Check(filepath.Walk(ts.MkAbs(dir), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			b.WriteString(path + " " + info.ModTime().String() + "\n")
		}
		return err
	}))
	return b.String()
}

// stamps notes when every file below a directory was written.
func stamps(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("STAMPS", recordStamps(ts, args[0]))
}

// sameStamps fails unless every file below a directory is as stamps found it;
// negated, unless some file changed.
func sameStamps(ts *testscript.TestScript, neg bool, args []string) {
	if same := recordStamps(ts, args[0]) == ts.Getenv("STAMPS"); same == neg {
		ts.Fatalf("files below %s unchanged: %t", args[0], same)
	}
}

// sums writes the checksums of a report's maps as sha256sum reads them; with --inputs those of
// the files that it was made of.
func sums(ts *testscript.TestScript, _ bool, args []string) {
	inputs := args[0] == "--inputs"
	if inputs {
		args = args[1:]
	}
	var report struct {
		DEM     struct{ Name, SHA256 string }
		Sources []struct{ File, SHA256 string }
		Layers  []struct{ Name, SHA256 string }
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &report))
	var b strings.Builder
	if inputs {
		fmt.Fprintf(&b, "%s  %s\n", report.DEM.SHA256, report.DEM.Name)
		for _, s := range report.Sources {
			_, own, _ := strings.Cut(s.File, "_") // the name in the bucket begins with an id
			fmt.Fprintf(&b, "%s  %s\n", s.SHA256, own)
		}
	} else {
		for _, l := range report.Layers {
			fmt.Fprintf(&b, "%s  %s\n", l.SHA256, l.Name)
		}
	}
	if strings.Count(b.String(), "\n") < 2 {
		ts.Fatalf("%s has no checksums", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o600))
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// answers waits until the server of the script answers; negated, until it does not.
func answers(ts *testscript.TestScript, neg bool, _ []string) {
	for range 400 {
		r, err := http.Get(ts.Getenv("EEMT_SERVER") + "/healthz")
		if err == nil {
			_ = r.Body.Close()
		}
		if (err == nil) != neg {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("the server answers: %t", neg)
}

// setenvFrom sets a variable to the content of a file, stdout included, without the line's end.
func setenvFrom(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}
