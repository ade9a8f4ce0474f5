package param

import (
	"regexp"
	"slices"
	"strings"
)

// Sentences name parameters by their flags, as in "state it with --dem-crs EPSG:CODE". For who sends a form or JSON, AsFields says
// the same by the names of fields, "state it with dem_crs=EPSG:CODE"; AsFlags turns that back.

// value is what follows a flag: a list has no blanks, and a sign of punctuation at its end is none of it.
const value = `[^\s,;)]+(?:,[^\s,;)]+)*`

var flagOf, fieldOf = func() (flags, names *regexp.Regexp) {
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.Name
	}
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	all := strings.Join(list, "|")
	return regexp.MustCompile(`--(` + strings.ReplaceAll(all, "_", "-") + `)(?: (` + value + `))?(?:$|\b)`), regexp.MustCompile(`\b(` + all + `)=(` + value + `)`)
}()

// verb is a word after a flag that is no value of it.
const verb = "says"

// AsFields names parameters by the fields of a form, which are those of JSON, in place of their flags.
func AsFields(sentence string) string {
	return flagOf.ReplaceAllStringFunc(sentence, func(s string) string {
		m := flagOf.FindStringSubmatch(s)
		name := strings.ReplaceAll(m[1], "-", "_")
		switch m[2] {
		case "":
			return name
		case verb:
			return name + " " + verb
		}
		return name + "=" + m[2]
	})
}

// AsFlags names parameters by their flags in place of fields that have a value.
func AsFlags(sentence string) string {
	return fieldOf.ReplaceAllStringFunc(sentence, func(s string) string {
		name, v, _ := strings.Cut(s, "=")
		return "--" + strings.ReplaceAll(name, "_", "-") + " " + v
	})
}
