package remote

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/client"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/param"
)

func rerunCommand() *cobra.Command {
	var r remote
	then := follow{fresh: true}
	c := &cobra.Command{
		Use: "rerun ID", Short: "Submit a job again with some parameters changed", Args: oneJob,
		Long: `rerun submits a new job with the DEM and the parameters of an earlier one, except for the parameters that are given. It
works as long as the server keeps the data of the earlier job.`,
		Example: `  eemt rerun 01JTESTKDH6BKDYFCDM6QM1YQ4 --step 5
  eemt rerun 01JTESTKDH6BKDYFCDM6QM1YQ4 --shadows off --wait`,
	}
	parameters := cli.AddParameters(c, "")
	r.flags(c.Flags())
	then.flags(c.Flags(), &r)
	c.ValidArgsFunction = r.completeJobs(1)
	cli.Describe(c, cli.RemoteExits("the job is submitted; with --wait: completed", "the job failed, or the server refused it"), cli.ServerVariable)
	c.RunE = func(c *cobra.Command, args []string) error {
		api, err := r.client()
		if err != nil {
			return err
		}
		j, err := api.Job(c.Context(), args[0])
		if err != nil {
			return r.explain(c.Context(), err)
		}
		if j.Uploaded == "" {
			return fmt.Errorf("the server no longer has the DEM of job %s; submit it again with: eemt submit %s DEM", j.ID, j.Workflow)
		}
		fields, err := again(j, parameters.Fields())
		if err != nil {
			return cli.WithCode(err, 2)
		}
		return r.submit(c, fields, nil, then)
	}
	return c
}

// oneYear lets a first year alone after the last one of the job, or a last year alone before the first, mean that one year.
func oneYear(values map[string]string, given []client.Field) {
	has := func(name string) bool {
		return slices.ContainsFunc(given, func(f client.Field) bool { return f.Name == name })
	}
	start, startErr := strconv.Atoi(values["start_year"])
	end, endErr := strconv.Atoi(values["end_year"])
	switch {
	case startErr != nil || endErr != nil || start <= end:
	case has("start_year") && !has("end_year"):
		values["end_year"] = values["start_year"]
	case has("end_year") && !has("start_year"):
		values["start_year"] = values["end_year"]
	}
}

// again turns the parameters of a job into the fields of the next, the given ones over them.
func again(j client.Job, given []client.Field) ([]client.Field, error) {
	values := map[string]string{}
	for name, raw := range j.Parameters {
		text := string(raw)
		var list []json.RawMessage
		switch {
		case json.Unmarshal(raw, &list) == nil:
			parts := make([]string, len(list))
			for i := range list {
				parts[i] = strings.Trim(string(list[i]), `"`)
			}
			text = strings.Join(parts, ",")
		case strings.HasPrefix(text, `"`):
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, fmt.Errorf("parameter %s of job %s: %w", name, j.ID, err)
			}
		}
		values[name] = text
	}
	// Rasters and words are recorded beside the values whose place they take.
	for _, f := range param.Fields("") {
		if record := f.RasterRecord(); values[record] != "" {
			values[f.Name] = values[record]
			delete(values, record)
		}
		if values[f.WordRecord()] == "true" {
			values[f.Name] = f.Word
		}
		delete(values, f.WordRecord())
	}
	for _, f := range given {
		if kind, _, _ := strings.Cut(f.Value, ":"); f.Name == "climate" && (kind == climate.KindTable || kind == climate.KindPixel) {
			return nil, fmt.Errorf("climate %q: submit a job with another table with: eemt submit %s DEM --climate %s", f.Value, j.Workflow, f.Value)
		}
		values[f.Name] = f.Value
	}
	oneYear(values, given)
	fields := []client.Field{{Name: "workflow_type", Value: j.Workflow}, {Name: "uploaded_filename", Value: j.Uploaded}}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fields = append(fields, client.Field{Name: name, Value: values[name]})
	}
	return fields, nil
}
