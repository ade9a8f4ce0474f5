package docs_test

import (
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```")
	code    = regexp.MustCompile("`[^`]*`")
)

// anchors are the fragments of a page's headings, formed as GitHub does.
func anchors(text string) map[string]bool {
	set := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		a := strings.ToLower(strings.TrimSpace(m[1]))
		a = strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', 'a' <= r && r <= 'z', '0' <= r && r <= '9':
				return r
			}
			return -1
		}, a)
		set[a] = true
	}
	return set
}

func TestLinks(t *testing.T) {
	found := 0
	for _, page := range pages(t) {
		text := code.ReplaceAllString(fenced.ReplaceAllString(read(t, page), ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: link %q: %v", page, m[1], err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			found++
			target := page
			if u.Path != "" {
				target = path.Join(path.Dir(page), u.Path)
			}
			info, err := os.Stat(filepath.Join(root(t), filepath.FromSlash(target)))
			if err != nil {
				t.Errorf("%s: link %q: %v", page, m[1], err)
				continue
			}
			if u.Fragment != "" && (info.IsDir() || !anchors(read(t, target))[u.Fragment]) {
				t.Errorf("%s: link %q: %s has no such heading", page, m[1], target)
			}
		}
	}
	if found < 10 {
		t.Errorf("%d relative links found: the pages should lead to each other", found)
	}
}

// The picture on the first screen is one that loads quickly.
func TestPictures(t *testing.T) {
	list, err := filepath.Glob(filepath.Join(root(t), "docs", "images", "*"))
	if err != nil || len(list) == 0 {
		t.Fatalf("no pictures: %v", err)
	}
	all := ""
	for _, p := range pages(t) {
		all += read(t, p)
	}
	for _, p := range list {
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if path.Ext(p) == ".svg" {
			err = wellFormed(f)
		} else {
			_, err = png.Decode(f)
		}
		if err != nil || info.Size() > 300<<10 {
			t.Errorf("%s: %d bytes, %v; want a PNG, or a drawing in SVG, of at most 300 KiB", p, info.Size(), err)
		}
		_ = f.Close()
		if !strings.Contains(all, "images/"+filepath.Base(p)) {
			t.Errorf("%s: no page shows it", p)
		}
	}
}

// wellFormed reads XML to its end.
func wellFormed(r io.Reader) error {
	d := xml.NewDecoder(r)
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// A line of help that begins with a flag.
var flags = regexp.MustCompile(`(?m)^ +(?:-[a-z], )?--([a-z][a-z-]+)`)

// The guide and the program know the same flags.
func TestFlags(t *testing.T) {
	bin := build(t)
	guide := read(t, "docs/guide.md")
	known := map[string]bool{}
	for _, args := range [][]string{
		{"run", "sol"},
		{"run", "eemt"},
		{"check"},
		{"serve"},
		{"cleanup"},
		{"submit", "sol"},
		{"submit", "eemt"},
		{"jobs"},
		{"watch"},
		{"results"},
		{"cancel"},
		{"delete"},
		{"rerun"},
		{"keep"},
		{"unkeep"},
		{"export"},
		{"import"},
		{"version"},
		{"login"},
		{"logout"},
		{"token"},
		{"keys", "create"},
		{"keys", "list"},
		{"keys", "revoke"},
		{"share"},
		{"quota"},
	} {
		out, err := exec.Command(filepath.Join(bin, "eemt"), append(args, "--help")...).CombinedOutput()
		if err != nil {
			t.Fatalf("eemt %v --help: %v\n%s", args, err, out)
		}
		for _, m := range flags.FindAllStringSubmatch(string(out), -1) {
			known[m[1]] = true
			if m[1] != "help" && !strings.Contains(guide, "`--"+m[1]) {
				t.Errorf("docs/guide.md says nothing of --%s of eemt %s", m[1], strings.Join(args, " "))
			}
		}
	}
	// What a run takes has a row of the table, alone or with its like.
	_, table, _ := strings.Cut(guide, "\n## eemt run\n")
	table, _, _ = strings.Cut(table, "\n### ")
	for _, w := range []string{"sol", "eemt"} {
		out, err := exec.Command(filepath.Join(bin, "eemt"), "run", w, "--help").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, m := range flags.FindAllStringSubmatch(string(out), -1) {
			row := regexp.MustCompile("(?m)^\\| (?:`--[a-z-]+`, )?`--" + m[1] + "`")
			if n := len(row.FindAllString(table, -1)); m[1] != "help" && n != 1 {
				t.Errorf("docs/guide.md: the table of eemt run has %d rows of --%s", n, m[1])
			}
		}
	}
	if len(known) < 15 {
		t.Fatalf("%d flags found in the help: %v", len(known), known)
	}
	for _, m := range regexp.MustCompile("`--([a-z][a-z-]+)[` ]").FindAllStringSubmatch(guide, -1) {
		if !known[m[1]] {
			t.Errorf("docs/guide.md tells of --%s, which the program does not have", m[1])
		}
	}
}
