// Command loginserver serves the platform as eemt serve does, in memory, to people that an OpenID provider knows: for tests
// of what needs a login.
//
//	loginserver -issuer http://127.0.0.1:PORT -audience NAME -client NAME
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/sources"
)

func main() {
	issuer := flag.String("issuer", "", "address of the provider")
	audience := flag.String("audience", "", "what tokens must be made for")
	client := flag.String("client", "", "name of the page at the provider")
	flag.Parse()
	if err := serve(*issuer, *audience, *client); err != nil {
		fmt.Fprintln(os.Stderr, "loginserver:", err)
		os.Exit(1)
	}
}

// serve prints its address, and serves until the process is killed.
func serve(issuer, audience, client string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	bucket := memblob.OpenBucket(nil)
	store := job.Store{Bucket: bucket}
	clean := &cleanup.Service{Store: store, Now: time.Now, Log: log, Policy: cleanup.DefaultPolicy()}
	events := broker.New(broker.Options{DeadLetter: clean.DeadLetter, Logger: log})
	clean.Events = events
	climate := sources.Files{Bucket: bucket}
	work := &compute.Service{Store: store, Events: events, Climate: climate.Open, Threads: 2, Now: time.Now, Log: log, Version: "test"}
	front := submission.New(submission.Config{
		Store: store, Events: events, Now: time.Now, NewID: ids(), Log: log, Version: "test", MaxUpload: 64 << 20, Climate: climate.Open,
		Access: access.Settings{
			Authenticator: &access.OIDC{
				Issuer: issuer, Audience: audience, Client: &http.Client{Timeout: time.Minute}, Now: time.Now, Log: log,
				Claims: access.Claims{Owner: "sub", Groups: "groups", Roles: "roles", Viewers: []string{"viewer"}, Operators: []string{"operator"}},
			},
			Login: access.Login{Mode: "oidc", Issuer: issuer, Audience: audience, ClientID: client, Scopes: "openid profile"},
		},
	})
	events.Subscribe("compute", []string{eventing.JobSubmitted, eventing.TaskRequested, eventing.TilesCompleted}, 1, work.Handle)
	events.Start()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, _ = fmt.Println("http://" + l.Addr().String())
	return (&http.Server{Handler: front.Handler(), ReadHeaderTimeout: time.Minute}).Serve(l)
}

func ids() func() string {
	var mu sync.Mutex
	entropy := ulid.Monotonic(rand.Reader, 0)
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return ulid.MustNew(ulid.Now(), entropy).String()
	}
}
