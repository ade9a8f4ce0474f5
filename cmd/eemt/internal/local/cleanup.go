package local

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/cmd/internal/service"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/shared/param"
)

func cleanupCommand() *cobra.Command {
	var r cleanup.Settings
	environment := service.Parse(&r)
	var data string
	var verbose bool
	c := &cobra.Command{
		Use:   "cleanup",
		Short: "Run the daily cleanup now",
		Long: `cleanup removes the data of completed jobs after 7 days, but keeps their records, and removes failed jobs with their
records after 12 hours. Pinned jobs are never removed; jobs with a retention time of their own are kept that long. Files
that belong to no job are removed after a day: uploads that were never submitted or never finished, and the leftovers of
interrupted work. It prints a report. With --dry-run it removes nothing and lists every object that it would remove.`,
		Example: `  eemt cleanup --dry-run
  eemt cleanup --data /srv/eemt --success-retention-days 30`,
		Args: cli.NoArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if environment != nil {
				return cli.WithCode(environment, 2)
			}
			policy, err := r.Policy()
			if err != nil {
				return cli.WithCode(err, 2)
			}
			if _, err := os.Stat(data); err != nil && !buckets.IsURL(data) {
				return cli.WithCode(fmt.Errorf("data: %w", err), 2)
			}
			log := slog.New(slog.DiscardHandler)
			if verbose {
				log = newLogger(c.ErrOrStderr(), true)
			}
			p, err := newPlatform(platformOptions{dir: data, threads: 1, log: log})
			if err != nil {
				return cli.WithCode(err, 2)
			}
			p.cleanup.Policy = policy
			report, err := p.cleanup.Retain(c.Context())
			if closing := p.close(); err == nil {
				err = closing
			}
			// Also of a pass that broke off: what it removed is gone.
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			if printing := e.Encode(report); err == nil && printing != nil {
				return printing
			}
			if err != nil {
				return cli.WithCode(err, 2)
			}
			if n := len(report.Errors); n > 0 {
				return fmt.Errorf("%d jobs could not be removed; the report says why", n)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&data, "data", "eemt-data", "`directory` of the server, or the URL of its bucket")
	f.IntVar(&r.Days, "success-retention-days", r.Days, "keep the data of completed jobs this many `days`")
	f.IntVar(&r.Hours, "failed-retention-hours", r.Hours, "keep failed jobs this many `hours`")
	f.IntVar(&r.CacheDays, "cache-retention-days", r.CacheDays, "keep climate and rasters that no job uses this many `days`")
	f.IntVar(&r.Batch, "batch-size", r.Batch, "remove at most this many `jobs`, the oldest first")
	f.BoolVar(&r.DryRun, "dry-run", r.DryRun, "remove nothing, only report")
	f.BoolVarP(&verbose, "verbose", "v", false, "log every step")
	cli.InGroup(f, param.GroupOutput.Title(), "verbose")
	cli.Describe(c, []string{"0\tdone", "1\tsome jobs could not be removed; the report says why", "2\ta flag is wrong, or the cleanup stopped early; the report lists what was removed", cli.StoppedByCtrlC},
		cli.DaysVariable, cli.HoursVariable, cli.CacheVariable, cli.BatchVariable, cli.DryRunVariable)
	return c
}
