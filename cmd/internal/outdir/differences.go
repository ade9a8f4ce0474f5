package outdir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/shared/param"
)

// Differences says in what two origins differ in a way that may change a number, each in a few words, b being that of the
// run that is to begin.
func Differences(a, b Origin) []string {
	var list []string
	switch {
	case a.SHA256 == b.SHA256:
	case a.DEM == b.DEM:
		list = append(list, fmt.Sprintf("its DEM %s is another file of that name", a.DEM))
	default:
		list = append(list, fmt.Sprintf("DEM %s there, %s here", a.DEM, b.DEM))
	}
	if a.Workflow != b.Workflow {
		list = append(list, fmt.Sprintf("workflow %s there, %s here", a.Workflow, b.Workflow))
	}
	there, here := values(a.Parameters), values(b.Parameters)
	var names []string
	for name := range there {
		names = append(names, name)
	}
	for name := range here {
		if _, ok := there[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		was, is := there[name], here[name]
		switch {
		case content(was) == content(is):
		case plain(was) == plain(is):
			list = append(list, fmt.Sprintf("%s %s of another content", flag(name), plain(was)))
		default:
			list = append(list, fmt.Sprintf("%s %s there, %s here", flag(name), plain(was), plain(is)))
		}
	}
	return list
}

// unimportant are parameters that never change a number.
var unimportant = []string{"accept", "strict", "tile_size"}

// values are the parameters as texts, by their names in a record.
func values(p param.Parameters) map[string]string {
	data, _ := json.Marshal(p) // numbers, texts and booleans always encode
	var raw map[string]json.RawMessage
	_ = json.Unmarshal(data, &raw)
	texts := map[string]string{}
	for name, v := range raw {
		if slices.Contains(unimportant, name) {
			continue
		}
		var text string
		var list []any
		switch {
		case json.Unmarshal(v, &text) == nil:
		case json.Unmarshal(v, &list) == nil:
			parts := make([]string, len(list))
			for i, item := range list {
				parts[i] = fmt.Sprint(item)
			}
			text = strings.Join(parts, ",")
		default:
			text = string(v)
		}
		texts[name] = text
	}
	return texts
}

// storedFile is how a record names a file: by a part of the checksum of its content, and its name.
var storedFile = regexp.MustCompile(`inputs/([0-9a-f]{16})_([^,]*)`)

// content leaves the names of files out, plain what stands for their content.
func content(text string) string { return storedFile.ReplaceAllString(text, "$1") }

func plain(text string) string {
	if text == "" {
		return "none"
	}
	return storedFile.ReplaceAllString(text, "$2")
}

// flag is the name of a parameter on the command line.
func flag(name string) string {
	for _, f := range param.Fields("") {
		if f.RasterRecord() != "" && f.RasterRecord() == name {
			name = f.Name
		}
	}
	return strings.ReplaceAll(strings.TrimSuffix(name, "_climate"), "_", "-")
}

// sameContent compares two files byte by byte.
func sameContent(a, b string) bool {
	f, err := os.Open(a)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	g, err := os.Open(b)
	if err != nil {
		return false
	}
	defer func() { _ = g.Close() }()
	one, two := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(f, one)
		m, err2 := io.ReadFull(g, two)
		if n != m || !bytes.Equal(one[:n], two[:m]) {
			return false
		}
		if err != nil || err2 != nil {
			return ended(err) && ended(err2)
		}
	}
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
