// Package compute does one bounded task of a job for each event.
package compute

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/compute/assembly"
	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/drainage"
	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/functions/compute/planning"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/tile"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/preview"
)

// Source is the CloudEvents source of what this function emits.
const Source = "/eemt/compute"

// Service handles job.submitted, task.requested and tiles.completed. It holds
// no state between events: everything is in the bucket.
type Service struct {
	Store   job.Store
	Events  eventing.Publisher
	Climate climate.Opener
	// Threads is how many goroutines a task may use.
	Threads int
	Now     func() time.Time
	Log     *slog.Logger
	// TileSize is the side of a tile, in cells, for jobs that do not ask for one; 0 lets Cost decide.
	TileSize int
	// Version of the program, for the report.
	Version string
	// Alone says that no catalogue leads to the results: their item then has no links to one.
	Alone bool
	// Temp is where large maps are spooled while they are written; empty means
	// the system's place.
	Temp string
	// Cost cuts work to fit the replica, and refuses jobs that are too large.
	Cost cost.Cost
	// Reach bounds what a tile reads of the DEM.
	Reach workfile.Reach
	// Draw draws the previews; nil means preview.PNG.
	Draw assembly.Draw
	// Drainage says how water is followed over the whole DEM.
	Drainage drainage.Options
	// MostAttempts is how often work on a task may be begun and not finished before the job
	// is ended; 0 means engine.DefaultAttempts.
	MostAttempts int
	// AssembleWithin is how long the assembly may take on this replica before its maps are
	// requested as tasks of their own; 0 means a minute, less than 0 always.
	AssembleWithin time.Duration
	// AtOnce is how many calls that only wait for the bucket go on at a time; 0 means 16.
	AtOnce int
	// Publishing is how many tasks are requested at a time, which waits for the broker; 0 means
	// one, in their order.
	Publishing int
	// Watch is how often running work looks whether its job has ended; 0 means every 10 s.
	Watch time.Duration
	// Findings is told what was noticed about the inputs of a job before it is computed; may be nil.
	Findings func(id string, found finding.List)
	// Heartbeat is how often a tile in work notes in the bucket how much of it is done; 0 means every 3 s.
	Heartbeat time.Duration
	// Progress is told how far a job is; may be nil.
	Progress func(Progress)
}

// Progress says how far the work at hand is.
type Progress struct {
	JobID string
	// Step is what is being done: terrain, climate, sun, maps ...
	Step string
	// Done of Total steps of the whole job; a step is a tile or a share of one.
	Done, Total float64
}

// Handle does the work an event asks for. It may be called twice with the same
// event: finished work is found in the bucket and not done again.
func (s *Service) Handle(ctx context.Context, e event.Event) error { return s.engine().Handle(ctx, e) }

func (s *Service) engine() *engine.Engine {
	cost := s.Cost
	cost.Cores = max(1, s.Threads)
	replica := &replica.Replica{
		Store: s.Store, AtOnce: s.AtOnce, Now: s.Now, Threads: s.Threads, Temp: s.Temp, Version: s.Version, Cost: cost.OrDefault(),
		Progress: func(id, step string, done, total float64) {
			if s.Progress != nil {
				s.Progress(Progress{JobID: id, Step: step, Done: done, Total: total})
			}
		},
	}
	maps := assembly.Maps{Replica: replica, Within: s.AssembleWithin, Alone: s.Alone, Draw: s.Draw}
	if maps.Draw == nil {
		maps.Draw = preview.PNG
	}
	drainage := drainage.Kind{Replica: replica, Options: s.Drainage}
	plan := planning.Kind{
		Replica: replica, Climate: s.Climate, Reach: s.Reach, TileSize: s.TileSize, Limits: s.Cost, Drainage: s.Drainage, Findings: s.Findings,
	}
	return &engine.Engine{
		Store: s.Store, Events: s.Events, Now: s.Now, Log: s.Log, Source: Source, Lasting: lasting,
		AtOnce: s.AtOnce, Publishing: s.Publishing, MostAttempts: s.MostAttempts, MostTime: s.Cost.MaxEvent, Watch: s.Watch, Heartbeat: s.Heartbeat,
		Kinds: map[job.Kind]engine.Kind{
			job.KindPlan: plan, job.KindFill: drainage, job.KindArea: drainage, job.KindWetness: drainage,
			job.KindTiles: tile.Kind{Replica: replica, Maps: maps}, job.KindMaps: maps, job.KindAssembly: assembly.Kind{Maps: maps},
		},
	}
}

// lasting reports whether an error will be the same next time: a record or a
// file that holds what nobody wrote, or that is gone. A bucket that is away says so
// otherwise.
func lasting(err error) bool {
	return errors.Is(err, job.ErrDamaged) || errors.Is(err, geotiff.ErrDamaged) || errors.Is(err, engine.ErrGone) || gcerrors.Code(err) == gcerrors.NotFound
}
