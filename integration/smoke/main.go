// Command smoke tries a deployment from end to end: it submits a small DEM, waits for its maps, and compares a mean that
// is known.
//
//	smoke [-timeout 5m] http://ADDRESS
//
// For ko/deploy.sh it tries whether a cluster enforces network policies: one pod listens, another reports whether it reaches
// the port that a policy closes.
//
//	smoke -listen
//	smoke -enforced ADDRESS
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/examples/maungawhau"
)

const (
	layer = "global/annual/total_sun_sum.tif"
	// mean is that of the layer for the DEM in examples/maungawhau, steps of 60 minutes, in Wh m-2. The tolerance leaves
	// room for how finely an engine samples; a wrong unit or a hill on the wrong side is far outside.
	mean      = 2173166.0
	tolerance = 0.01
)

func main() {
	timeout := flag.Duration("timeout", 5*time.Minute, "how long the job may take")
	listens := flag.Bool("listen", false, "listen at the ports 8080 and 8081, until it is ended")
	enforced := flag.String("enforced", "", "address of a pod that listens, and whose port 8080 a network policy closes")
	flag.Parse()
	switch {
	case *listens:
		fmt.Fprintln(os.Stderr, "smoke:", listen(":"+closedPort, ":"+openPort))
		os.Exit(1)
	case *enforced != "":
		fmt.Println(reach(net.JoinHostPort(*enforced, closedPort), net.JoinHostPort(*enforced, openPort), time.Second, patience))
		return
	}
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "smoke: give the address of the submission service, for example http://localhost:5000")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	if err := try(ctx, strings.TrimSuffix(flag.Arg(0), "/"), mean, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to cancel
	}
}

func try(ctx context.Context, address string, mean float64, out io.Writer) error {
	id, err := submit(ctx, address)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "submitted job %s\n", id)
	if err := wait(ctx, address, id, out); err != nil {
		return err
	}
	var report struct {
		Layers []struct {
			Name string
			Mean float64
		}
	}
	if err := call(ctx, http.MethodGet, address+"/jobs/"+id+"/results/report.json", "", nil, &report); err != nil {
		return err
	}
	for _, l := range report.Layers {
		if l.Name != layer {
			continue
		}
		if math.Abs(l.Mean-mean) > tolerance*mean {
			return fmt.Errorf("mean of %s is %.0f Wh m-2, want %.0f within %g %%", layer, l.Mean, mean, 100*tolerance)
		}
		_, _ = fmt.Fprintf(out, "mean of %s is %.0f Wh m-2, as it must be (%.0f within %g %%)\n", layer, l.Mean, mean, 100*tolerance)
		return call(ctx, http.MethodDelete, address+"/api/jobs/"+id, "", nil, nil)
	}
	return fmt.Errorf("the report of job %s does not name %s", id, layer)
}

func submit(ctx context.Context, address string) (string, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range map[string]string{"workflow_type": "sol", "step": "60", "fresh": "true"} {
		if err := form.WriteField(name, value); err != nil {
			return "", err
		}
	}
	part, err := form.CreateFormFile("dem_file", "smoke.tif")
	if err != nil {
		return "", err
	}
	if _, err := part.Write(maungawhau.DEM); err != nil {
		return "", err
	}
	if err := form.Close(); err != nil {
		return "", err
	}
	var answer struct {
		ID string `json:"job_id"`
	}
	err = call(ctx, http.MethodPost, address+"/api/submit-job", form.FormDataContentType(), body.Bytes(), &answer)
	return answer.ID, err
}

func wait(ctx context.Context, address, id string, out io.Writer) error {
	last := -1
	for {
		var status struct {
			Status   string
			Progress int
			Error    string `json:"error_message"`
		}
		if err := call(ctx, http.MethodGet, address+"/api/jobs/"+id, "", nil, &status); err != nil {
			return err
		}
		if status.Progress != last {
			last = status.Progress
			_, _ = fmt.Fprintf(out, "%s, %d %%\n", status.Status, last)
		}
		switch status.Status {
		case "completed":
			return nil
		case "failed":
			return fmt.Errorf("job %s failed: %s", id, status.Error)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("job %s is still %s at %d %%: do the triggers and the compute service say Ready?", id, status.Status, status.Progress)
		case <-time.After(time.Second):
		}
	}
}

// call makes a request, again for half a minute where nothing answers yet, and decodes the answer into result.
func call(ctx context.Context, method, url, contentType string, body []byte, result any) error {
	var last error
	for range 15 {
		again, err := once(ctx, method, url, contentType, body, result)
		if err == nil || !again {
			return err
		}
		last = err
		select {
		case <-ctx.Done():
			return errors.Join(last, ctx.Err())
		case <-time.After(2 * time.Second):
		}
	}
	return last
}

func once(ctx context.Context, method, url, contentType string, body []byte, result any) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token := os.Getenv("EEMT_TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return true, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return true, err
	}
	if res.StatusCode/100 != 2 {
		// An ingress that does not know the service yet answers 404 or 502, without JSON.
		again := res.StatusCode >= 500 || res.StatusCode == http.StatusNotFound && !json.Valid(data)
		return again, fmt.Errorf("%s %s: %s: %.200s", method, url, res.Status, data)
	}
	if result == nil {
		return false, nil
	}
	if err := json.Unmarshal(data, result); err != nil {
		return false, fmt.Errorf("%s %s: %w", method, url, err)
	}
	return false, nil
}
