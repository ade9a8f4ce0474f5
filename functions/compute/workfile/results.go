package workfile

import (
	"path"
	"strings"

	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/product"
)

// ItemName is the result that describes the others for catalogues.
const ItemName = "item.json"

// ResultNames lists the files that a job leaves among its results: maps, previews, item and report.
func ResultNames(w param.Workflow, p param.Parameters) []string {
	names := []string{ReportName, ItemName}
	var previews []string
	for _, m := range product.Maps(w, p) {
		names = append(names, m.Name)
		if m.Summary {
			previews = append(previews, PreviewName(m.Name))
		}
	}
	return append(names, previews...)
}

// PreviewName is the preview of a map, among the results.
func PreviewName(name string) string {
	return "previews/" + strings.TrimSuffix(path.Base(name), ".tif") + ".png"
}

// ReportName is the run report among the results.
const ReportName = "report.json"
