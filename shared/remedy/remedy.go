// Package remedy puts the names of a user's files into the commands that messages give.
//
// Whoever writes a message writes its command with in.tif for the file that it is about, and out.tif or out_WORDS.tif for
// the file that the command makes: gdalwarp -t_srs EPSG:32613 in.tif out_utm.tif.
package remedy

import (
	"path"
	"regexp"
	"strings"
)

// placeholder finds in.tif, out.tif and out_WORDS.tif behind a space, as the value of an option, or as a file in an archive.
var placeholder = regexp.MustCompile(`(?:^|[\s=/])(in|out(?:_[a-z]+)*)\.tif`)

// For returns the text with the user's own name in place of in.tif, and names that are derived from it in place of
// out.tif and its like, quoted for a shell. An empty name leaves the text as it is.
func For(name, text string) string {
	if name == "" {
		return text
	}
	var b strings.Builder
	from := 0
	for _, at := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		if end := at[1]; end < len(text) && !strings.ContainsRune(" \t\n;,)/", rune(text[end])) {
			continue
		}
		word := Input(name)
		if suffix, made := strings.CutPrefix(text[at[2]:at[3]], "out"); made {
			word = Output(name, suffix)
		}
		b.WriteString(text[from:at[2]] + word)
		from = at[1]
	}
	return b.String() + text[from:]
}

// Input is the name of a file as a word of a command.
func Input(name string) string {
	if strings.HasPrefix(name, "-") { // else an option
		name = "./" + name
	}
	return Quote(name)
}

// Output is the name, as a word of a command, of a GeoTIFF that is made of the file: its base with a suffix, such as _utm,
// in the directory where the command runs.
func Output(name, suffix string) string {
	if suffix == "" {
		suffix = "_converted"
	}
	base := path.Base(name)
	for _, packed := range []string{".gz", ".zip", ".tar", ".tgz", ".bz2", ".xz", ".zst"} {
		if cut := len(base) - len(packed); cut > 0 && strings.EqualFold(base[cut:], packed) {
			base = base[:cut]
		}
	}
	if ext := path.Ext(base); ext != base {
		base = strings.TrimSuffix(base, ext)
	}
	return Input(base + suffix + ".tif")
}

// plain is a word that a shell takes as it stands.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./+,:@%-][A-Za-z0-9_./+,:@%=-]*$`)

// Quote writes a word so that a shell takes it as it is.
func Quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
