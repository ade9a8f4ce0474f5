package main

import (
	"bytes"
	"flag"
	"net"
	"net/http"
	"os"
	"path/filepath"
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
// 30 m, other.tif, 20 x 20 cells of it, bare.tif, the same without a coordinate reference system, and factor.tif,
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
		"bare.tif":   demtest.EncodeAs(t, hills, demtest.Place(), raster.GeoKeys{}),
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
		},
	})
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
