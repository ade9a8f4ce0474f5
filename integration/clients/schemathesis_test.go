package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSchemathesis sends requests that are made of the definition, right and wrong ones, to a server that needs no token, to
// one that gets its token, and to one that does not. No answer is an error of the server, or one that the definition does
// not know. It takes minutes: EEMT_NIGHTLY=1 runs it.
func TestSchemathesis(t *testing.T) {
	if os.Getenv("EEMT_NIGHTLY") == "" {
		t.Skip("takes minutes: EEMT_NIGHTLY=1 runs it")
	}
	bin := python(t, "testdata/schemathesis.txt")
	config, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	run := func(t *testing.T, url string, more ...string) {
		t.Helper()
		args := append([]string{
			"--config-file", filepath.Join(config, "schemathesis.toml"), "run", url + "/openapi.json", "--url", url,
			"--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
			"--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--max-time", "100", "--continue-on-failure", "--no-color",
		}, more...)
		c := exec.CommandContext(t.Context(), filepath.Join(bin, "schemathesis"), args...)
		c.Dir = t.TempDir()
		c.Env = append(os.Environ(), "SCHEMATHESIS_HOOKS=schemathesis_hooks", "PYTHONPATH="+config)
		out, err := c.CombinedOutput()
		_, said, _ := strings.Cut(string(out), "SUMMARY")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Log(said)
	}
	t.Run("no token needed", func(t *testing.T) { run(t, serve(t, "--echo")) })
	t.Run("with the token", func(t *testing.T) {
		url := serve(t, "--echo", "--token")
		path, err := program()
		if err != nil {
			t.Fatal(err)
		}
		token := strings.TrimSpace(command(t, ".", nil, path, "token", "--server", url))
		run(t, url, "--header", "Authorization:Bearer "+token)
	})
	t.Run("without the token", func(t *testing.T) { run(t, serve(t, "--echo", "--token")) })
}
