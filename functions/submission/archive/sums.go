package archive

import "sync"

// mostSums bounds the check sums that are remembered; some hundred bytes each.
const mostSums = 50_000

// Sums remembers check sums by the keys of entries, so that the rest of an archive can be read without its start. The
// zero value is ready; it is for many goroutines.
type Sums struct {
	mu sync.Mutex
	// Of two generations the older goes when the younger is full.
	young, old map[string]uint32
}

func (s *Sums) get(key string) (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sum, ok := s.young[key]; ok {
		return sum, true
	}
	sum, ok := s.old[key]
	if ok {
		s.add(key, sum)
	}
	return sum, ok
}

func (s *Sums) put(key string, sum uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(key, sum)
}

func (s *Sums) add(key string, sum uint32) {
	if s.young == nil || len(s.young) >= mostSums/2 {
		s.old, s.young = s.young, map[string]uint32{}
	}
	s.young[key] = sum
}
