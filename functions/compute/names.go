package compute

import (
	"path"
	"strings"

	"github.com/cyverse-gis/eemt/shared/param"
	table "github.com/cyverse-gis/eemt/shared/product"
)

// ResultNames lists the files that a job leaves among its results: maps, previews, item and report.
func ResultNames(w param.Workflow, p param.Parameters) []string {
	names := []string{ReportName, ItemName}
	var previews []string
	for _, m := range table.Maps(w, p) {
		names = append(names, m.Name)
		if m.Summary {
			previews = append(previews, previewName(m.Name))
		}
	}
	return append(names, previews...)
}

// previewName is the picture of a map.
func previewName(name string) string {
	return "previews/" + strings.TrimSuffix(path.Base(name), ".tif") + ".png"
}
