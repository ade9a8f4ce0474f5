package dirbucket

import (
	"path/filepath"
	"runtime"
	"strings"
)

// keyPath returns the file of a key relative to the bucket's directory. It never leaves it: no segment is "..".
func keyPath(key string) string {
	segments := strings.Split(key, "/")
	for i, s := range segments {
		segments[i] = escape(s)
	}
	return strings.Join(segments, string(filepath.Separator))
}

const hexDigits = "0123456789ABCDEF"

// escape returns the file name of one segment of a key.
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

// unescape returns the segment whose file name is name, and false if there is none.
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
