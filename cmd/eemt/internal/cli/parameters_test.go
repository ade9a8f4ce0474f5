package cli

import (
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

func TestCompleteLists(t *testing.T) {
	got, directive := ListOf([]string{"beam", "diffuse", "skyview"})(nil, nil, "diffuse,sk")
	if want := []string{"diffuse,beam", "diffuse,skyview"}; !slices.Equal(got, want) || directive&cobra.ShellCompDirectiveNoSpace == 0 {
		t.Errorf("completed to %v with %v, want %v without a space", got, directive, want)
	}
}
