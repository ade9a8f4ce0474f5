// Command pin writes into .ko.yaml which image its base is now, by digest, so that what is built later is built on the same.
//
//	go -C integration/tools run ./pin ../../.ko.yaml
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// patience bounds the call of the registry.
const patience = time.Minute

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "pin: give the file, for example .ko.yaml")
		os.Exit(2)
	}
	said, err := pin(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "pin:", err)
		os.Exit(1)
	}
	fmt.Println(said)
}

var base = regexp.MustCompile(`(?m)^defaultBaseImage: *(\S+)$`)

// pin replaces the base image in a file by the same with its digest, and says what it did. Where the registry does not answer
// the file stays as it is.
func pin(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	m := base.FindSubmatch(text)
	if m == nil {
		return "", errors.New(file + ": no defaultBaseImage")
	}
	tagged, _, _ := strings.Cut(string(m[1]), "@")
	tag, err := name.NewTag(tagged)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found, err := remote.Head(tag, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return fmt.Sprintf("%s is not pinned, and stays as it is in %s: %v", tagged, file, err), nil
	}
	pinned := tagged + "@" + found.Digest.String()
	if string(m[1]) == pinned {
		return "already " + pinned, nil
	}
	text = base.ReplaceAllLiteral(text, []byte("defaultBaseImage: "+pinned))
	return "pinned " + pinned, os.WriteFile(file, text, 0o644)
}
