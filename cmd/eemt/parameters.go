package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/param"
)

// parameterFlags are the flags of a job's parameters. They are made from the table of fields.
type parameterFlags []*parameterFlag

// parameterFlag is the pflag.Value of one parameter. Its text is read by parameters, so that an error has the words of the
// table.
type parameterFlag struct {
	field param.Field
	text  string
	given bool
}

func (p *parameterFlag) String() string   { return p.text }
func (p *parameterFlag) Type() string     { return string(p.field.Type) }
func (p *parameterFlag) IsBoolFlag() bool { return p.field.Type == param.BooleanField }

func (p *parameterFlag) Set(text string) error {
	p.text, p.given = text, true
	return nil
}

// addParameters gives a command the flags of the parameters that a workflow takes; an empty workflow means all.
func addParameters(c *cobra.Command, w param.Workflow) parameterFlags {
	var list parameterFlags
	for _, field := range param.Fields(w) {
		p := &parameterFlag{field: field}
		flag := c.Flags().VarPF(p, field.Flag(), "", field.Help())
		flag.DefValue = defaultText(field)
		flag.Annotations = map[string][]string{groupKey: {field.Group.Title()}, placeholderKey: {field.ValueWords()}}
		if p.IsBoolFlag() {
			flag.NoOptDefVal = "true"
		}
		completeValues(c, field)
		list = append(list, p)
	}
	return list
}

// defaultText is what help shows as the default of a parameter.
func defaultText(f param.Field) string {
	if f.Unset != "" {
		return f.Unset
	}
	var text string
	raw := f.Default()
	if json.Unmarshal(raw, &text) == nil || f.Type == param.BooleanField {
		return text
	}
	return string(raw)
}

// parameters are the defaults with what was given. They are not validated.
func (l parameterFlags) parameters() (param.Parameters, error) {
	p := param.DefaultParameters()
	given := map[string]bool{}
	var errs []error
	for _, f := range l {
		if !f.given {
			continue
		}
		given[f.field.Name] = true
		err := f.field.SetText(&p, f.text)
		var wrong *param.FieldError
		if errors.As(err, &wrong) {
			wrong.Name = f.field.Flag()
		}
		errs = append(errs, err)
	}
	p.OneYear(given["start_year"], given["end_year"])
	return p, errors.Join(errs...)
}

// fields are those of a submission with what was given.
func (l parameterFlags) fields() []client.Field {
	var list []client.Field
	for _, f := range l {
		if f.given {
			list = append(list, client.Field{Name: f.field.Name, Value: f.text})
		}
	}
	return list
}

// withYears adds to the fields of a submission the year that one year alone means.
func withYears(fields []client.Field, p param.Parameters) []client.Field {
	usual := param.DefaultParameters()
	given := func(name string) bool {
		return slices.ContainsFunc(fields, func(f client.Field) bool { return f.Name == name })
	}
	if p.StartYear != usual.StartYear && !given("start_year") {
		fields = append(fields, client.Field{Name: "start_year", Value: strconv.Itoa(p.StartYear)})
	}
	if p.EndYear != usual.EndYear && !given("end_year") {
		fields = append(fields, client.Field{Name: "end_year", Value: strconv.Itoa(p.EndYear)})
	}
	return fields
}

// completeValues lets the shell complete the values of a parameter.
func completeValues(c *cobra.Command, f param.Field) {
	switch {
	case len(f.Items) > 0:
		completeFlag(c, f.Flag(), listOf(f.Items))
	case len(f.Allowed) > 0:
		completeFlag(c, f.Flag(), oneOf(f.Allowed))
	case f.Name == "climate":
		completeFlag(c, f.Flag(), climateSources)
	case f.Raster == "":
		completeFlag(c, f.Flag(), cobra.NoFileCompletions)
	}
}

func completeFlag(c *cobra.Command, name string, values cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(name, values); err != nil {
		panic(err) // the flag is missing, or has values already
	}
}

func oneOf(values []string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

// listOf completes the last of several values, separated by commas.
func listOf(values []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
		before := text[:strings.LastIndex(text, ",")+1]
		var list []string
		for _, v := range values {
			if !strings.Contains(","+before, ","+v+",") {
				list = append(list, before+v)
			}
		}
		return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}
