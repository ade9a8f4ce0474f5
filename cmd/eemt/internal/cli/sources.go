package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/shared/climate"
)

// daymet is the source that is a server.
const daymet = "daymet"

// climateSources completes the kind of a source, and the file of a table.
func climateSources(_ *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
	kind, path, ok := strings.Cut(text, ":")
	if !ok {
		return []string{climate.KindTable + ":", climate.KindPixel + ":", climate.KindRaster + ":", daymet + ":"},
			cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	if kind == daymet {
		return nil, directive
	}
	dir, _ := filepath.Split(path)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil, directive
	}
	var list []string
	for _, e := range entries {
		switch name := kind + ":" + dir + e.Name(); {
		case !strings.HasPrefix(name, text):
		case e.IsDir():
			list = append(list, name+"/")
		default:
			list = append(list, name)
		}
	}
	return list, directive
}
