package job

import (
	"context"
	"errors"
)

// Glance is Status without Removing and Leftovers, by reads alone where a job has
// ended well: for lists of many jobs, since stores charge more for a listing than for
// a read, and the one in memory goes through all of its objects for each.
func (s Store) Glance(ctx context.Context, id string) (Status, error) {
	var st Status
	r, err := s.Request(ctx, id)
	if err != nil {
		return st, err
	}
	st.Request, st.State, st.Updated = r, Pending, r.Created
	p, err := s.Plan(ctx, id)
	planned := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return st, err
	}
	if planned {
		st.State, st.Planned, st.Started, st.Updated = Running, len(p.Tiles), p.Created, p.Created
	}
	if st.Keep, err = s.Keep(ctx, id); err != nil {
		return st, err
	}
	e, err := s.End(ctx, id)
	ended := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return st, err
	}
	switch {
	case ended && e.State == Completed:
		st.Done = st.Planned
	case planned:
		done, err := s.Done(ctx, id)
		if err != nil {
			return st, err
		}
		for _, t := range p.Tiles {
			if at, ok := done[t.Task]; ok {
				st.Done++
				if at.After(st.Updated) {
					st.Updated = at
				}
			}
		}
	}
	if !ended {
		return st, nil
	}
	st.State, st.End, st.Updated = e.State, &e, e.Ended
	var x expiry
	switch err := s.read(ctx, Prefix(id)+"expired.json", &x); {
	case err == nil:
		st.Expired = &x.At
	case !errors.Is(err, ErrNotFound):
		return st, err
	}
	return st, nil
}
