package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// operation is a transformation from a datum to WGS84: geocentric shifts, one after the other.
type operation struct {
	name, codes string
	accuracy    float64
	bbox        [4]float64 // west, south, east, north, degrees
	offshore    bool
	steps       string
}

func (o operation) fields() []string {
	off := ""
	if o.offshore {
		off = "1"
	}
	box := make([]string, 4)
	for i, v := range o.bbox {
		box[i] = short(v)
	}
	return []string{o.name, o.codes, short(o.accuracy), strings.Join(box, ","), off, o.steps}
}

// operations asks PROJ's projinfo for the transformations of a geographic system to WGS84 which need no grid, in PROJ's
// order. The folder of the database must hold no grids, or those count as there.
//
// PROJ offers to take positions as they are where no area covers that of the system; ballpark tells so.
func operations(db, code string) (list []operation, ballpark bool, err error) {
	cmd := exec.Command("projinfo", "-s", "EPSG:"+code, "-t", "EPSG:4326", "--grid-check", "discard_missing",
		"--spatial-test", "intersects", "-o", "PROJ,PROJJSON", "--single-line")
	cmd.Env = append(os.Environ(), "PROJ_DATA="+filepath.Dir(db))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, false, fmt.Errorf("projinfo EPSG:%s: %w", code, err)
	}
	ballpark = strings.Contains(string(out), "has ballpark transformation")
	for _, part := range strings.Split(string(out), "Operation No. ")[1:] {
		o, ok, err := readOperation(part)
		if err != nil {
			return nil, false, fmt.Errorf("EPSG:%s: %w", code, err)
		}
		if ok {
			list = append(list, o)
		}
	}
	return list, ballpark, nil
}

var (
	accuracyWord = regexp.MustCompile(`, ([\d.]+) m, `)
	stepParams   = regexp.MustCompile(`\+(\w+)=(\S+)`)
)

// readOperation reads one operation as projinfo prints it; false for one which shifts nothing or not by Helmert.
func readOperation(text string) (operation, bool, error) {
	var o operation
	var pipeline, object string
	head := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "+proj="):
			pipeline = line
		case strings.HasPrefix(line, "{"):
			object = line
		case strings.Contains(line, ", ") && head == "":
			head = line
		}
	}
	if strings.Contains(head, "allpark") {
		return o, false, nil
	}
	m := accuracyWord.FindStringSubmatch(head)
	if m == nil {
		return o, false, nil
	}
	o.accuracy = number(m[1])
	o.offshore = strings.Contains(head, "- offshore")
	var ok bool
	if o.steps, ok = steps(pipeline); !ok {
		return o, false, nil
	}
	var j projJSON
	if err := json.Unmarshal([]byte(object), &j); err != nil {
		return o, false, fmt.Errorf("%s: %w", head, err)
	}
	o.name = j.Name
	o.codes = strings.Join(j.codes(), "+")
	o.bbox, ok = j.box()
	if !ok || o.codes == "" {
		return o, false, fmt.Errorf("%s: no code or no area", head)
	}
	return o, true, nil
}

type projJSON struct {
	Name  string
	Steps []projJSON
	ID    struct {
		Authority string
		Code      json.RawMessage
	}
	BBox *struct {
		South float64 `json:"south_latitude"`
		West  float64 `json:"west_longitude"`
		North float64 `json:"north_latitude"`
		East  float64 `json:"east_longitude"`
	}
	Usages []projJSON
}

// codes lists the codes of the operation, or those of its steps which are no change of prime meridian.
func (j projJSON) codes() []string {
	if j.ID.Authority != "" {
		return []string{strings.TrimSuffix(strings.TrimPrefix(j.ID.Authority, "INVERSE("), ")") + ":" + strings.Trim(string(j.ID.Code), `"`)}
	}
	var list []string
	for _, s := range j.Steps {
		list = append(list, s.codes()...)
	}
	return list
}

// box is the area of use; that of steps is where they overlap.
func (j projJSON) box() (box [4]float64, ok bool) {
	if j.BBox == nil && len(j.Usages) > 0 {
		return j.Usages[0].box()
	}
	if j.BBox != nil {
		return [4]float64{j.BBox.West, j.BBox.South, j.BBox.East, j.BBox.North}, true
	}
	for _, s := range j.Steps {
		b, has := s.box()
		switch {
		case !has:
		case !ok:
			box, ok = b, true
		default:
			box = [4]float64{max(box[0], b[0]), max(box[1], b[1]), min(box[2], b[2]), min(box[3], b[3])}
		}
	}
	return box, ok
}

// steps turns a pipeline into geocentric shifts "x y z rx ry rz s px py pz", metres, seconds in the sense of a position
// vector, parts per million, metres; "-" before x marks one which runs backward. Steps are joined by a slash.
func steps(pipeline string) (string, bool) {
	var list []string
	for _, s := range strings.Split(pipeline, "+step") {
		p := map[string]string{}
		for _, m := range stepParams.FindAllStringSubmatch(s, -1) {
			p[m[1]] = m[2]
		}
		switch p["proj"] {
		case "pipeline", "axisswap", "unitconvert", "push", "pop", "cart", "longlat", "noop":
			continue
		case "helmert", "molobadekas":
		default:
			return "", false
		}
		if p["t_epoch"] != "" || p["dx"] != "" {
			return "", false // a datum which moves
		}
		turn := 1.0
		if p["convention"] == "coordinate_frame" {
			turn = -1
		}
		var v []string
		for _, name := range []string{"x", "y", "z", "rx", "ry", "rz", "s", "px", "py", "pz"} {
			f := 0.0
			if p[name] != "" {
				f, _ = strconv.ParseFloat(p[name], 64)
			}
			if name[0] == 'r' && f != 0 {
				f *= turn
			}
			v = append(v, short(f))
		}
		for len(v) > 3 && v[len(v)-1] == "0" {
			v = v[:len(v)-1]
		}
		text := strings.Join(v, " ")
		if strings.Contains(s, "+inv") {
			text = "inv " + text
		}
		list = append(list, text)
	}
	return strings.Join(list, "/"), true
}
