package compute

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// ResultNames lists the files that a job leaves among its results: maps, previews, item and report.
func ResultNames(w param.Workflow, p param.Parameters) []string {
	names := []string{ReportName, ItemName}
	for _, pr := range allProducts(w, p) {
		for _, m := range pr.maps {
			names = append(names, m.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(summaryMaps(job.Request{Workflow: w, Parameters: p}))) {
		names = append(names, previewName(name))
	}
	return names
}

// previewName is the picture of a map.
func previewName(name string) string {
	return "previews/" + strings.TrimSuffix(path.Base(name), ".tif") + ".png"
}
