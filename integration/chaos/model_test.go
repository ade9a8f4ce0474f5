package chaos

import (
	"fmt"
	"strings"
	"testing"
)

// This file is the protocol of the store as a small model: what processes read and
// write, one object at a time, and what may go wrong between. All states that it can
// get into are explored. docs/architecture.md tells the protocol in words.
//
// The world is one job of two tiles, two compute replicas, each with a watch that tells its
// work when the job has ended, a client that submits, somebody who may cancel, the resume
// tick, retention, and a broker that may deliver twice, late, in any order, or never. Where
// maps are made by tasks all begins when the tiles are done; there are two groups of maps,
// and a third that is made of their maps. A run on one machine has no tick; it waits for the
// end of its job, which another process with the same directory may cancel.

const (
	tiles  = 2
	groups = 3
)

// The ends of a job.
const (
	open = iota
	completed
	cancelled
)

// The kinds of events, which are at most once under way each: delivering one and
// keeping it is a duplicate.
const (
	none = iota
	submitted
	tile0
	tile1
	allDone // tiles.completed
	maps0
	maps1
	maps2 // made of the maps of the other two

	kinds
)

// state is everything that is not forgotten: the objects, the events under way, and
// where each process is.
type state struct {
	index, job, plan bool
	data, task       [tiles]bool
	maps             [groups]bool
	end              uint8
	events           [kinds]bool
	work             [2]process
	client           uint8 // steps of the submission
	retention        uint8 // steps of the removal
	told             bool  // the client was told of the job
	cancelling       bool  // who cancelled the job has yet to announce it
	heard, noted     bool  // the end was announced; announced.json says so
	by               uint8 // the kind of the event whose work wrote the end; none: somebody who cancelled
	run              uint8 // what a run on one machine does: nothing yet, waits, has returned
	// What was, for the properties.
	wasEnd uint8 // the first end
	wrong  uint8 // index of a promise that a step broke
}

// process is a replica at work on an event. saw is which maps were there when it looked.
type process struct {
	event, at uint8
	saw       [groups]bool
}

// conclude is the first of the steps that end a job whose maps are there: its end, the announcement, the removal of
// work files.
const conclude = 20

// What a run on one machine does.
const (
	submits = iota
	waits
	returned
)

// all reports whether all maps are there.
func all(maps [groups]bool) bool { return maps[0] && maps[1] && maps[2] }

// rules are the protocol, and what may go wrong. The zero value of the second half is right.
type rules struct {
	crash, lose, duplicate, tick, cancel, retain bool
	announce                                     bool // ends are announced, too
	alone                                        bool // an event that a replica works on is not given to the other
	local                                        bool // a run on one machine waits for the end

	byTasks bool // maps are made by tasks

	recordFirst   bool // a tile's record is written before its data
	endTwice      bool // end.json may be replaced
	looksTooEarly bool // a tile lists the records before it has written its own
	ackFirst      bool // an event is taken off the broker before its work is done
	indexLast     bool // job.json is written before the index entry
	endGoesFirst  bool // retention removes end.json before job.json
	assembleBlind bool // the assembly does not look whether all records are there
	forgetsToAsk  bool // the plan that finds itself made asks for nothing
	planTwice     bool // plan.json may be replaced by another plan
	asksEarly     bool // a tile asks for the assembly without looking whether it is the last
	tickIsDeaf    bool // the resume tick does not look at ends that nobody announced
	notesFirst    bool // announced.json is written before the announcement
	mapsLookEarly bool // a group lists the maps before it has written its own
	mapsAskEarly  bool // a group asks for the next stage without looking whether it is the last of its own
	mapsBlind     bool // a group does not look whether the maps are there that it is made of
	releaseEarly  bool // a group removes the data before all maps are there that are made of it
	mapsEndEarly  bool // a group ends the job without looking for the others
	watchesItself bool // the watch goes on while the end is written and announced, and work that it stops is acknowledged
	endsOnce      bool // an event that comes again does not announce the end that its work made
	onlyListens   bool // a run waits for the announcement, and does not look by itself
}

// The promises a step may break.
var promises = []string{
	"", "a tile has its record and not its data", "the end changed", "the job completed without its maps", "maps were made of missing data",
	"a job that ended looks as if it went on", "tiles of two plans met", "maps were made of missing maps",
}

type step = move[state]

// next lists what can happen in a state.
func (r rules) next(s state) []step {
	var out []step
	add := func(name string, to state) {
		if to.wrong == 0 {
			to.wrong = r.broken(to)
		}
		out = append(out, step{name, to})
	}
	// The client: index, job.json, event, answer.
	if s.client < 4 {
		to := s
		to.client++
		first, second := &to.index, &to.job
		if r.indexLast {
			first, second = second, first
		}
		switch s.client {
		case 0:
			*first = true
		case 1:
			*second = true
		case 2:
			to.events[submitted] = true
		case 3:
			to.told = true
		}
		add("client", to)
		if r.crash {
			to := s
			to.client = 9
			add("client dies", to)
		}
	}
	if r.local && s.told && s.run != returned {
		to := s
		// It looks before it waits. An announcement of another process is not heard.
		switch looks := s.run == submits || !r.onlyListens; {
		case looks && s.end != open, s.heard && s.by != none:
			to.run = returned
			add("the run ends", to)
		case s.run == submits:
			to.run = waits
			add("the run waits", to)
		}
	}
	if r.cancel && s.told && s.job && s.end == open && s.wasEnd == open {
		to := s
		to.finish(r, cancelled, none)
		to.cancelling = r.announce
		add("cancel", to)
	}
	if s.cancelling {
		to := s
		to.cancelling = !to.announce(r)
		add("cancel is announced", to)
		if r.crash {
			to := s
			to.cancelling = false
			add("who cancelled dies", to)
		}
	}
	if r.tick && r.announce && !r.tickIsDeaf && s.index && s.job && s.end != open && !s.noted {
		to := s
		to.announce(r)
		add("resume tick announces", to)
	}
	if r.tick && s.index && s.job && s.end == open && !s.events[submitted] {
		to := s
		to.events[submitted] = true
		add("resume tick", to)
	}
	for e := submitted; e < kinds; e++ {
		if s.events[e] && r.lose {
			to := s
			to.events[e] = false
			add(fmt.Sprint("event lost ", e), to)
		}
	}
	for i, p := range s.work {
		if p.event == none {
			for e := submitted; e < kinds; e++ {
				if !s.events[e] || r.alone && s.work[1-i].event == uint8(e) {
					continue
				}
				to := s
				to.work[i] = process{event: uint8(e)}
				if r.ackFirst {
					to.events[e] = false
				}
				add(fmt.Sprintf("replica %d takes %d", i, e), to)
			}
			continue
		}
		out = append(out, r.act(s, i)...)
		if to, ok := r.watch(s, i); ok {
			add(fmt.Sprintf("the watch of replica %d", i), to)
		}
		if r.crash {
			// The event was not acknowledged: it is still under way.
			to := s
			to.work[i] = process{}
			add(fmt.Sprintf("replica %d dies", i), to)
		}
	}
	if r.retain {
		out = append(out, r.remove(s)...)
	}
	return out
}

// finish writes end.json; by is the kind of the event that does so.
func (s *state) finish(r rules, end, by uint8) {
	if s.end != open && !r.endTwice {
		return // it is created only once: the one that stands counts
	}
	if s.end != open && s.end != end {
		s.wrong = 2
	}
	s.end = end
	if r.announce {
		s.by = by
	}
	if s.wasEnd == open {
		s.wasEnd = end
	}
}

// announce is the next step of an announcement: the event, the note. It reports whether it was the last.
func (s *state) announce(r rules) bool {
	first, second := &s.heard, &s.noted
	if r.notesFirst {
		first, second = second, first
	}
	if !*first {
		*first = true
		return false
	}
	*second = true
	return true
}

// watch gives up the work of a replica whose job has ended. It then looks at the end, as when its event comes again. Who
// ends a job is not watched any more.
func (r rules) watch(s state, i int) (state, bool) {
	p := s.work[i]
	switch {
	case s.end == open || p.event == none || p.at == 0:
		return s, false
	case p.at > conclude && r.watchesItself:
		s.work[i] = process{}
		if !r.ackFirst {
			s.events[p.event] = false
		}
		return s, true
	case p.at < conclude:
		s.work[i] = process{event: p.event}
		return s, true
	}
	return s, false
}

// act is the next step of a replica.
func (r rules) act(s state, i int) []step {
	p := s.work[i]
	to := s
	name := fmt.Sprintf("replica %d event %d step %d", i, p.event, p.at)
	goOn := func() { to.work[i].at++ }
	acknowledge := func() {
		to.work[i] = process{}
		if !r.ackFirst {
			to.events[p.event] = false
		}
	}
	finish := func() []step {
		if to.wrong == 0 {
			to.wrong = r.broken(to)
		}
		all := []step{{name, to}}
		if to.work[i].event == none && r.duplicate {
			// The answer was lost, or the event was there twice.
			again := to
			again.events[p.event] = true
			all = append(all, step{name + ", delivered again", again})
		}
		return all
	}
	if p.at == 0 { // look whether the job has ended, or is gone
		switch {
		case r.announce && s.job && s.end == completed && s.by == p.event && !r.endsOnce:
			to.work[i].at = conclude + 1
		case s.end != open || !s.job:
			acknowledge()
		default:
			goOn()
		}
		return finish()
	}
	switch p.at { // whoever finds all maps ends the job
	case conclude:
		to.finish(r, completed, p.event)
		goOn()
		if !r.announce {
			goOn()
		}
		return finish()
	case conclude + 1: // only the end of its own making, unless it is noted
		if s.end != completed || s.noted || to.announce(r) {
			goOn()
		}
		return finish()
	case conclude + 2:
		if s.end == completed {
			to.data = [tiles]bool{}
		}
		acknowledge()
		return finish()
	}
	switch p.event {
	case submitted:
		switch p.at {
		case 1: // the plan is created only once
			if s.plan && r.forgetsToAsk {
				acknowledge()
				return finish()
			}
			if s.plan && r.planTwice && (s.task[0] || s.task[1]) {
				to.wrong = 6
			}
			to.plan = true
			goOn()
		case 2, 3: // ask for each tile without a record
			if t := p.at - 2; !s.task[t] {
				to.events[tile0+t] = true
			}
			goOn()
		case 4:
			if s.task[0] && s.task[1] {
				to.events[allDone] = true
			}
			acknowledge()
		}
	case tile0, tile1:
		t := p.event - tile0
		write, record := uint8(2), uint8(3)
		if r.recordFirst {
			write, record = record, write
		}
		switch p.at {
		case 1:
			switch {
			case !s.plan:
				acknowledge() // the plan asks again
			case s.task[t]:
				to.work[i].at = 4
			default:
				goOn()
			}
			if r.looksTooEarly && s.plan && !s.task[t] {
				to.work[i].at = 2
				if s.task[1-t] {
					to.work[i].at = 12 // it is the last
				}
			}
		case write, write + 10:
			to.data[t] = true
			goOn()
		case record, record + 10:
			to.task[t] = true
			goOn()
			if r.looksTooEarly && p.at < 10 {
				acknowledge()
			} else if r.looksTooEarly {
				to.events[allDone] = true
				acknowledge()
			}
		case 4: // who finds all records asks for the assembly
			if r.asksEarly || s.task[0] && s.task[1] {
				to.events[allDone] = true
			}
			acknowledge()
		}
	case maps0, maps1, maps2:
		g := p.event - maps0
		switch p.at {
		case 1: // are all records there, and the maps it is made of?
			ready := s.task[0] && s.task[1] && (g < 2 || s.maps[0] && s.maps[1])
			switch {
			case !ready && !r.mapsBlind:
				acknowledge()
			case s.maps[g]:
				to.work[i].saw, to.work[i].at = s.maps, 5
			default:
				if r.mapsLookEarly {
					to.work[i].saw = s.maps
				}
				goOn()
			}
		case 2: // read the data, write the maps
			switch {
			case s.maps[g]:
			case g == 2 && (!s.maps[0] || !s.maps[1]) && s.wasEnd == open:
				to.wrong = 7
			case g == 2 && s.maps[0] && s.maps[1]:
			case (g == 2 || !s.data[0] || !s.data[1]) && s.wasEnd != open:
				to.work[i] = process{} // somebody else has finished: the event comes again, and finds the end
				return finish()
			case !s.data[0] || !s.data[1]:
				to.wrong = 4
			}
			to.maps[g] = true
			goOn()
		case 3: // list the maps
			if !r.mapsLookEarly {
				to.work[i].saw = s.maps
			}
			goOn()
		case 4: // remove the data that no missing map is made of
			if p.saw[0] && p.saw[1] || r.releaseEarly {
				to.data = [tiles]bool{}
			}
			goOn()
		case 5:
			switch {
			case all(p.saw) || r.mapsEndEarly:
				to.work[i] = process{event: p.event, at: conclude}
			case g < 2 && (p.saw[0] && p.saw[1] || r.mapsAskEarly):
				to.events[maps2] = true
				acknowledge()
			default:
				acknowledge() // others are at work
			}
		}
	case allDone:
		switch p.at {
		case 1: // are all records there?
			switch {
			case !r.assembleBlind && (!s.task[0] || !s.task[1]):
				acknowledge()
			case r.byTasks:
				to.work[i].at = 12
			default:
				goOn()
			}
		case 2: // read the data, write the maps
			switch {
			case all(s.maps):
				to.work[i].at = conclude
			case (!s.data[0] || !s.data[1]) && (s.end != open || s.wasEnd != open):
				to.work[i] = process{} // somebody else has finished: the event comes again, and finds the end
			case !s.data[0] || !s.data[1]:
				to.wrong = 4
				fallthrough
			default:
				to.maps = [groups]bool{true, true, true}
				to.work[i].at = conclude
			}
		case 12: // list the maps
			to.work[i].saw = s.maps
			goOn()
		case 13, 14: // ask for those of the first stage that are missing
			if g := p.at - 13; !p.saw[g] {
				to.events[maps0+g] = true
			}
			goOn()
		case 15: // of the second if the first is complete; none is missing: end the job
			switch {
			case all(p.saw):
				to.work[i] = process{event: p.event, at: conclude}
			default:
				if p.saw[0] && p.saw[1] {
					to.events[maps2] = true
				}
				acknowledge()
			}
		}
	}
	return finish()
}

// remove is the next step of retention, which may be cut short: it then begins anew. Only what ended without maps goes whole.
func (r rules) remove(s state) []step {
	if s.retention == 0 && s.end != cancelled {
		return nil
	}
	to := s
	to.retention++
	job, end := uint8(1), uint8(2)
	if r.endGoesFirst {
		job, end = end, job
	}
	switch s.retention {
	case 0: // data, results, plan, records of tiles
		to.plan, to.maps, to.data, to.task = false, [groups]bool{}, [tiles]bool{}, [tiles]bool{}
	case job:
		to.job = false
	case end:
		to.end = open
	case 3:
		to.index = false
	default:
		return nil
	}
	if to.wrong == 0 {
		to.wrong = r.broken(to)
	}
	return []step{{"retention", to}}
}

// broken returns the promise that a state breaks.
func (r rules) broken(s state) uint8 {
	for t := range tiles {
		if s.task[t] && !s.data[t] && s.end == open && s.wasEnd == open && (!s.maps[0] || !s.maps[1]) {
			return 1
		}
	}
	switch {
	case s.job && s.end == completed && !all(s.maps): // without job.json it is an orphan, which goes a day later
		return 3
	case s.wasEnd != open && s.job && s.end == open:
		return 5
	}
	return 0
}

// explore visits every state. It returns how many there are, and what is wrong with a
// way that leads there: a promise is broken, or a job that somebody may know of can
// no longer end, or its end no longer be announced, whatever happens.
func (r rules) explore(most int) (int, string, error) {
	var begin state
	if r.byTasks { // what comes before is the same
		begin = state{
			index: true, job: true, plan: true, data: [tiles]bool{true, true}, task: [tiles]bool{true, true}, client: 4, told: true,
			events: [kinds]bool{allDone: true},
		}
	}
	// The job has ended, or nobody was ever told of one.
	goals := []goal[state]{{func(s state) bool { return s.wasEnd != open || s.client == 9 && !s.told && !s.job }, "the job can never end"}}
	if r.local {
		goals = append(goals, goal[state]{func(s state) bool { return s.run == returned }, "the run can never return"})
	}
	if r.announce {
		// The same, and the end was announced, unless retention was faster.
		goals = append(goals, goal[state]{func(s state) bool { return s.heard || s.wasEnd != open && !s.job || s.client == 9 && !s.told && !s.job }, "the end can never be announced"})
	}
	return explore(most, begin, func(s state) ([]step, string) { return r.next(s), promises[s.wrong] }, goals...)
}

// goal is what can be reached from every state.
type goal[S comparable] struct {
	reached func(S) bool
	never   string
}

// move is a step to another state.
type move[S comparable] struct {
	name string
	to   S
}

// explore visits every state of a model. next lists what can happen in a state, and the
// promise that is broken in it. It returns how many states there are, and what is wrong with a
// way that leads there: a promise is broken, or a goal can no longer be reached,
// whatever happens.
func explore[S comparable](most int, start S, next func(S) ([]move[S], string), goals ...goal[S]) (int, string, error) {
	number := map[S]int32{start: 0}
	states := []S{start}
	parent, by := []int32{-1}, []string{""}
	var from, to []int32 // edges
	way := func(i int32) string {
		var names []string
		for ; parent[i] >= 0; i = parent[i] {
			names = append([]string{by[i]}, names...)
		}
		return strings.Join(names, "\n  ")
	}
	for i := 0; i < len(states); i++ {
		moves, wrong := next(states[i])
		if wrong != "" {
			return len(states), wrong + ":\n  " + way(int32(i)), nil
		}
		for _, n := range moves {
			k, ok := number[n.to]
			if !ok {
				k = int32(len(states))
				number[n.to] = k
				states = append(states, n.to)
				parent, by = append(parent, int32(i)), append(by, n.name)
				if len(states) > most {
					return len(states), "", fmt.Errorf("more than %d states", most)
				}
			}
			from, to = append(from, int32(i)), append(to, k)
		}
	}
	first := make([]int32, len(states)+1)
	for _, k := range to {
		first[k+1]++
	}
	for k := range states {
		first[k+1] += first[k]
	}
	before := make([]int32, len(to))
	fill := append([]int32(nil), first...)
	for e, k := range to {
		before[fill[k]] = from[e]
		fill[k]++
	}
	for _, goal := range goals {
		if k := hopeless(before, first, states, goal.reached); k >= 0 {
			return len(states), goal.never + ":\n  " + way(k), nil
		}
	}
	return len(states), "", nil
}

// hopeless returns a state from which none that is good can be reached, or -1. before are
// the states that lead to the kth, from first[k] on.
func hopeless[S comparable](before, first []int32, states []S, isGood func(S) bool) int32 {
	good := make([]bool, len(states))
	var todo []int32
	for k, s := range states {
		if isGood(s) {
			good[k] = true
			todo = append(todo, int32(k))
		}
	}
	for len(todo) > 0 {
		k := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, p := range before[first[k]:first[k+1]] {
			if !good[p] {
				good[p] = true
				todo = append(todo, p)
			}
		}
	}
	for k := range states {
		if !good[k] {
			return int32(k)
		}
	}
	return -1
}

// storm is everything that may go wrong, against which the tick helps.
var storm = rules{crash: true, lose: true, duplicate: true, tick: true, cancel: true, retain: true}

// announcements is what may go wrong with those. Events that come twice and retention only multiply the states.
var announcements = rules{crash: true, lose: true, tick: true, cancel: true, announce: true}

// alone is what a run on one machine meets: nobody asks again, and another process may cancel its job.
var alone = rules{announce: true, local: true, cancel: true, duplicate: true}

// plant changes rules.
func plant(in rules, f func(r *rules)) rules { f(&in); return in }

func TestProtocolHolds(t *testing.T) {
	for name, r := range map[string]rules{
		"calm":                           {},
		"duplicates":                     {duplicate: true},
		"crashes of replicas, no ticks":  {crash: false, duplicate: true, cancel: true},
		"storm":                          storm,
		"announcements":                  announcements,
		"announcements, no ticks":        {announce: true, duplicate: true, cancel: true},
		"announced again, no ticks":      {announce: true, byTasks: true, crash: true, alone: true},
		"a run on one machine":           alone,
		"a run that makes maps by tasks": plant(alone, func(r *rules) { r.byTasks = true }),
		"asked for early":                {duplicate: true, asksEarly: true},
		"maps by tasks, calm":            {byTasks: true},
		"maps by tasks, duplicates":      {byTasks: true, duplicate: true, cancel: true},
		"maps by tasks, storm": plant(storm, func(r *rules) {
			r.byTasks, r.retain, r.cancel = true, nightly, nightly
		}),
	} {
		if strings.Contains(name, "storm") && testing.Short() {
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

// TestModelFindsPlantedBugs breaks the protocol in one place at a time.
func TestModelFindsPlantedBugs(t *testing.T) {
	small := storm
	small.retain, small.cancel = false, false
	maps := small
	maps.byTasks = true
	for _, c := range []struct {
		name string
		r    rules
		want string
	}{
		{"record before data", plant(storm, func(r *rules) { r.recordFirst = true }), promises[1]},
		{"end is replaced", plant(storm, func(r *rules) { r.endTwice = true }), promises[2]},
		{"no resume tick", plant(small, func(r *rules) { r.tick = false }), "can never end"},
		{"the plan asks once", plant(small, func(r *rules) { r.forgetsToAsk = true }), "can never end"},
		{"another plan", plant(storm, func(r *rules) { r.planTwice = true }), promises[6]},
		{"the last tile looks before it writes", rules{looksTooEarly: true}, "can never end"},
		{"events are taken off first", rules{ackFirst: true, crash: true}, "can never end"},
		{"index after job", plant(small, func(r *rules) { r.indexLast = true }), "can never end"},
		{"end goes before job", plant(storm, func(r *rules) { r.endGoesFirst = true }), promises[5]},
		{"the tick does not look at ends", plant(announcements, func(r *rules) { r.tickIsDeaf = true }), "never be announced"},
		{"the note before the announcement", plant(announcements, func(r *rules) { r.notesFirst = true }), "never be announced"},
		{"the watch goes on while the end is announced", rules{announce: true, watchesItself: true}, "never be announced"},
		{"a group is watched while it announces the end", rules{announce: true, byTasks: true, watchesItself: true}, "never be announced"},
		{"an end is not announced again", rules{announce: true, byTasks: true, crash: true, alone: true, endsOnce: true}, "never be announced"},
		{"a run only listens", plant(alone, func(r *rules) { r.onlyListens = true }), "run can never return"},
		{"a run only listens, to work that stops itself", rules{local: true, announce: true, onlyListens: true, watchesItself: true}, "run can never return"},
		{"a group looks before it writes", rules{byTasks: true, mapsLookEarly: true}, "can never end"},
		{"a group asks for the next stage too early, which does not look", plant(maps, func(r *rules) { r.mapsAskEarly, r.mapsBlind = true, true }), promises[7]},
		{"a group removes what others need", plant(maps, func(r *rules) { r.releaseEarly = true }), promises[1]},
		{"a group ends the job without looking for the others", plant(maps, func(r *rules) { r.mapsEndEarly = true }), promises[3]},
		{"the assembly does not look, and is asked for early", plant(storm, func(r *rules) { r.assembleBlind, r.asksEarly = true, true }), promises[4]},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, wrong, err := c.r.explore(5_000_000)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(wrong, c.want) {
				t.Errorf("%d states, found %q, want %q", n, wrong, c.want)
			}
			if nightly {
				t.Logf("after %d states: %s", n, wrong)
			}
		})
	}
}
