package main

import (
	"net"
	"time"
)

const (
	// closedPort is that which a policy closes; openPort it leaves open.
	closedPort, openPort = "8080", "8081"
	// patience is how long a cluster may take to close a port of a pod that has just started.
	patience = 10 * time.Second
)

// listen takes connections at some addresses, and ends them.
func listen(addresses ...string) error {
	failed := make(chan error)
	for _, a := range addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					failed <- err
					return
				}
				_ = c.Close()
			}
		}()
	}
	return <-failed
}

// reach reports "enforced" if the address open can be reached and the address closed cannot, "open" if both can be for as long as
// given, else why neither can be told. A try takes at most the time given for one.
func reach(closed, open string, try, limit time.Duration) string {
	reached := func(address string) error {
		c, err := net.DialTimeout("tcp", address, try)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	var err error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(try / 4) {
		if err = reached(open); err == nil {
			break
		}
	}
	if err != nil {
		return "the port that is open cannot be reached: " + err.Error()
	}
	refused := 0 // in a row: one may be chance
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(try / 4) {
		if reached(closed) == nil || reached(open) != nil {
			refused = 0
			continue
		}
		if refused++; refused == 2 {
			return "enforced"
		}
	}
	return "open"
}
