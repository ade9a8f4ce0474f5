package main

import (
	"github.com/spf13/pflag"

	"github.com/cyverse-gis/eemt/shared/job"
)

// The annotations of flags that help reads: the heading a flag stands under, and what stands for its value.
const groupKey, placeholderKey = "group", "placeholder"

// machineGroup holds what does not change a result.
const machineGroup = "Machine"

var workflows = oneOf([]string{string(job.Sol), string(job.EEMT)})

// inGroup puts flags under a heading of help.
func inGroup(f *pflag.FlagSet, group string, names ...string) {
	for _, name := range names {
		if err := f.SetAnnotation(name, groupKey, []string{group}); err != nil {
			panic(err)
		}
	}
}
