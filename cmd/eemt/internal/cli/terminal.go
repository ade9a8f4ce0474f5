package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/cyverse-gis/eemt/shared/finding"
)

// Plain makes a text from elsewhere fit for a line of a terminal.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// PrintFindings prints a line for each finding.
func PrintFindings(w io.Writer, list finding.List) error {
	for _, f := range list {
		what := string(f.Severity)
		if f.Accepted {
			what += ", accepted"
		}
		if _, err := fmt.Fprintf(w, "%s: %s (%s)\n", what, f.Sentence(), f.Code); err != nil {
			return err
		}
	}
	return nil
}
