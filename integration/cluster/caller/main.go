// Command caller sends requests from a pod, and prints a line of JSON for each answer: what others in the cluster can do.
//
//	REQUESTS='[{"Method": "POST", "Address": "http://...", "Header": {"Ce-Id": "1"}, "Body": "{}"}]' caller
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

type request struct {
	Method, Address string
	Header          map[string]string
	// Token names a file whose text is sent as bearer.
	Token string
	Body  string
}

type answer struct {
	Status      int
	Body, Error string
}

func main() {
	var all []request
	if err := json.Unmarshal([]byte(os.Getenv("REQUESTS")), &all); err != nil {
		fmt.Fprintln(os.Stderr, "caller: REQUESTS:", err)
		os.Exit(2)
	}
	for _, r := range all {
		a, err := send(r)
		if err != nil {
			a.Error = err.Error()
		}
		_ = json.NewEncoder(os.Stdout).Encode(a)
	}
}

func send(r request) (a answer, err error) {
	req, err := http.NewRequest(r.Method, r.Address, strings.NewReader(r.Body))
	if err != nil {
		return a, err
	}
	for k, v := range r.Header {
		req.Header.Set(k, v)
	}
	if r.Token != "" {
		token, err := os.ReadFile(r.Token)
		if err != nil {
			return a, err
		}
		req.Header.Set("Authorization", "Bearer "+string(token))
	}
	client := http.Client{Timeout: 20 * time.Second}
	if strings.Contains(r.Address, ":8012") { // a pod itself, which answers at once or never
		client.Timeout = 3 * time.Second
	}
	res, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 300))
	return answer{Status: res.StatusCode, Body: string(body)}, err
}
