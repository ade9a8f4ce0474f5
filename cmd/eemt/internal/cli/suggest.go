package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/remedy"
)

// WrongFlag words an error of the command line, with a suggestion.
func WrongFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	see := "see: " + c.CommandPath() + " --help"
	switch {
	case errors.As(err, &unknown):
		if args := c.Flags().Args(); c.HasSubCommands() && len(args) > 0 { // the command before the flag is what is wrong
			return Group(c, args)
		}
		if hint := suggestFlag(c, unknown); hint != "" {
			see = hint
		}
	case errors.As(err, &invalid):
		f, reason := invalid.GetFlag(), invalid.Unwrap().Error()
		if f.Value.Type() == "bool" {
			reason = "must be true or false"
		}
		err = fmt.Errorf("%s %q: %s", f.Name, invalid.GetValue(), reason)
	}
	return WithCode(fmt.Errorf("%w; %s", err, see), 2)
}

// suggestFlag says which flag may have been meant; empty if none is near.
func suggestFlag(c *cobra.Command, unknown *pflag.NotExistError) string {
	name := strings.ReplaceAll(unknown.GetSpecifiedName(), "_", "-")
	if short := unknown.GetSpecifiedShortnames(); short != "" {
		if _, err := os.Stat("-" + short); err == nil {
			return "a file whose name begins with a dash is given as ./-" + short
		}
		if f := c.Flags().Lookup(short); f != nil && !f.Hidden {
			return fmt.Sprintf("did you mean --%s?", f.Name)
		}
		return ""
	}
	if f, ok := param.FieldOf(strings.ReplaceAll(name, "-", "_")); ok && f.Only != "" && c.Name() != string(f.Only) && c.HasParent() {
		if _, _, err := c.Parent().Find([]string{string(f.Only)}); err == nil {
			return fmt.Sprintf("it belongs to the other workflow: %s %s --help", c.Parent().CommandPath(), f.Only)
		}
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	near := nearest(name, names)
	if len(near) == 0 {
		return ""
	}
	return "did you mean --" + strings.Join(near, " or --") + "?"
}

// mostSuggestions is how many names are suggested at a time.
const mostSuggestions = 3

// nearest finds the names that a word may stand for: those that it begins, or else those that differ by the fewest letters,
// at most a third of them.
func nearest(word string, names []string) []string {
	word = strings.ToLower(word)
	var list []string
	least := max(1, len(word)/3) + 1
	for _, n := range names {
		d := distance(word, n)
		if len(word) >= 3 && (strings.HasPrefix(n, word) || slices.Contains(strings.Split(n, "-"), word)) {
			d = 0
		}
		switch {
		case d < least:
			least, list = d, []string{n}
		case d == least && len(list) > 0:
			list = append(list, n)
		}
	}
	if len(list) > mostSuggestions {
		return nil
	}
	return list
}

// distance counts the letters to insert, remove, change or swap with their neighbour that make b of a (optimal string
// alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

// Group runs a command that only has others below it.
func Group(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	return WithCode(fmt.Errorf("unknown command %q for %q; %s", args[0], c.CommandPath(), suggestCommand(c, args)), 2)
}

// suggestCommand says which command may have been meant by the arguments of c.
func suggestCommand(c *cobra.Command, args []string) string {
	word := args[0]
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(word); len(near) > 0 {
		return "did you mean " + strings.Join(near, " or ") + "?"
	}
	run := c
	if c.Name() != "run" && c.Name() != "submit" {
		run, _, _ = c.Root().Find([]string{"run"})
	}
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = remedy.Quote(a)
	}
	switch _, err := os.Stat(word); {
	case word == string(param.Sol) || word == string(param.EEMT):
		return "did you mean: " + strings.Join(append([]string{run.CommandPath()}, words...), " ")
	case slices.Contains([]string{".tif", ".tiff"}, strings.ToLower(filepath.Ext(word))), err == nil:
		return fmt.Sprintf("did you mean: %s %s %s", run.CommandPath(), param.Sol, words[0])
	}
	return "see: " + c.CommandPath() + " --help"
}
