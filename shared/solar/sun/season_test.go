package sun

import "testing"

func TestSeasonCoversTheYear(t *testing.T) {
	s := NewSeason()
	seen := map[int]bool{}
	for _, h := range s.Halves {
		for i, d := range h.days {
			if seen[d] {
				t.Errorf("day %d comes twice", d)
			}
			seen[d] = true
			if i > 0 && Declination(d) <= Declination(h.days[i-1]) {
				t.Errorf("declination does not rise from day %d to day %d", h.days[i-1], d)
			}
		}
		for j, m := range h.Month {
			a, b := h.below(s.Declination[j]), h.below(s.Declination[j+1])
			if b-a > longest {
				t.Errorf("%d days between nodes %d and %d", b-a, j, j+1)
			}
			for _, d := range h.days[a:b] {
				if MonthOf(d) != int(m) {
					t.Errorf("day %d lies in an interval of month %d", d, m+1)
				}
			}
		}
	}
	if len(seen) != YearDays {
		t.Errorf("%d days", len(seen))
	}
	for j := range len(s.Declination) - 1 {
		if step := s.Declination[j+1] - s.Declination[j]; step <= 0 || step > stride {
			t.Errorf("nodes %d and %d are %g apart", j, j+1, step)
		}
	}
	t.Logf("%d nodes", len(s.Declination))
}
