package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/transfer"
)

// transferOptions are the flags of eemt export and eemt import.
type transferOptions struct {
	data          string
	jobs          []string
	states        []string
	since, until  string
	dry, json     bool
	quiet         bool
	verb, verbed  string
	restoresClock bool
}

func exportCommand() *cobra.Command {
	o := transferOptions{verb: "export", verbed: "exported"}
	c := &cobra.Command{
		Use:   "export DEST",
		Short: "Copy jobs with their results to another directory or bucket",
		Long: `export copies jobs, with their input files and results, to a directory or to a bucket named by its URL: for a backup, or
to migrate to another server. A job appears at the destination when all of its files are there. Run again, the command
copies only what is missing or new, and changes nothing that was copied before. eemt serve --data DEST serves an exported
directory.`,
		Example: `  eemt export /backup/eemt
  eemt export gs://my-backup --data gs://my-maps --status completed
  eemt export one-job --job 01JTESTAAAAAAAAAAAAAAAAAAA`,
		Args: cli.Exactly("a directory or the URL of a bucket to copy to"),
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), o.data, args[0], c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	o.flags(c)
	return c
}

func importCommand() *cobra.Command {
	o := transferOptions{verb: "import", verbed: "imported", restoresClock: true}
	c := &cobra.Command{
		Use:   "import SOURCE",
		Short: "Copy exported jobs with their results to a server",
		Long: `import copies jobs from a directory or bucket that eemt export, or a server, has written. The server may be running
meanwhile. Jobs that were running are continued from their finished tiles. The retention time of an imported job counts
from its import. Records that exist already are not replaced. Run again, the command copies only what is missing.`,
		Example: `  eemt import /backup/eemt
  eemt import gs://my-backup --data gs://new-maps
  eemt import /backup/eemt --since 2026-01-01 --dry-run`,
		Args: cli.Exactly("a directory or the URL of a bucket to copy from"),
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), args[0], o.data, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	o.flags(c)
	return c
}

func (o *transferOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.data, "data", "eemt-data", "`directory` of the server, or the URL of its bucket")
	f.StringSliceVar(&o.jobs, "job", nil, "only jobs with these `ids`, separated by commas")
	f.StringSliceVar(&o.states, "status", nil, "only jobs in these `states`: "+strings.Join(cli.JobStates(), ", "))
	f.StringVar(&o.since, "since", "", "only jobs created at this `time` or later: 2026-01-31, or 2026-01-31T08:00:00Z")
	f.StringVar(&o.until, "until", "", "only jobs created before this `time`")
	f.BoolVar(&o.dry, "dry-run", false, "copy nothing, only report")
	f.BoolVar(&o.json, "json", false, "print a line of JSON for each job, then one for all")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	cli.InGroup(f, param.GroupOutput.Title(), "json", "quiet")
	cli.CompleteFlag(c, "status", cli.ListOf(cli.JobStates()))
	cli.Describe(c, cli.LocalExits("the jobs are copied", "some jobs could not be copied; run the command again"))
}

// options checks the flags.
func (o *transferOptions) options() (transfer.Options, error) {
	t := transfer.Options{Dry: o.dry}
	for _, id := range o.jobs {
		if !job.ValidID(id) {
			return t, fmt.Errorf("job %q: must be an id of 26 letters and digits, as eemt jobs prints it", id)
		}
		t.IDs = append(t.IDs, id)
	}
	for _, s := range o.states {
		if !slices.Contains(cli.JobStates(), s) {
			return t, fmt.Errorf("status %q: must be %s", s, cli.Either(cli.JobStates()))
		}
		t.States = append(t.States, job.State(s))
	}
	var err error
	if t.After, err = timeFlag("since", o.since); err != nil {
		return t, err
	}
	if t.Before, err = timeFlag("until", o.until); err != nil {
		return t, err
	}
	if o.restoresClock {
		t.Restored = time.Now().UTC()
	}
	return t, nil
}

func timeFlag(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %q: must be a day such as 2026-01-31, or a time such as 2026-01-31T15:04:05Z", name, text)
}

func (o *transferOptions) run(ctx context.Context, from, to string, stdout, stderr io.Writer) error {
	t, err := o.options()
	if err != nil {
		return cli.WithCode(err, 2)
	}
	if samePlace(from, to) {
		return cli.WithCode(fmt.Errorf("%s: source and destination are the same", from), 2)
	}
	source, err := openPlace(ctx, from, true)
	if err != nil {
		return cli.WithCode(fmt.Errorf("source: %w", err), 2)
	}
	defer func() { _ = source.Close() }()
	destination, err := openPlace(ctx, to, false)
	if err != nil {
		return cli.WithCode(fmt.Errorf("destination: %w", err), 2)
	}
	defer func() { _ = destination.Close() }()
	lines := json.NewEncoder(stdout)
	t.Done = func(j transfer.Job) {
		switch {
		case o.json:
			_ = lines.Encode(j)
		case j.Error != "":
			_, _ = fmt.Fprintf(stderr, "%s: %s\n", j.ID, j.Error)
		case o.quiet:
		case j.Skipped != "":
			_, _ = fmt.Fprintf(stderr, "%s: left out: %s\n", j.ID, j.Skipped)
		default:
			_, _ = fmt.Fprintf(stderr, "%s: %s, %s, %s\n", j.ID, j.State, amount.Count(j.Objects, "file"), amount.Bytes(j.Bytes))
		}
	}
	sum, err := transfer.Copy(ctx, source, destination, t)
	if ctx.Err() != nil {
		return cli.WithCode(errors.New("stopped; copied jobs are kept: run the same command again to continue"), cli.Stopped)
	}
	switch {
	case o.json:
		_ = lines.Encode(sum)
	case !o.quiet:
		verb := o.verbed
		if o.dry {
			verb = "to be " + verb
		}
		_, _ = fmt.Fprintf(stdout, "%s %s, %d of them new; %s, %s copied; %d left out, %d failed\n",
			amount.Count(sum.Jobs, "job"), verb, sum.New, amount.Count(sum.Objects, "file"), amount.Bytes(sum.Bytes), sum.Skipped, sum.Failed)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; run the same command again to continue", o.verb, err)
	}
	return nil
}

// openPlace opens the bucket of a URL or directory, which must exist if it is to be read.
func openPlace(ctx context.Context, place string, exists bool) (*blob.Bucket, error) {
	if buckets.IsURL(place) {
		return buckets.Open(ctx, place)
	}
	if exists {
		if _, err := os.Stat(place); err != nil {
			return nil, err
		}
	}
	return buckets.Open(ctx, "file://"+place)
}

func samePlace(a, b string) bool {
	clean := func(s string) string {
		if dir, ok := strings.CutPrefix(s, "file://"); ok {
			s = dir
		}
		if buckets.IsURL(s) {
			return strings.TrimSuffix(s, "/")
		}
		if abs, err := filepath.Abs(s); err == nil {
			return abs
		}
		return s
	}
	return clean(a) == clean(b)
}
