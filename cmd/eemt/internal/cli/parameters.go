package cli

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/param"
)

// ParameterFlags are the flags of a job's parameters. They are made from the table of fields.
type ParameterFlags []*parameterFlag

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

// AddParameters gives a command the flags of the parameters that a workflow takes; an empty workflow means all.
func AddParameters(c *cobra.Command, w param.Workflow) ParameterFlags {
	var list ParameterFlags
	for _, field := range param.Fields(w) {
		p := &parameterFlag{field: field}
		flag := c.Flags().VarPF(p, field.Flag(), "", field.Help())
		flag.DefValue = defaultText(field)
		flag.Annotations = map[string][]string{GroupKey: {field.Group.Title()}, placeholderKey: {field.ValueWords()}}
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

// Parameters are the defaults with what was given. They are not validated.
func (l ParameterFlags) Parameters() (param.Parameters, error) {
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

// Fields are those of a submission with what was given.
func (l ParameterFlags) Fields() []client.Field {
	var list []client.Field
	for _, f := range l {
		if f.given {
			list = append(list, client.Field{Name: f.field.Name, Value: f.text})
		}
	}
	return list
}

// completeValues lets the shell complete the values of a parameter.
func completeValues(c *cobra.Command, f param.Field) {
	switch {
	case len(f.Items) > 0:
		CompleteFlag(c, f.Flag(), ListOf(f.Items))
	case len(f.Allowed) > 0:
		CompleteFlag(c, f.Flag(), OneOf(f.Allowed))
	case f.Name == "climate":
		CompleteFlag(c, f.Flag(), climateSources)
	case f.Raster == "":
		CompleteFlag(c, f.Flag(), cobra.NoFileCompletions)
	}
}

// CompleteFlag lets the shell complete the values of a flag.
func CompleteFlag(c *cobra.Command, name string, values cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(name, values); err != nil {
		panic(err) // the flag is missing, or has values already
	}
}

// OneOf completes one of several values.
func OneOf(values []string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

// ListOf completes the last of several values, separated by commas.
func ListOf(values []string) cobra.CompletionFunc {
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
