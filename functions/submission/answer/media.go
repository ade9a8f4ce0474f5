package answer

import (
	"path"
	"strings"
)

// ContentType is the media type of an object, by the end of its name.
func ContentType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".tif", ".tiff":
		return "image/tiff"
	case ".json":
		if path.Base(name) == "item.json" {
			return GeoJSON
		}
		return JSON
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".png":
		return "image/png"
	}
	return "application/octet-stream"
}
