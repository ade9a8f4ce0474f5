package job

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gocloud.dev/blob"
)

// EqualPrefix is where the jobs of equal work are found: equal/WORK/NUMBER names the job that was asked for as the NUMBERth
// with this work. Each is written once, so that of several that ask at the same time one makes the job.
const EqualPrefix = "equal/"

// Equal is such an entry.
type Equal struct {
	// Key of its object.
	Key string `json:"-"`
	// Job is the id of the job, whose record follows.
	Job string    `json:"job"`
	At  time.Time `json:"at"`
	// number is the last part of the key.
	number int
}

// equalKey is the form of Request.Equal; a record that was copied here may hold anything.
var equalKey = regexp.MustCompile(`^` + EqualPrefix + `[0-9a-f]{64}/[0-9]{6}$`)

// mostEqual is how many of the youngest entries of a work are looked at.
const mostEqual = 16

// EqualJobs are the youngest entries of a work, the youngest first.
func (s Store) EqualJobs(ctx context.Context, work string) ([]Equal, error) {
	var list []Equal
	prefix := EqualPrefix + work + "/"
	err := s.Objects(ctx, prefix, func(o *blob.ListObject) error {
		if n, err := strconv.Atoi(strings.TrimPrefix(o.Key, prefix)); err == nil {
			list = append([]Equal{{Key: o.Key, number: n}}, list...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var found []Equal
	for _, e := range list[:min(len(list), mostEqual)] {
		err := s.Read(ctx, e.Key, &e)
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) { // removed with its job meanwhile, or names none
			err = nil
		}
		if err != nil {
			return nil, err
		}
		found = append(found, e)
	}
	return found, nil
}

// AddEqual writes the entry of a job behind those that EqualJobs returned. won is false if another did at the same time.
func (s Store) AddEqual(ctx context.Context, work, id string, at time.Time, before []Equal) (key string, won bool, err error) {
	n := 1
	if len(before) > 0 {
		n = before[0].number + 1
	}
	key = fmt.Sprintf("%s%s/%06d", EqualPrefix, work, n)
	won, err = s.WriteOnce(ctx, key, Equal{Job: id, At: at.UTC()})
	if err != nil || won {
		return key, won, err
	}
	// A write whose answer was lost and that was repeated finds its own record.
	var there Equal
	err = s.Read(ctx, key, &there)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return key, err == nil && there.Job == id, err
}

// DropEqual removes the entry of a job, so that nobody finds it by its work.
func (s Store) DropEqual(ctx context.Context, id, key string) error {
	if !equalKey.MatchString(key) {
		return nil
	}
	var e Equal
	err := s.Read(ctx, key, &e)
	if errors.Is(err, ErrNotFound) || err == nil && e.Job != id {
		return nil
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	return s.Drop(ctx, key)
}
