package dirbucket

import (
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	sniffLen   = 512     // what http.DetectContentType looks at
	maxSidecar = 1 << 20 // a larger one was not written here
)

// attrs is what a sidecar holds.
type attrs struct {
	ContentType        string            `json:"content_type,omitempty"`
	CacheControl       string            `json:"cache_control,omitempty"`
	ContentDisposition string            `json:"content_disposition,omitempty"`
	ContentEncoding    string            `json:"content_encoding,omitempty"`
	ContentLanguage    string            `json:"content_language,omitempty"`
	Metadata           map[string]string `json:"metadata,omitempty"`
}

func (a attrs) empty() bool {
	return a.ContentType == "" && a.CacheControl == "" && a.ContentDisposition == "" && a.ContentEncoding == "" &&
		a.ContentLanguage == "" && len(a.Metadata) == 0
}

func (a attrs) encode() []byte {
	// Strings always encode.
	data, _ := json.Marshal(a)
	return data
}

// sidecar names the hidden file that holds the attributes of the object file name as it was at info.
func sidecar(name string, info fs.FileInfo) string {
	id := strconv.FormatInt(info.ModTime().UnixNano(), 36) + "-" + strconv.FormatInt(info.Size(), 36)
	dir, base := filepath.Split(name)
	return dir + "." + base + "." + id + ".attrs"
}

// sidecarOf returns the object file that a directory entry is the sidecar of.
func sidecarOf(entry string) (base, id string, ok bool) {
	rest, hasDot := strings.CutPrefix(entry, ".")
	rest, hasExt := strings.CutSuffix(rest, ".attrs")
	i := strings.LastIndexByte(rest, '.')
	if !hasDot || !hasExt || i <= 0 {
		return "", "", false
	}
	return rest[:i], rest[i+1:], true
}

// attrs returns the attributes of an open object; an unreadable sidecar counts as none.
func (b *bucket) attrs(key string, f *os.File, info fs.FileInfo) attrs {
	var a attrs
	if side, err := b.root.Open(sidecar(b.locate(key), info)); err == nil {
		data, err := io.ReadAll(io.LimitReader(side, maxSidecar))
		_ = side.Close()
		if err != nil || json.Unmarshal(data, &a) != nil {
			a = attrs{}
		}
	}
	if a.ContentType == "" {
		a.ContentType = byExtension[strings.ToLower(path.Ext(key))]
	}
	if a.ContentType == "" {
		head := make([]byte, sniffLen)
		n, _ := f.ReadAt(head, 0)
		a.ContentType = sniff(head[:n])
	}
	return a
}

// typeOf is the content type of an object without a sidecar.
func typeOf(key string, head []byte) string {
	if t := byExtension[strings.ToLower(path.Ext(key))]; t != "" {
		return t
	}
	return sniff(head)
}

func sniff(head []byte) string { return http.DetectContentType(head) }

// byExtension does not depend on the machine, unlike package mime's table.
var byExtension = map[string]string{
	".csv":     "text/csv; charset=utf-8",
	".geojson": "application/geo+json",
	".gz":      "application/gzip",
	".html":    "text/html; charset=utf-8",
	".jpg":     "image/jpeg",
	".json":    "application/json",
	".md":      "text/markdown; charset=utf-8",
	".nc":      "application/x-netcdf",
	".pdf":     "application/pdf",
	".png":     "image/png",
	".svg":     "image/svg+xml",
	".tif":     "image/tiff",
	".tiff":    "image/tiff",
	".txt":     "text/plain; charset=utf-8",
	".webp":    "image/webp",
	".xml":     "application/xml",
	".zip":     "application/zip",
}
