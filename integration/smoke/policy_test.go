package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

// TestReach has both ports of a pod open, one closed, and none.
func TestReach(t *testing.T) {
	port := func(open bool) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if !open {
			_ = l.Close()
		}
		t.Cleanup(func() { _ = l.Close() })
		return l.Addr().String()
	}
	for _, c := range []struct {
		closed, open bool // whether the port answers
		want         string
	}{
		{false, true, "enforced"},
		{true, true, "open"},
		{true, false, "the port that is open cannot be reached: "},
		{false, false, "the port that is open cannot be reached: "},
	} {
		if got := reach(port(c.closed), port(c.open), 20*time.Millisecond, 200*time.Millisecond); !strings.HasPrefix(got, c.want) {
			t.Errorf("%t, %t: %s", c.closed, c.open, got)
		}
	}
}
