package dirbucket

import (
	"path/filepath"
	"runtime"
	"strings"
	"unicode/utf8"
)

// keyPath returns the file of a key relative to the bucket's directory. The file lies in the directory: no segment is "..".
func keyPath(key string) string { return pathOf(key, fileName) }

// oldPath is the file that programs wrote for a key that escaped every control character, '%' and '\\'.
func oldPath(key string) string { return pathOf(key, escape) }

func pathOf(key string, name func(segment string) string) string {
	segments := strings.Split(key, "/")
	for i, s := range segments {
		segments[i] = name(s)
	}
	return strings.Join(segments, string(filepath.Separator))
}

// fileName returns the file name of one segment of a key: the segment itself, or where that cannot be the name of a
// visible file, or is already the name of such a segment, the segment escaped. Every visible name is that of one segment.
func fileName(segment string) string {
	if unnameable(segment) {
		return escape(segment)
	}
	return segment
}

// unnameable reports whether a segment cannot be a file name as it is.
func unnameable(segment string) bool {
	for {
		if segment == "" || segment[0] == '.' {
			return true
		}
		for i := range len(segment) {
			if forbidden(segment[i]) {
				return true
			}
		}
		// Each round takes escapes away, so that the text gets shorter.
		inner, ok := unescape(segment)
		if !ok || inner == segment {
			return false
		}
		segment = inner
	}
}

// forbidden are the bytes that no file name has.
func forbidden(c byte) bool {
	return c == 0 || runtime.GOOS == "windows" && (c < ' ' || strings.IndexByte(`\<>:"|?*`, c) >= 0)
}

// segmentOf returns the segment whose file name is name, and false if there is none: names that begin with a dot are
// of files that are no objects.
func segmentOf(name string) (string, bool) {
	if name == "" || name[0] == '.' {
		return "", false
	}
	if s, ok := unescape(name); ok && s != name && unnameable(s) {
		return s, true
	}
	return name, fileName(name) == name
}

// Named reports whether a file of a bucket's directory is the object of its own name: other files are no objects, or
// have keys that are spelled differently.
func Named(name string) bool {
	s, ok := segmentOf(name)
	return ok && s == name && utf8.ValidString(name)
}

const hexDigits = "0123456789ABCDEF"

// escape writes a segment with %XX for what may not stand in a name.
func escape(segment string) string {
	if segment == "" {
		return "%"
	}
	var out strings.Builder
	for i := range len(segment) {
		c := segment[i]
		if reserved(c) || c == '.' && i == 0 {
			out.WriteByte('%')
			out.WriteByte(hexDigits[c>>4])
			out.WriteByte(hexDigits[c&15])
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

func reserved(c byte) bool {
	if c < ' ' || c == 0x7f || c == '%' || c == '\\' {
		return true
	}
	return runtime.GOOS == "windows" && strings.IndexByte(`<>:"|?*`, c) >= 0
}

// unescape undoes escape, and returns false for what escape does not write.
func unescape(name string) (string, bool) {
	if name == "%" {
		return "", true
	}
	if !strings.Contains(name, "%") {
		return name, escape(name) == name
	}
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			out.WriteByte(name[i])
			continue
		}
		if i+2 >= len(name) {
			return "", false
		}
		hi, lo := strings.IndexByte(hexDigits, name[i+1]), strings.IndexByte(hexDigits, name[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		out.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	s := out.String()
	// Only the one spelling that escape produces can be opened again.
	return s, !strings.Contains(s, "/") && escape(s) == name
}
