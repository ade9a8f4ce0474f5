// Command waiter stands in for the services when the platform itself is measured: it answers GET at once, and POST after
// the time that the environment variable WAIT says, with a line for each in its log.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	wait, err := time.ParseDuration(os.Getenv("WAIT"))
	if err != nil {
		wait = 0
	}
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "hello") })
	http.HandleFunc("POST /", func(w http.ResponseWriter, req *http.Request) {
		time.Sleep(wait)
		fmt.Printf("done %s %d\n", req.Header.Get("Ce-Id"), time.Now().UnixMilli())
		w.WriteHeader(http.StatusAccepted)
	})
	if err := http.ListenAndServe(":"+os.Getenv("PORT"), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
