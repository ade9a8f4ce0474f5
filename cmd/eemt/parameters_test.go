package main

import (
	"slices"
	"testing"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Every parameter is a flag of each command that takes parameters, under its heading and with its range in help.
func TestEveryParameterIsAFlag(t *testing.T) {
	root := rootCommand("eemt")
	for _, c := range []struct {
		path []string
		w    param.Workflow
	}{
		{[]string{"run", "sol"}, param.Sol},
		{[]string{"run", "eemt"}, param.EEMT},
		{[]string{"submit", "sol"}, param.Sol},
		{[]string{"submit", "eemt"}, param.EEMT},
		{[]string{"check"}, ""},
		{[]string{"rerun"}, ""},
	} {
		command, _, err := root.Find(c.path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range param.Fields(c.w) {
			flag := command.Flags().Lookup(f.Flag())
			if flag == nil {
				t.Errorf("%v: no flag --%s", c.path, f.Flag())
				continue
			}
			if got := flag.Annotations[cli.GroupKey]; !slices.Equal(got, []string{f.Group.Title()}) || flag.Usage != f.Help() {
				t.Errorf("%v --%s: heading %v, words %q", c.path, f.Flag(), got, flag.Usage)
			}
			values := append(slices.Clone(f.Items), f.Allowed...)
			complete, _ := command.GetFlagCompletionFunc(f.Flag())
			if len(values) == 0 {
				continue
			}
			if complete == nil {
				t.Errorf("%v --%s: its values are not completed", c.path, f.Flag())
			} else if got, _ := complete(command, nil, ""); !slices.Equal(got, values) {
				t.Errorf("%v --%s: completed to %v, want %v", c.path, f.Flag(), got, values)
			}
		}
	}
}
