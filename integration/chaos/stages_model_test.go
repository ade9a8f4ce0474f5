package chaos

import (
	"fmt"
	"strings"
	"testing"
)

// This file is the protocol of the stages that follow water as a small model, like
// model_test.go: a draft, a stage of two tasks, two of one, then the plan. There are
// two replicas, the resume tick, and a broker that may deliver twice, late, in any
// order, or never. Files that only the first stages read are removed on the way.

const lastStage = 3

// tasksOf counts the tasks of a stage.
func tasksOf(stage uint8) uint8 {
	if stage == 1 {
		return 2
	}
	return 1
}

// stageState is everything that is not forgotten. Tasks and events are bits: bit
// 2 stage + task, and bit 0 for job.submitted.
type stageState struct {
	draft, plan bool
	made        uint8 // stages that have their record, by bits
	asked       uint8 // stages whose tasks were all asked for; bit 0 for the tiles of the plan
	data, found uint8
	removed     uint8 // data that is removed
	events      uint8
	work        [2]stageProcess
	wrong       uint8
}

type stageProcess struct {
	event      uint8 // bit number, plus one; 0: none
	at, stage  uint8
	again, won bool
}

// stageRules say what may go wrong, then how the protocol is broken.
type stageRules struct {
	crash, lose, duplicate, tick bool

	closesEarly   bool // the next stage is made whatever records there are
	asksEarly     bool // tasks of the next stage are asked for with those of this one
	doesNotWait   bool // a task begins without its stage
	recordFirst   bool // a task is recorded before its files are there
	looksTooEarly bool // a task lists the records before it has written its own
	forgetsToAsk  bool // the tick makes stages and asks for no task of those there are
	lateFails     bool // a late copy that finds its files gone does not look whether it was done
	removesEarly  bool // the files that a stage reads are removed when it is made
}

var stagePromises = []string{
	"", "a stage was made before all records of the one before were there", "a task read what was not complete",
	"a task is recorded and its files are not there", "a task failed for files that were removed",
}

func bit(stage, task uint8) uint8 { return 2*stage + task - 1 }

func (s *stageState) complete(stage uint8) bool {
	for t := range tasksOf(stage) {
		if s.found>>bit(stage, t)&1 == 0 {
			return false
		}
	}
	return true
}

func (s *stageState) newest() uint8 {
	for k := uint8(lastStage); k > 0; k-- {
		if s.made>>k&1 == 1 {
			return k
		}
	}
	return 0
}

func (r stageRules) next(s stageState) ([]move[stageState], string) {
	if s.wrong != 0 {
		return nil, stagePromises[s.wrong]
	}
	var out []move[stageState]
	add := func(name string, to stageState) { out = append(out, move[stageState]{name, to}) }
	if r.tick && !s.plan && s.events&1 == 0 {
		to := s
		to.events |= 1
		add("resume tick", to)
	}
	for e := uint8(0); e <= bit(lastStage, 0); e++ {
		if r.lose && s.events>>e&1 == 1 {
			to := s
			to.events &^= 1 << e
			add(fmt.Sprint("event lost ", e), to)
		}
	}
	for i, p := range s.work {
		if p.event != 0 {
			out = append(out, r.act(s, i)...)
			if r.crash {
				to := s
				to.work[i] = stageProcess{}
				add(fmt.Sprintf("replica %d dies", i), to)
			}
			continue
		}
		for e := uint8(0); e <= bit(lastStage, 0); e++ {
			if s.events>>e&1 == 1 {
				to := s
				to.work[i] = stageProcess{event: e + 1}
				add(fmt.Sprintf("replica %d takes %d", i, e), to)
			}
		}
	}
	return out, ""
}

// The steps from where all tasks of a stage are done.
const (
	closing   = 10
	askFirst  = 11
	askSecond = 12
	markAsked = 13
)

func (r stageRules) act(s stageState, i int) []move[stageState] {
	p := s.work[i]
	to := s
	w := &to.work[i]
	event := p.event - 1
	name := fmt.Sprintf("replica %d event %d step %d", i, event, p.at)
	finish := func() []move[stageState] {
		all := []move[stageState]{{name, to}}
		if to.work[i].event == 0 && r.duplicate {
			again := to
			again.events |= 1 << event
			all = append(all, move[stageState]{name + ", delivered again", again})
		}
		return all
	}
	acknowledge := func() {
		*w = stageProcess{}
		to.events &^= 1 << event
	}
	ask := func(stage, task uint8) {
		if task < tasksOf(stage) && to.found>>bit(stage, task)&1 == 0 {
			to.events |= 1 << bit(stage, task)
		}
	}
	w.at++
	switch p.at {
	case closing: // the records of a stage are all there: make the next, or the plan
		if !s.complete(p.stage) && !s.plan {
			to.wrong = 1
		}
		if p.stage == lastStage {
			w.won = !s.plan
			to.plan = true
		} else {
			w.won = s.made>>(p.stage+1)&1 == 0
			to.made |= 1 << (p.stage + 1)
			if r.removesEarly {
				for t := range tasksOf(p.stage) {
					to.removed |= 1 << bit(p.stage, t)
				}
			}
		}
		return finish()
	case askFirst: // may this one ask?
		if next := p.stage%lastStage + 1; !p.won && (!p.again || s.asked>>(next%lastStage)&1 == 1) {
			acknowledge()
			return finish()
		}
		if p.stage == lastStage {
			// The files that only the stage before the last read are removed.
			to.removed |= 1<<bit(1, 0) | 1<<bit(1, 1)
			to.asked |= 1
			acknowledge()
			return finish()
		}
		ask(p.stage+1, 0)
		return finish()
	case askSecond:
		ask(p.stage+1, 1)
		if r.asksEarly && p.stage+1 < lastStage {
			ask(p.stage+2, 0)
		}
		return finish()
	case markAsked:
		to.asked |= 1 << (p.stage + 1)
		acknowledge()
		return finish()
	}
	if event == 0 { // job.submitted
		switch p.at {
		case 0:
			if s.plan {
				acknowledge()
			}
		case 1:
			to.draft = true
		case 2:
			if s.newest() == 0 {
				to.made |= 1 << 1
			}
		case 3:
			w.stage = to.newest()
			if !r.forgetsToAsk {
				ask(w.stage, 0)
			}
		case 4:
			if !r.forgetsToAsk {
				ask(p.stage, 1)
			}
		case 5:
			if s.complete(p.stage) {
				w.at, w.again = closing, true
			} else {
				acknowledge()
			}
		}
		return finish()
	}
	stage := (event + 1) / 2
	write, record := uint8(3), uint8(4)
	if r.recordFirst {
		write, record = record, write
	}
	switch p.at {
	case 0: // is there such a stage?
		if s.made>>stage&1 == 0 && !r.doesNotWait {
			acknowledge()
		}
	case 1:
		if s.found>>event&1 == 1 {
			w.at, w.again = 5, true
		} else if r.looksTooEarly {
			w.at = 6 // what it does not have yet it takes for missing
			others := s
			others.found |= 1 << event
			if others.complete(stage) && tasksOf(stage) > 1 {
				w.won = true // kept for later: it is the last
			}
		}
	case 2, 6: // read
		if p.at == 6 {
			w.at = 7
		}
		for t := range tasksOf(max(stage-1, 1)) {
			from := bit(stage-1, t)
			switch {
			case stage == 1:
			case s.data>>from&1 == 0:
				to.wrong = 2
			case s.removed>>from&1 == 0:
			case s.found>>event&1 == 1 && !r.lateFails: // somebody else has done it
				acknowledge()
				return finish()
			default:
				to.wrong = 4
			}
		}
	case write, write + 4:
		to.data |= 1 << event
	case record, record + 4:
		if s.data>>event&1 == 0 && !r.recordFirst {
			to.wrong = 3
		}
		to.found |= 1 << event
		if r.recordFirst && s.data>>event&1 == 0 {
			to.wrong = 3
		}
		if p.at == record+4 {
			if p.won {
				w.won, w.at, w.stage = false, closing, stage
			} else {
				acknowledge()
			}
		}
	case 5: // who finds all records goes on
		if r.closesEarly || s.complete(stage) {
			w.at, w.stage = closing, stage
		} else {
			acknowledge()
		}
	}
	return finish()
}

func (r stageRules) explore(most int) (int, string, error) {
	return explore(most, stageState{events: 1}, r.next, goal[stageState]{func(s stageState) bool { return s.plan && s.asked&1 == 1 || s.plan && r.tick }, "the plan is never made"})
}

var stageStorm = stageRules{crash: true, lose: true, duplicate: true, tick: true}

func TestStagesHold(t *testing.T) {
	for name, r := range map[string]stageRules{
		"calm":            {},
		"duplicates":      {duplicate: true},
		"crashes":         {crash: true, tick: true},
		"storm":           stageStorm,
		"asked for early": {duplicate: true, asksEarly: true},
	} {
		if name == "storm" && !nightly {
			continue
		}
		t.Run(name, func(t *testing.T) {
			n, wrong, err := r.explore(5_000_000)
			if err != nil || wrong != "" {
				t.Fatalf("%s (%v)", wrong, err)
			}
			t.Logf("%d states, all of them right", n)
		})
	}
}

func TestStageModelFindsPlantedBugs(t *testing.T) {
	plant := func(in stageRules, f func(r *stageRules)) stageRules { f(&in); return in }
	for _, c := range []struct {
		name string
		r    stageRules
		want string
	}{
		{"the next stage before all records", plant(stageStorm, func(r *stageRules) { r.closesEarly = true }), stagePromises[1]},
		{"a task before its stage", plant(stageStorm, func(r *stageRules) { r.doesNotWait, r.asksEarly = true, true }), stagePromises[2]},
		{"record before files", plant(stageStorm, func(r *stageRules) { r.recordFirst = true }), stagePromises[3]},
		{"the last task looks before it writes", stageRules{looksTooEarly: true}, "never made"},
		{"the tick does not ask", plant(stageStorm, func(r *stageRules) { r.forgetsToAsk = true }), "never made"},
		{"no tick", stageRules{crash: true}, "never made"},
		{"late copies fail", stageRules{duplicate: true, lateFails: true}, stagePromises[4]},
		{"files go with the stage that reads them", plant(stageStorm, func(r *stageRules) { r.removesEarly = true }), stagePromises[4]},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, wrong, err := c.r.explore(5_000_000)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(wrong, c.want) || wrong == "" {
				t.Errorf("%d states, found %q, want %q", n, wrong, c.want)
			}
			if nightly {
				t.Logf("after %d states: %s", n, wrong)
			}
		})
	}
}
