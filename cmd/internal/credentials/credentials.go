// Package credentials keeps the tokens of servers in files that only their user may read.
package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission/access"
)

// Token lets programs in at a server.
type Token struct {
	Access string `json:"access_token"`
	// Refresh gets another access token of the issuer; empty for the token of eemt serve.
	Refresh string `json:"refresh_token,omitempty"`
	// Expires is when the access token does; zero for never.
	Expires time.Time `json:"expires,omitzero"`
	// Issuer and ClientID are those of the login.
	Issuer   string `json:"issuer,omitempty"`
	ClientID string `json:"client_id,omitempty"`
}

// ErrNone says that there is no token of a server.
var ErrNone = errors.New("there is no token")

// Load returns the token of a server, or ErrNone.
func Load(server *url.URL) (Token, error) {
	var t Token
	file, err := fileOf(server)
	if err != nil {
		return t, err
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return t, ErrNone
	}
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	if err != nil {
		return t, fmt.Errorf("token file %s: %w; log in again", file, err)
	}
	return t, nil
}

// Save keeps the token of a server in place of the one before.
func Save(server *url.URL, t Token) error {
	file, err := fileOf(server)
	if err != nil {
		return err
	}
	data, err := json.Marshal(t)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o700)
	}
	if err != nil {
		return err
	}
	// A new file, since one that is there may be readable by others; renamed, so that nobody reads half of it.
	f, err := os.CreateTemp(filepath.Dir(file), ".token")
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// Forget removes the token of a server. Without one the error is ErrNone.
func Forget(server *url.URL) error {
	file, err := fileOf(server)
	if err != nil {
		return err
	}
	if err = os.Remove(file); errors.Is(err, fs.ErrNotExist) {
		return ErrNone
	}
	return err
}

// fileOf is where the token of a server is. All names of this machine are one.
func fileOf(server *url.URL) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("a token has no place to be kept: %w", err)
	}
	host, port := strings.ToLower(server.Hostname()), server.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[server.Scheme]
	}
	if ip := net.ParseIP(host); slices.Contains(access.Loopback, host) || ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		host = "localhost"
	}
	return filepath.Join(dir, "eemt", "tokens", url.PathEscape(strings.ReplaceAll(host, ":", "-"))+"_"+port+".json"), nil
}
