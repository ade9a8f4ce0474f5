package buckets_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
)

func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// google starts a Cloud Storage emulator and returns the address of a bucket in it.
func google(t *testing.T) string {
	t.Helper()
	port := freePort(t)
	host := fmt.Sprintf("127.0.0.1:%d", port)
	s, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1", Port: port, PublicHost: host, Writer: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "maps"})
	t.Setenv("STORAGE_EMULATOR_HOST", host)
	return "gs://maps?anonymous=true"
}

// amazon starts an S3 emulator and returns the address of a bucket in it, spelled as for MinIO.
func amazon(t *testing.T) string {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("maps"); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(s.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	return "s3://maps?region=us-east-1&use_path_style=true&endpoint=" + s.URL
}

// azure starts Azurite, if it is installed (npm install -g azurite), and returns the address of a container in it.
func azure(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("azurite-blob")
	if err != nil {
		if os.Getenv("EEMT_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED: azurite-blob is not installed, azblob:// is not tested")
	}
	host := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	c := exec.Command(program, "--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--blobPort", host[len("127.0.0.1:"):])
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	for range 200 {
		if r, err := http.Get("http://" + host); err == nil {
			_ = r.Body.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	const account, key = "devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	createContainer(t, "http://"+host+"/"+account, account, key, "maps")
	t.Setenv("AZURE_STORAGE_ACCOUNT", account)
	t.Setenv("AZURE_STORAGE_KEY", key)
	return "azblob://maps?protocol=http&localemu=true&domain=" + host
}

// each runs a test on every kind of bucket.
func each(t *testing.T, f func(t *testing.T, b *blob.Bucket, address string)) {
	for _, kind := range []struct {
		name  string
		start func(t *testing.T) string
	}{
		{"directory", func(t *testing.T) string { return "file://" + t.TempDir() }},
		{"memory", func(*testing.T) string { return "mem://" }},
		{"gs", google},
		{"s3", amazon},
		{"s3 below a prefix", func(t *testing.T) string { return amazon(t) + "&prefix=eemt/" }},
		{"azblob", azure},
	} {
		t.Run(kind.name, func(t *testing.T) {
			address := kind.start(t)
			b, err := buckets.Open(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			f(t, b, address)
		})
	}
}

func put(t *testing.T, b *blob.Bucket, key, data string, opts *blob.WriterOptions) {
	t.Helper()
	if err := b.WriteAll(t.Context(), key, []byte(data), opts); err != nil {
		t.Fatalf("write %s: %v", key, err)
	}
}

func list(t *testing.T, b *blob.Bucket, prefix string) []string {
	t.Helper()
	keys := []string{}
	it := b.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return keys
		}
		if err != nil {
			t.Fatalf("list %s: %v", prefix, err)
		}
		keys = append(keys, o.Key)
	}
}

// TestCreateIfAbsent lets many write the same object: one wins, the others are told so, and the winner's content stands.
func TestCreateIfAbsent(t *testing.T) {
	each(t, func(t *testing.T, b *blob.Bucket, _ string) {
		for round := range 20 {
			key := fmt.Sprintf("jobs/%d/end.json", round)
			var winner atomic.Int64
			var wins atomic.Int32
			var wait sync.WaitGroup
			for i := range 12 {
				wait.Go(func() {
					err := b.WriteAll(t.Context(), key, fmt.Append(nil, i), &blob.WriterOptions{IfNotExist: true, ContentType: "application/json"})
					switch code := gcerrors.Code(err); {
					case err == nil:
						wins.Add(1)
						winner.Store(int64(i))
					case code != gcerrors.FailedPrecondition && code != gcerrors.AlreadyExists:
						t.Errorf("a loser is told %v (%v)", err, code)
					}
				})
			}
			wait.Wait()
			if data, err := b.ReadAll(t.Context(), key); wins.Load() != 1 || err != nil || string(data) != fmt.Sprint(winner.Load()) {
				t.Errorf("round %d: %d winners, %q stands (%v), the winner wrote %d", round, wins.Load(), data, err, winner.Load())
			}
		}
	})
}

func TestReads(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 20_000)
	each(t, func(t *testing.T, b *blob.Bucket, _ string) {
		put(t, b, "inputs/dem.tif", string(data), &blob.WriterOptions{ContentType: "image/tiff", Metadata: map[string]string{"eemt_step": "30"}})
		if got, err := b.ReadAll(t.Context(), "inputs/dem.tif"); err != nil || !bytes.Equal(got, data) {
			t.Errorf("read %d bytes (%v)", len(got), err)
		}
		for _, c := range []struct{ off, n int64 }{{0, 10}, {199_990, 10}, {12_345, 100_000}, {199_999, -1}, {5, 0}} {
			r, err := b.NewRangeReader(t.Context(), "inputs/dem.tif", c.off, c.n, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			_ = r.Close()
			end := c.off + c.n
			if c.n < 0 {
				end = int64(len(data))
			}
			if err != nil || !bytes.Equal(got, data[c.off:end]) {
				t.Errorf("range %d+%d: %d bytes (%v)", c.off, c.n, len(got), err)
			}
			if r.Size() != int64(len(data)) {
				t.Errorf("range %d+%d: size %d", c.off, c.n, r.Size())
			}
		}
		a, err := b.Attributes(t.Context(), "inputs/dem.tif")
		if err != nil || a.Size != int64(len(data)) || a.ContentType != "image/tiff" || a.Metadata["eemt_step"] != "30" || a.ETag == "" || time.Since(a.ModTime).Abs() > time.Minute {
			t.Errorf("attributes %+v (%v)", a, err)
		}
		if a.MD5 != nil {
			if sum := md5.Sum(data); !bytes.Equal(a.MD5, sum[:]) {
				t.Errorf("md5 %x, want %x", a.MD5, sum)
			}
		}
		put(t, b, "index/empty", "", nil)
		if got, err := b.ReadAll(t.Context(), "index/empty"); err != nil || len(got) != 0 {
			t.Errorf("empty object: %q (%v)", got, err)
		}
		put(t, b, "inputs/dem.tif", "again", nil)
		if got, err := b.ReadAll(t.Context(), "inputs/dem.tif"); err != nil || string(got) != "again" {
			t.Errorf("overwritten object: %q (%v)", got, err)
		}
	})
}

func TestMissingKeys(t *testing.T) {
	each(t, func(t *testing.T, b *blob.Bucket, _ string) {
		put(t, b, "a/b/c", "x", nil)
		for _, key := range []string{"none", "a", "a/b", "a/b/cd", "a/b/c/d"} {
			if _, err := b.NewReader(t.Context(), key, nil); gcerrors.Code(err) != gcerrors.NotFound {
				t.Errorf("read %s: %v", key, err)
			}
			if _, err := b.Attributes(t.Context(), key); gcerrors.Code(err) != gcerrors.NotFound {
				t.Errorf("attributes of %s: %v", key, err)
			}
			if ok, err := b.Exists(t.Context(), key); ok || err != nil {
				t.Errorf("%s exists: %t (%v)", key, ok, err)
			}
		}
		if err := b.Delete(t.Context(), "a/b/c"); err != nil {
			t.Error(err)
		}
		// S3 does not tell whether there was something to delete; nobody may rely on it.
		if err := b.Delete(t.Context(), "a/b/c"); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			t.Errorf("deleting again: %v", err)
		}
		if left := list(t, b, ""); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

// TestListing lists objects in the order of their bytes; with EEMT_SLOW set more than stores give in one page.
func TestListing(t *testing.T) {
	each(t, func(t *testing.T, b *blob.Bucket, _ string) {
		n := 30
		if os.Getenv("EEMT_SLOW") != "" {
			n = 1100
		}
		var want []string
		gate := make(chan struct{}, 16)
		var wait sync.WaitGroup
		for i := range n {
			key := fmt.Sprintf("index/%015d-%c", (i*7919)%n, 'A'+i%26)
			want = append(want, key)
			gate <- struct{}{}
			wait.Go(func() {
				defer func() { <-gate }()
				put(t, b, key, "", nil)
			})
		}
		wait.Wait()
		slices.Sort(want)
		put(t, b, "inde", "x", nil)
		put(t, b, "indey/1", "x", nil)
		if got := list(t, b, "index/"); !slices.Equal(got, want) {
			t.Errorf("%d objects listed, want %d in order", len(got), len(want))
		}
		odd := []string{"uploads/Maunga Whau (west).tif", "uploads/a+b&c=d.tif", "uploads/Ätna/dem.tif", "uploads/100%.tif", "uploads/#1?.tif"}
		for _, key := range odd {
			put(t, b, key, key, nil)
		}
		// A driver that spells some characters otherwise in the store lists such keys in that order.
		slices.Sort(odd)
		if got := slices.Sorted(slices.Values(list(t, b, "uploads/"))); !slices.Equal(got, odd) {
			t.Errorf("listed %q, want %q", got, odd)
		}
		for _, key := range odd {
			if got, err := b.ReadAll(t.Context(), key); err != nil || string(got) != key {
				t.Errorf("%s holds %q (%v)", key, got, err)
			}
		}
	})
}

// TestInterruptedWrites abandons writers: nothing appears, and what was there stays.
func TestInterruptedWrites(t *testing.T) {
	each(t, func(t *testing.T, b *blob.Bucket, _ string) {
		put(t, b, "results/old.tif", "old", nil)
		for _, key := range []string{"results/old.tif", "results/new.tif"} {
			for _, size := range []int{10, 9 << 20} { // within one part of an upload, and over several
				ctx, abandon := context.WithCancel(t.Context())
				w, err := b.NewWriter(ctx, key, &blob.WriterOptions{ContentType: "image/tiff", BufferSize: 5 << 20})
				if err != nil {
					t.Fatal(err)
				}
				_, _ = w.Write(make([]byte, size))
				abandon()
				if err := w.Close(); err == nil {
					t.Errorf("%s, %d bytes: an abandoned write ended well", key, size)
				}
			}
		}
		if got := list(t, b, "results/"); !slices.Equal(got, []string{"results/old.tif"}) {
			t.Errorf("left: %v", got)
		}
		if got, err := b.ReadAll(t.Context(), "results/old.tif"); err != nil || string(got) != "old" {
			t.Errorf("the old object holds %.20q (%v)", got, err)
		}
	})
}

// TestDeadline gives up on a store that does not answer.
func TestDeadline(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(silent.URL, "http://"))
	for _, address := range []string{"s3://maps?region=us-east-1&use_path_style=true&endpoint=" + silent.URL, "gs://maps?anonymous=true"} {
		b, err := buckets.Open(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err = b.ReadAll(ctx, "a")
		cancel()
		if code := gcerrors.Code(err); code != gcerrors.DeadlineExceeded && code != gcerrors.Canceled && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v (%v)", address, err, code)
		}
		_ = b.Close()
	}
}

// TestPassingFaults answers 503 to the first tries of each request: the drivers try again.
func TestPassingFaults(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket("maps"); err != nil {
		t.Fatal(err)
	}
	inner := gofakes3.New(backend).Server()
	var mu sync.Mutex
	tries := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tries[r.Method+r.URL.Path]++
		n := tries[r.Method+r.URL.Path]
		mu.Unlock()
		if n%2 == 1 {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	b, err := buckets.Open(t.Context(), "s3://maps?region=us-east-1&use_path_style=true&endpoint="+s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	put(t, b, "a/b", "x", &blob.WriterOptions{IfNotExist: true})
	if got, err := b.ReadAll(t.Context(), "a/b"); err != nil || string(got) != "x" {
		t.Errorf("%q (%v)", got, err)
	}
	if got := list(t, b, ""); !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("listed %v", got)
	}
}

// TestEmulatorsStayOutOfThePrograms looks at what the programs link.
func TestEmulatorsStayOutOfThePrograms(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../../...").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, module := range []string{"fake-gcs-server", "gofakes3", "conformance"} {
		if strings.Contains(string(out), module) {
			t.Errorf("a program links %s", module)
		}
	}
}
