package golden

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var subcommand = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*)  +\S`)

// TestHelp: each command says of itself what it said, with its flags, and completes the same flags.
func TestHelp(t *testing.T) {
	eemt := program(t)
	all := map[string][]string{}
	run := func(arguments ...string) string {
		c := exec.CommandContext(t.Context(), eemt, arguments...)
		c.Env = append(os.Environ(), "GOMEMLIMIT=", "COLUMNS=100")
		out, err := c.Output()
		if err != nil {
			t.Errorf("eemt %q: %v", arguments, err)
		}
		return string(out)
	}
	var visit func(command ...string)
	visit = func(command ...string) {
		name := strings.Join(append([]string{"eemt"}, command...), " ")
		text := run(append(command[:len(command):len(command)], "--help")...)
		all[name] = strings.Split(text, "\n")
		var flags []string
		for line := range strings.Lines(run(append(append([]string{"__completeNoDesc"}, command...), "--")...)) {
			if strings.HasPrefix(line, "--") {
				flags = append(flags, strings.TrimSpace(line))
			}
		}
		all[name+", flags"] = flags
		// A command with commands has no flags but --help, so that what is listed before them are its commands.
		before, _, _ := strings.Cut(text, "\nFlags:\n")
		if !strings.Contains(before, " [command]\n") {
			return
		}
		_, list, _ := strings.Cut(before, "Examples:\n")
		if list == "" {
			list = before
		}
		for _, m := range subcommand.FindAllStringSubmatch(list, -1) {
			if m[1] != "eemt" || len(command) > 0 && command[0] != "completion" && !strings.Contains(m[0], "eemt "+command[0]) {
				visit(append(command[:len(command):len(command)], m[1])...)
			}
		}
	}
	visit()
	check(t, "help", all)
}
