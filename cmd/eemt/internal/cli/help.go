package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/cyverse-gis/eemt/shared/param"
)

// documents is where the guide is.
const documents = "https://github.com/cyverse-gis/eemt/blob/main/docs/guide.md"

// The annotations that help reads. Of a flag: the heading it stands under, and what stands for its value. Of a command: its
// exit codes and the environment variables that it reads, one a line as name, tab, words.
const (
	GroupKey, placeholderKey = "group", "placeholder"
	exitKey, environmentKey  = "exit codes", "environment"
)

// Headings of flags that are no parameters.
const (
	MachineGroup = "Machine"
	ServerGroup  = "Server"
	AccessGroup  = "Access"
	otherGroup   = "Other"
)

// headings in the order of help; a flag without one is basic.
var headings = []string{
	param.GroupBasic.Title(), param.GroupGround.Title(), param.GroupClimate.Title(), param.GroupOutput.Title(),
	ServerGroup, AccessGroup, MachineGroup, param.GroupExpert.Title(), otherGroup,
}

// InGroup puts flags under a heading of help.
func InGroup(f *pflag.FlagSet, group string, names ...string) {
	for _, name := range names {
		if err := f.SetAnnotation(name, GroupKey, []string{group}); err != nil {
			panic(err) // no such flag
		}
	}
}

// Environment variables, as help tells of them.
const (
	ServerVariable  = "EEMT_SERVER\taddress of the server, where --server is not given"
	BearerVariable  = "EEMT_TOKEN\ttoken or API key for the server, in place of that of eemt login"
	TokenVariable   = "EEMT_CLIMATE_TOKEN\ttoken that is sent along when climate rasters are read over https"
	MemoryVariable  = "GOMEMLIMIT\tmemory to use where --memory is not given, such as 4GiB"
	TempVariable    = "TMPDIR\tdirectory for temporary files"
	DaysVariable    = "EEMT_SUCCESS_RETENTION_DAYS\tdays that the data of completed jobs are kept"
	HoursVariable   = "EEMT_FAILED_RETENTION_HOURS\thours that failed jobs are kept"
	CacheVariable   = "EEMT_CACHE_RETENTION_DAYS\tdays that unused climate and rasters are kept"
	BatchVariable   = "EEMT_CLEANUP_BATCH_SIZE\tjobs that one cleanup removes at most"
	DryRunVariable  = "EEMT_DRY_RUN\ttrue: a cleanup removes nothing"
	StoppedByCtrlC  = "130\tstopped by Ctrl-C"
	wrongFlagOrFile = "2\ta flag is wrong, or a file is missing"
)

// LocalExits are the exit codes of a command that needs no server, done and failed in its words.
func LocalExits(done, failed string) []string {
	return []string{"0\t" + done, "1\t" + failed, wrongFlagOrFile, StoppedByCtrlC}
}

// RemoteExits are those of a command that speaks to a server.
func RemoteExits(done, failed string) []string {
	return []string{"0\t" + done, "1\t" + failed, wrongFlagOrFile, "3\tthe server cannot be reached", StoppedByCtrlC}
}

// Describe adds the exit codes of a command and the environment variables that it reads to its help.
func Describe(c *cobra.Command, exits []string, environment ...string) {
	c.Annotations = map[string]string{exitKey: strings.Join(exits, "\n"), environmentKey: strings.Join(environment, "\n")}
}

// Help prints the help of a command.
func Help(c *cobra.Command, _ []string) {
	out := c.OutOrStdout()
	_, _ = io.WriteString(out, helpText(c, helpWidth(out)))
}

// helpWidth is that of the terminal within bounds; elsewhere 100 columns.
func helpWidth(out io.Writer) int {
	if f, ok := out.(interface{ Fd() uintptr }); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			return min(max(w, 60), 120)
		}
	}
	return 100
}

func helpText(c *cobra.Command, width int) string {
	var b strings.Builder
	words := c.Long
	if words == "" {
		words = c.Short + "."
	}
	for _, paragraph := range strings.Split(words, "\n\n") {
		writeWrapped(&b, "", "", strings.ReplaceAll(paragraph, "\n", " "), width)
		b.WriteString("\n")
	}
	b.WriteString("Usage:\n")
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s [command]\n", c.CommandPath())
	} else {
		fmt.Fprintf(&b, "  %s\n", c.UseLine())
	}
	if c.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", c.Example)
	}
	writeCommands(&b, c, width)
	writeFlags(&b, c, width)
	writeRows(&b, "Exit codes", c.Annotations[exitKey], width)
	writeRows(&b, "Environment", c.Annotations[environmentKey], width)
	fmt.Fprintf(&b, "\nGuide: %s\n", documents)
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "Help on a command: %s [command] --help\n", c.CommandPath())
	}
	return b.String()
}

// writeCommands lists the commands below c, by their groups where they have any.
func writeCommands(b *strings.Builder, c *cobra.Command, width int) {
	if !c.HasAvailableSubCommands() {
		return
	}
	groups := c.Groups()
	if len(groups) == 0 {
		groups = []*cobra.Group{{Title: "Commands"}}
	}
	for _, g := range groups {
		var rows []string
		for _, sub := range c.Commands() {
			if sub.GroupID == g.ID && (sub.IsAvailableCommand() || sub.Name() == "help") {
				rows = append(rows, sub.Name()+"\t"+sub.Short)
			}
		}
		writeRows(b, g.Title, strings.Join(rows, "\n"), width)
	}
}

// writeFlags lists the flags under their headings.
func writeFlags(b *strings.Builder, c *cobra.Command, width int) {
	rows := map[string][]string{}
	c.Flags().SortFlags = false
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		group := param.GroupBasic.Title()
		switch g := f.Annotations[GroupKey]; {
		case len(g) > 0:
			group = g[0]
		case f.Name == "help" || f.Name == "version":
			group = otherGroup
		}
		rows[group] = append(rows[group], flagRow(f))
	})
	for _, heading := range headings {
		// Where all flags are alike, one heading tells more than two.
		title := heading
		if heading == param.GroupBasic.Title() && len(rows) <= 2 && len(rows[otherGroup]) > 0 {
			rows[heading], rows[otherGroup] = append(rows[heading], rows[otherGroup]...), nil
			title = "Flags"
		}
		writeRows(b, title, strings.Join(rows[heading], "\n"), width)
	}
}

// flagRow is the line of a flag: its name, and what it does.
func flagRow(f *pflag.Flag) string {
	placeholder, usage := pflag.UnquoteUsage(f)
	if p := f.Annotations[placeholderKey]; len(p) > 0 {
		placeholder = p[0]
	}
	name := "    --" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", --" + f.Name
	}
	if placeholder != "" {
		name += " " + placeholder
	}
	switch d := strings.Trim(f.DefValue, "[]"); {
	case f.Name == "help":
		usage = "show this help"
	case f.Name == "version":
		usage = "show the version"
	case d != "" && d != "false" && d != "0":
		usage += " (default " + d + ")"
	}
	return name + "\t" + usage
}

// nameWidth is the widest name that has its words beside it; those of a wider one begin on the next line.
const nameWidth = 27

// writeRows writes a heading with rows of name, tab, words below it; nothing if there are none.
func writeRows(b *strings.Builder, heading, text string, width int) {
	if text == "" {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", heading)
	rows := strings.Split(text, "\n")
	column := 0
	for _, row := range rows {
		if name, _, _ := strings.Cut(row, "\t"); len(name) <= nameWidth {
			column = max(column, len(name))
		}
	}
	indent := strings.Repeat(" ", 2+column+2)
	for _, row := range rows {
		name, words, _ := strings.Cut(row, "\t")
		first := fmt.Sprintf("  %-*s  ", column, name)
		if len(name) > column {
			fmt.Fprintf(b, "  %s\n", name)
			first = indent
		}
		writeWrapped(b, first, indent, words, width)
	}
}

// writeWrapped writes words in lines of at most width bytes where they can be broken, the first after first and the others
// after indent, which are of the same length.
func writeWrapped(b *strings.Builder, first, indent, words string, width int) {
	line := first
	for _, w := range strings.Fields(words) {
		if len(line) > len(indent) && len(line)+1+len(w) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		if len(line) > len(indent) {
			line += " "
		}
		line += w
	}
	b.WriteString(line + "\n")
}

// GroupCommands puts the commands of root under headings.
func GroupCommands(root *cobra.Command, groups map[string][]*cobra.Command, order ...string) {
	for _, title := range order {
		root.AddGroup(&cobra.Group{ID: title, Title: title})
		for _, c := range groups[title] {
			c.GroupID = title
			root.AddCommand(c)
		}
	}
	last := order[len(order)-1]
	root.SetHelpCommandGroupID(last)
	root.SetCompletionCommandGroupID(last)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short = "Show the help of a command"
		case "completion":
			c.Short, c.Long = "Print a script that lets a shell complete commands, flags, values and job ids", ""
			for _, shell := range c.Commands() {
				_, use, _ := strings.Cut(shell.Long, "\n")
				shell.Short = "Print the script for " + shell.Name()
				shell.Long = shell.Short + ".\n" + use
			}
		}
	}
}
