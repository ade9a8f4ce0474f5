// Command volume makes a directory of a node that everybody may write to, or removes it, for the volume of a test.
//
//	volume make|remove DIRECTORY
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "volume: give make or remove, and a directory")
		os.Exit(2)
	}
	var err error
	switch verb, dir := os.Args[1], os.Args[2]; verb {
	case "make":
		if err = os.MkdirAll(dir, 0o777); err == nil {
			err = os.Chmod(dir, 0o777) // the services run under an account of their own
		}
	case "remove":
		err = os.RemoveAll(dir)
	default:
		err = fmt.Errorf("%s: must be make or remove", verb)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "volume:", err)
		os.Exit(1)
	}
}
