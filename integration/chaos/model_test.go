package chaos

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/job"
)

// This file explores the protocol of the phases: what replicas of compute read and write, one call at a time, and what may
// go wrong between two calls. The replicas run the engine itself (replay_test.go). All states that it can get into are
// visited. docs/architecture.md tells the protocol in words.
//
// The world is one job of some phases of one or two tasks each, two replicas of compute, each with a watch that tells its
// work when the job has ended, a client that submits, somebody who may cancel, the resume tick, retention, and a broker that
// may deliver twice, late, in any order, or never. A run on one machine has no tick; it waits for the end of its job, which
// another process with the same directory may cancel.

const modelID = "01JM0DE1000000000000000000"

var (
	indexKey     = "index/" + modelID
	jobKey       = job.Prefix(modelID) + "job.json"
	endKey       = job.Prefix(modelID) + "end.json"
	announcedKey = job.Prefix(modelID) + "announced.json"
)

// announcement is the key of the publication of an end, submitted that of job.submitted.
const (
	announcement = "end"
	submitted    = "submitted"
)

func workKey(phase int, task string) string {
	return job.WorkKey(modelID, fmt.Sprintf("%d/%s", phase, task))
}

func recordKey(phase int, task string) string {
	return fmt.Sprintf("%sphases/%04d/%s.json", job.Prefix(modelID), phase, task)
}

func taskName(phase int, task string) string { return fmt.Sprintf("%d-%s", phase, task) }

// modelPhase is a phase of the job of the model.
type modelPhase struct {
	kind  job.Kind
	tasks int
}

// protocol is the engine in a world, and what may go wrong. The zero value of the second half is right.
type protocol struct {
	phases []modelPhase // the first is the plan

	crash, lose, duplicate, tick, cancel, retain bool

	begun bool // the job was submitted, and its client told, before the exploration begins
	alone bool // an event that a replica works on is not given to the other
	local bool // a run on one machine waits for the end

	recordsFirst     bool // a task is recorded before its objects are there
	endsTwice        bool // end.json may be replaced
	looksEarly       bool // a task lists the records before it writes its own
	acknowledgesNow  bool // an event is taken off the broker before its work is done
	indexLast        bool // job.json is written before the index entry
	endGoesFirst     bool // retention removes end.json before job.json
	forgetsToRequest bool // job.submitted that finds a phase requests nothing
	plansTwice       bool // the record of a phase may be replaced
	requestsEarly    bool // who requests a task also requests one of the next phase
	doesNotWait      bool // a task begins without its phase
	goesOnEarly      bool // a phase counts as complete whatever records there are
	releasesEarly    bool // the objects of a phase are removed when the next one, which reads them, is requested
	lateFails        bool // a late copy that finds its objects gone does not look whether its task was done
	tickIsDeaf       bool // the resume tick does not look at ends that nobody announced
	notesFirst       bool // announced.json is written before the announcement
	watchesItself    bool // the watch goes on while the end is announced, and work that it stops is acknowledged
	endsOnce         bool // an event that comes again does not announce the end that its work made
	onlyListens      bool // a run waits for the announcement, and does not look by itself
}

// state is everything that is not forgotten: the objects, the events under way, and where each process is.
type state struct {
	objects    uint64 // by their numbers in a course
	events     uint32
	work       [2]process
	client     uint8 // steps of the submission
	retention  uint8 // steps of the removal
	told       bool  // the client was told of the job
	cancelling bool  // who cancelled the job has yet to announce it
	heard      bool  // the end was announced
	run        uint8 // what a run on one machine does
	// What was, for the promises.
	wasEnd uint8 // the first end, 0 for none
	wrong  uint8 // index of a promise that a step broke
}

// process is a replica at work on an event, 0 for none; log is what its calls came to.
type process struct {
	event uint8
	log   int32
}

// The promises a step may break.
var promises = []string{
	"", "a task has its record and not its objects", "the end changed", "the job completed without all its tasks", "a task was done without what it reads",
	"a job that ended looks as if it went on", "a phase was replaced", "a phase was written before all records of the one before were there",
}

// What a run on one machine does.
const (
	submits = iota
	waits
	returned
)

// course is an exploration: it numbers what states are made of, and remembers what processes do next.
type course struct {
	*protocol
	keys    []string // of each object
	content []string
	number  map[[2]string]int
	events  []string // by number; 0 is none
	logs    []string
	logOf   map[string]int32
	nexts   map[process]step
	sent    map[string]cloudevents.Event
}

func (p *protocol) tasks(n int) []string {
	if n < 0 || n >= len(p.phases) {
		return nil
	}
	if n == 0 {
		return []string{job.PlanTask}
	}
	return []string{"a", "b"}[:p.phases[n].tasks]
}

// phase is the record of a phase; nil behind the last.
func (p *protocol) phase(n int) *job.Phase {
	if n >= len(p.phases) {
		return nil
	}
	phase := &job.Phase{Number: n, Kind: p.phases[n].kind, Created: epoch}
	for _, task := range p.tasks(n) {
		phase.Tasks = append(phase.Tasks, job.Task{Name: task})
	}
	return phase
}

func (p *protocol) encoded(n int) string {
	data, _ := json.Marshal(p.phase(n))
	return string(data)
}

func newCourse(p *protocol) *course {
	c := &course{protocol: p, number: map[[2]string]int{}, events: []string{"", submitted}, logOf: map[string]int32{"": 0}, logs: []string{""}, nexts: map[process]step{}, sent: map[string]cloudevents.Event{}}
	c.sent[submitted] = eventing.NewJobSubmitted("/model", modelID, 0, epoch)
	for n := 1; n < len(p.phases); n++ {
		for _, task := range p.tasks(n) {
			name := taskName(n, task)
			c.events = append(c.events, name)
			c.sent[name] = eventing.NewTaskRequested("/model", eventing.Task{JobID: modelID, Phase: n, Kind: string(p.phases[n].kind), Task: task}, epoch)
		}
	}
	return c
}

// object numbers an object with a content.
func (c *course) object(key, content string) int {
	n, ok := c.number[[2]string{key, content}]
	if !ok {
		n = len(c.keys)
		if n == 64 {
			panic("more than 64 objects")
		}
		c.number[[2]string{key, content}] = n
		c.keys, c.content = append(c.keys, key), append(c.content, content)
	}
	return n
}

func (c *course) eventOf(name string) uint8 { return uint8(slices.Index(c.events, name)) }

// find returns the number of the object of a key; -1 when there is none.
func (c *course) find(s *state, key string) int {
	for n, k := range c.keys {
		if k == key && s.objects>>n&1 == 1 {
			return n
		}
	}
	return -1
}

func (c *course) there(s *state, key string) bool { return c.find(s, key) >= 0 }

func (c *course) remove(s *state, prefix string) {
	for n, k := range c.keys {
		if strings.HasPrefix(k, prefix) {
			s.objects &^= 1 << n
		}
	}
}

// The ends of a job, as state.wasEnd has them.
const (
	completed = 1 + iota
	cancelled
)

// end returns how the job has ended, 0 when it goes on, and whose event ended it.
func (c *course) end(s *state) (end uint8, event string) {
	n := c.find(s, endKey)
	if n < 0 {
		return 0, ""
	}
	var e job.End
	if err := json.Unmarshal([]byte(c.content[n]), &e); err != nil {
		panic(err)
	}
	if e.State == job.Completed {
		return completed, e.Event
	}
	return cancelled, e.Event
}

// write makes an object, and looks at what may not happen.
func (c *course) write(s *state, key, content string, once bool) string {
	before := c.find(s, key)
	if before >= 0 && once {
		return resultThere
	}
	after := c.object(key, content)
	if n, ok := phaseOf(key); ok {
		switch {
		case before >= 0:
			s.wrong = 6
		case n > 1 && !c.complete(s, n-1) && c.open(s):
			s.wrong = 7
		}
	}
	if key == endKey && before >= 0 && before != after {
		s.wrong = 2
	}
	if before >= 0 {
		s.objects &^= 1 << before
	}
	s.objects |= 1 << after
	if end, _ := c.end(s); key == endKey {
		if s.wasEnd == 0 {
			s.wasEnd = end
		}
		if end == completed && !c.complete(s, len(c.phases)-1) && c.there(s, jobKey) { // else it is an orphan, which goes a day later
			s.wrong = 3
		}
	}
	if n, task, ok := recordOf(key); ok && n > 0 && !c.there(s, workKey(n, task)) && !c.complete(s, n) && c.open(s) {
		s.wrong = 1
	}
	return resultDone
}

// open reports whether the job has not ended, and retention has not begun.
func (c *course) open(s *state) bool { return s.wasEnd == 0 }

// complete reports whether all tasks of a phase have their records.
func (c *course) complete(s *state, n int) bool {
	for _, task := range c.tasks(n) {
		if !c.there(s, recordKey(n, task)) {
			return false
		}
	}
	return true
}

// apply makes a call, and returns what it came to.
func (c *course) apply(s *state, call step) string {
	switch call.op {
	case "read":
		if n := c.find(s, call.key); n >= 0 {
			return c.content[n]
		}
		return resultMissing
	case "list":
		var keys []string
		for n, k := range c.keys {
			if s.objects>>n&1 == 1 && strings.HasPrefix(k, call.key) {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		return strings.Join(keys, "\n") + "\n"
	case "write":
		return c.write(s, call.key, call.data, call.once)
	case "delete":
		if !c.there(s, call.key) {
			return resultMissing
		}
		c.remove(s, call.key)
		return resultDone
	case "publish":
		if call.key == announcement {
			s.heard = true
		} else {
			s.events |= 1 << c.eventOf(call.key)
		}
		return resultDone
	}
	panic(call.op)
}

// stable reports whether a call may be made together with the one before it, which saves states: nobody else can change
// what it comes to, nor see that it was made.
func (c *course) stable(s *state, call step) bool {
	if c.retain {
		return false
	}
	switch n := c.find(s, call.key); call.op {
	case "read":
		return n >= 0 && !strings.Contains(call.key, "/work/") && call.key != endKey
	case "write":
		return n >= 0 && (call.once || strings.HasSuffix(call.key, ".requested"))
	case "delete":
		return n < 0
	case "list":
		number, ok := phaseOf(strings.TrimSuffix(call.key, "/") + ".json")
		return ok && c.complete(s, number)
	}
	return false
}

// nextOf returns what a process does next.
func (c *course) nextOf(p process) step {
	next, ok := c.nexts[p]
	if !ok {
		var results []string
		if c.logs[p.log] != "" {
			results = strings.Split(strings.TrimSuffix(c.logs[p.log], "\x00"), "\x00")
		}
		next = c.protocol.nextOf(c.sent[c.events[p.event]], results)
		c.nexts[p] = next
	}
	return next
}

func (c *course) append(p process, result string) process {
	log := c.logs[p.log] + result + "\x00"
	n, ok := c.logOf[log]
	if !ok {
		n = int32(len(c.logs))
		c.logOf[log] = n
		c.logs = append(c.logs, log)
	}
	return process{event: p.event, log: n}
}

// next lists what can happen in a state.
func (c *course) next(s state) []move[state] {
	var out []move[state]
	add := func(name string, to state) {
		if to.wrong == 0 && to.wasEnd != 0 && c.there(&to, jobKey) && !c.there(&to, endKey) {
			to.wrong = 5
		}
		if a, b := to.work[0], to.work[1]; a.event > b.event || a.event == b.event && a.log > b.log { // replicas are alike
			to.work[0], to.work[1] = b, a
		}
		out = append(out, move[state]{name, to})
	}
	c.clients(s, add)
	c.ticks(s, add)
	for e := 1; e < len(c.events); e++ {
		if s.events>>e&1 == 1 && c.lose {
			to := s
			to.events &^= 1 << e
			add("event lost "+c.events[e], to)
		}
	}
	for i, p := range s.work {
		if p.event == 0 {
			if i == 1 && s.work[0].event == 0 {
				break
			}
			for e := 1; e < len(c.events); e++ {
				if s.events>>e&1 == 0 || c.alone && s.work[1-i].event == uint8(e) {
					continue
				}
				to := s
				to.work[i] = process{event: uint8(e)}
				if c.acknowledgesNow {
					to.events &^= 1 << e
				}
				c.act(to, i, add) // whether it takes an event earlier than it makes its first call is all the same
			}
			continue
		}
		c.act(s, i, add)
		if c.crash {
			// The event was not acknowledged: it is still under way.
			to := s
			to.work[i] = process{}
			add(fmt.Sprintf("replica %d dies", i), to)
		}
	}
	if c.retain {
		c.retention(s, add)
	}
	return out
}

// act is the next call of a replica, or the end of its watch.
func (c *course) act(s state, i int, add func(string, state)) {
	p := s.work[i]
	call := c.nextOf(p)
	name := fmt.Sprintf("%d on %s: %s %s", i, c.events[p.event], call.op, strings.TrimPrefix(call.key, job.Prefix(modelID)))
	if end, _ := c.end(&s); end != 0 && call.watched {
		to := s
		if c.watchesItself && !c.nextOfIsWork(call) {
			to.work[i] = process{}
			to.events &^= 1 << p.event
		} else {
			to.work[i] = c.append(p, resultEnded)
		}
		if next := c.nextOf(to.work[i]); to.work[i].event != 0 && next.op == "return" {
			c.leave(to, i, next.err, "the watch of replica "+name, add)
		} else {
			add("the watch of replica "+name, to)
		}
	}
	to := s
	for {
		to.work[i] = c.append(to.work[i], c.apply(&to, call))
		if call = c.nextOf(to.work[i]); call.op == "return" {
			c.leave(to, i, call.err, name, add)
			return
		}
		if !c.stable(&to, call) {
			add(name, to)
			return
		}
	}
}

// nextOfIsWork reports whether a call is of the work of a task, which is watched in any case.
func (p *protocol) nextOfIsWork(call step) bool { return strings.Contains(call.key, "/work/") }

// leave is what becomes of an event when the process returns.
func (c *course) leave(s state, i int, err error, name string, add func(string, state)) {
	p := s.work[i]
	to := s
	to.work[i] = process{}
	switch {
	case err != nil && c.open(&s) && strings.Contains(err.Error(), errGone.Error()):
		to.wrong = 4
	case err != nil: // the event comes again
		if c.acknowledgesNow {
			to.events |= 1 << p.event
		}
	default:
		if c.duplicate { // the answer was lost, or the event was there twice
			again := to
			again.events |= 1 << p.event
			add(name+", delivered again", again)
		}
		if !c.acknowledgesNow {
			to.events &^= 1 << p.event
		}
	}
	add(name, to)
}

// clients are those who submit, wait for, and cancel the job.
func (c *course) clients(s state, add func(string, state)) {
	if s.client < 4 { // the index, job.json, the event, the answer
		to := s
		to.client++
		keys := []string{indexKey, jobKey}
		if c.indexLast {
			slices.Reverse(keys)
		}
		switch s.client {
		case 0, 1:
			content := ""
			if keys[s.client] == jobKey {
				content = `{"id":"` + modelID + `"}`
			}
			c.write(&to, keys[s.client], content, true)
		case 2:
			to.events |= 1 << c.eventOf(submitted)
		case 3:
			to.told = true
		}
		add("client", to)
		if c.crash {
			to := s
			to.client = 9
			add("client dies", to)
		}
	}
	end, by := c.end(&s)
	if c.local && s.told && s.run != returned {
		to := s
		// It looks before it waits. An announcement of another process is not heard.
		switch looks := s.run == submits || !c.onlyListens; {
		case looks && end != 0, s.heard && by != "cancel":
			to.run = returned
			add("the run ends", to)
		case s.run == submits:
			to.run = waits
			add("the run waits", to)
		}
	}
	if c.cancel && s.told && c.there(&s, jobKey) && end == 0 && s.wasEnd == 0 {
		to := s
		c.write(&to, endKey, `{"state":"cancelled","event":"cancel"}`, true)
		to.cancelling = true
		add("cancel", to)
	}
	if s.cancelling {
		to := s
		to.cancelling = !c.announce(&to)
		add("cancel is announced", to)
		if c.crash {
			to := s
			to.cancelling = false
			add("who cancelled dies", to)
		}
	}
}

// announce is the next step of an announcement by others than compute: the event, the note. It reports whether it was the
// last.
func (c *course) announce(s *state) bool {
	noted := c.there(s, announcedKey)
	if first := s.heard; c.notesFirst {
		first = noted
		if !first {
			c.write(s, announcedKey, "noted", true)
			return false
		}
		s.heard = true
		return true
	} else if !first {
		s.heard = true
		return false
	}
	c.write(s, announcedKey, "noted", true)
	return true
}

// ticks are those of resume.
func (c *course) ticks(s state, add func(string, state)) {
	if !c.tick || !c.there(&s, indexKey) || !c.there(&s, jobKey) {
		return
	}
	end, _ := c.end(&s)
	if end != 0 && !c.tickIsDeaf && !c.there(&s, announcedKey) {
		to := s
		c.announce(&to)
		add("resume tick announces", to)
	}
	if e := c.eventOf(submitted); end == 0 && s.events>>e&1 == 0 {
		to := s
		to.events |= 1 << e
		add("resume tick", to)
	}
}

// retention is its next step, which may be cut short: it then begins anew. Only what ended without maps goes whole.
func (c *course) retention(s state, add func(string, state)) {
	if end, _ := c.end(&s); s.retention == 0 && end != cancelled {
		return
	}
	to := s
	to.retention++
	job, end := uint8(1), uint8(2)
	if c.endGoesFirst {
		job, end = end, job
	}
	switch s.retention {
	case 0: // data, results, plan, records of tasks
		for n, k := range c.keys {
			if k != jobKey && k != endKey && k != indexKey {
				to.objects &^= 1 << n
			}
		}
	case job:
		c.remove(&to, jobKey)
	case end:
		c.remove(&to, endKey)
	case 3:
		c.remove(&to, indexKey)
	default:
		return
	}
	add("retention", to)
}

// explore visits every state. It returns how many there are, and what is wrong with a
// way that leads there: a promise is broken, or a job that somebody may know of can
// no longer end, or its end no longer be announced, whatever happens.
func (p protocol) explore(most int) (int, string, error) {
	c := newCourse(&p)
	neverWas := func(s state) bool { return s.client == 9 && !s.told && !c.there(&s, jobKey) }
	goals := []goal[state]{
		// The job has ended, or nobody was ever told of one.
		{func(s state) bool { return s.wasEnd != 0 || neverWas(s) }, "the job can never end"},
		// The same, and the end was announced, unless retention was faster.
		{func(s state) bool { return s.heard || s.wasEnd != 0 && !c.there(&s, jobKey) || neverWas(s) }, "the end can never be announced"},
	}
	if p.local {
		goals = append(goals, goal[state]{func(s state) bool { return s.run == returned }, "the run can never return"})
	}
	start := state{}
	if p.begun {
		for start.client < 4 {
			c.clients(start, func(name string, to state) {
				if name == "client" {
					start = to
				}
			})
		}
	}
	return explore(most, start, func(s state) ([]move[state], string) {
		if s.wrong != 0 {
			return nil, promises[s.wrong]
		}
		return c.next(s), ""
	}, goals...)
}

// The jobs that are explored: one that has nothing but a plan, one of two tiles without maps, one whose maps the assembly
// makes, one whose maps are two groups by tasks, one whose terrain takes phases of its own.
var (
	least = []modelPhase{{job.KindPlan, 1}}
	short = []modelPhase{{job.KindPlan, 1}, {job.KindTiles, 2}}
	plain = []modelPhase{{job.KindPlan, 1}, {job.KindTiles, 2}, {job.KindAssembly, 1}}
	maps  = []modelPhase{{job.KindPlan, 1}, {job.KindTiles, 1}, {job.KindMaps, 2}, {job.KindAssembly, 1}}
	long  = []modelPhase{{job.KindPlan, 1}, {job.KindFill, 2}, {job.KindFill, 1}, {job.KindTiles, 1}, {job.KindAssembly, 1}}
)

// storm is everything that may go wrong, against which the tick helps.
var storm = protocol{phases: least, crash: true, lose: true, duplicate: true, tick: true, cancel: true, retain: true}

// deaths is what may go wrong where an event comes again until it is acknowledged, and nobody asks else.
var deaths = protocol{phases: plain, crash: true, alone: true, begun: true}

// alone is what a run on one machine meets: nobody requests again, and another process may cancel its job.
var alone = protocol{phases: short, local: true, cancel: true, begun: true}

// plant changes a protocol.
func plant(in protocol, f func(p *protocol)) protocol { f(&in); return in }

func TestProtocolHolds(t *testing.T) {
	for name, p := range map[string]protocol{
		"calm":                                  {phases: plain},
		"calm, maps by tasks":                   {phases: maps},
		"calm, terrain by tasks":                {phases: long},
		"duplicates":                            {phases: plain, duplicate: true},
		"nightly: duplicates, terrain by tasks": {phases: long, duplicate: true, begun: true},
		"requested early":                       {phases: plain, duplicate: true, begun: true, requestsEarly: true},
		"storm":                                 storm,
		"losses and ticks":                      {phases: short, lose: true, tick: true, begun: true},
		"deaths, no ticks":                      deaths,
		"nightly: deaths, maps by tasks":        plant(deaths, func(p *protocol) { p.phases = maps }),
		"cancelled, no ticks":                   {phases: short, duplicate: true, cancel: true, begun: true},
		"a run on one machine":                  alone,
		"a run, duplicates":                     plant(alone, func(p *protocol) { p.phases, p.duplicate = least, true }),
		"nightly: deaths and ticks":             {phases: short, crash: true, tick: true, begun: true},
		"nightly: deaths, losses, ticks":        plant(deaths, func(p *protocol) { p.lose, p.tick = true, true }),
	} {
		if strings.Contains(name, "nightly") && !nightly {
			continue
		}
		t.Run(name, func(t *testing.T) {
			n, wrong, err := p.explore(5_000_000)
			if err != nil || wrong != "" {
				t.Fatalf("%s (%v)", wrong, err)
			}
			t.Logf("%d states, all of them right", n)
		})
	}
}

// TestModelFindsPlantedBugs breaks the protocol in one place at a time.
func TestModelFindsPlantedBugs(t *testing.T) {
	announcements := plant(storm, func(p *protocol) { p.retain, p.duplicate = false, false })
	for _, c := range []struct {
		name string
		p    protocol
		want string
	}{
		{"a record before its objects", plant(deaths, func(p *protocol) { p.recordsFirst = true }), promises[1]},
		{"the end is replaced", plant(storm, func(p *protocol) { p.endsTwice = true }), promises[2]},
		{"no resume tick", plant(announcements, func(p *protocol) { p.tick = false }), "can never end"},
		{"the tick requests nothing of the newest phase", protocol{phases: short, lose: true, tick: true, begun: true, forgetsToRequest: true}, "can never end"},
		{"another phase of the same number", protocol{phases: short, duplicate: true, begun: true, plansTwice: true}, promises[6]},
		{"the last task looks before it writes", protocol{phases: short, looksEarly: true}, "can never end"},
		{"events are taken off first", protocol{phases: short, begun: true, acknowledgesNow: true, crash: true}, "can never end"},
		{"the index after the job", plant(announcements, func(p *protocol) { p.indexLast = true }), "can never end"},
		{"the end goes before the job", plant(storm, func(p *protocol) { p.endGoesFirst = true }), promises[5]},
		{"the tick does not look at ends", plant(announcements, func(p *protocol) { p.tickIsDeaf = true }), "never be announced"},
		{"the note before the announcement", plant(announcements, func(p *protocol) { p.notesFirst = true }), "never be announced"},
		{"the watch goes on while the end is announced", protocol{phases: short, watchesItself: true}, "never be announced"},
		{"an end is not announced again", plant(deaths, func(p *protocol) { p.phases, p.endsOnce = short, true }), "never be announced"},
		{"a run only listens", plant(alone, func(p *protocol) { p.onlyListens = true }), "run can never return"},
		{"a run only listens, to work that stops itself", protocol{phases: short, local: true, onlyListens: true, watchesItself: true}, "never"},
		{"the next phase before all records", protocol{phases: plain, begun: true, goesOnEarly: true}, promises[7]},
		{"a job ends before all records", protocol{phases: short, begun: true, goesOnEarly: true}, promises[3]},
		{"a task without its phase", protocol{phases: plain, begun: true, doesNotWait: true, requestsEarly: true}, promises[4]},
		{"objects go with the phase that reads them", protocol{phases: plain, begun: true, duplicate: true, releasesEarly: true}, promises[4]},
		{"late copies fail", protocol{phases: long, begun: true, duplicate: true, lateFails: true}, promises[4]},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, wrong, err := c.p.explore(5_000_000)
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
