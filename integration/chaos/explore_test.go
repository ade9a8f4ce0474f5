package chaos

import (
	"fmt"
	"strings"
)

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
