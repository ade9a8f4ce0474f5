// Package wording rewrites errors of libraries for the person who reads them.
//
// Files have the names that the person gave them, and causes are told in place of the terms of a library or the operating
// system. It is used where an error leaves the program: on the command line, in answers of the API, in the record of a job
// that failed.
package wording

import (
	"path"
	"regexp"
	"strings"
)

// Error returns the text of an error in these words; empty for nil.
func Error(err error) string {
	if err == nil {
		return ""
	}
	return Text(err.Error())
}

var (
	// storedName is how the bucket names a file of a user: by a part of the checksum of its content, or by an id.
	storedName = regexp.MustCompile(`inputs/(?:[0-9a-f]{16}_|[0-9A-HJKMNP-TV-Z]{26}-1_)([^/"\s]+)`)
	// object is what the library of buckets puts before its errors.
	object = regexp.MustCompile(`blob(?: \(key "(?:[^"\\]|\\.)*"\))? \(code=\w+\): `)
	// call is an error of a system call on a file, or on two.
	call = regexp.MustCompile(`\b(openat|open|statat|stat|lstat|mkdirat|mkdir|readdirent|readdir|read|write|renameat|rename|linkat|link|symlink|removeat|remove|unlinkat|unlink|rmdir|chmod|chtimes|sync|truncate|close|seek|statfs|fork/exec|exec) (.+?): ` +
		`(no such file or directory|file does not exist|permission denied|operation not permitted|read-only file system|is a directory|not a directory|file exists|file name too long|directory not empty|no space left on device|disk quota exceeded|too many open files|input/output error|invalid argument|too many levels of symbolic links|stale NFS file handle|text file busy|cross-device link|invalid cross-device link|file already closed|no such device or address)`)
	full = regexp.MustCompile(`(?:no space left on device|disk quota exceeded)`)
	// fullPath finds where a full disk is.
	fullPath = regexp.MustCompile(`\b\w+ (/\S.*?|[A-Za-z]:\\.*?): (?:no space left on device|disk quota exceeded)`)
	request  = regexp.MustCompile(`\b(?:Get|Post|Put|Head|Patch|Delete|Options) "[^"]*": `)
	dial     = regexp.MustCompile(`dial (?:tcp|udp)[46]? ?\S*: `)
	listen   = regexp.MustCompile(`listen (?:tcp|udp)[46]?:? `)
	lookup   = regexp.MustCompile(`lookup (\S+?)(?: on \S+)?: (?:no such host|Temporary failure in name resolution|server misbehaving|i/o timeout)`)
	talk     = regexp.MustCompile(`(?:read|write) (?:tcp|udp)[46]? \S+->\S+: `)
	timeout  = regexp.MustCompile(`(?:net/http: (?:request canceled|timeout awaiting response headers)[^;]*|context deadline exceeded(?: \(Client\.Timeout[^)]*\))?|i/o timeout|TLS handshake timeout|connection timed out)`)
	parse    = regexp.MustCompile(`strconv\.\w+: parsing ("(?:[^"\\]|\\.)*"): (invalid syntax|value out of range)`)
	cert     = regexp.MustCompile(`(?:tls: failed to verify certificate: )?x509: (certificate signed by unknown authority|certificate has expired or is not yet valid[^;]*|certificate is valid for [^;]*|[^;]*)`)
)

// network has the system's words for failures of connections, each with its meaning.
var network = strings.NewReplacer(
	"connect: connection refused", "nobody answers at this address",
	"connect: no route to host", "there is no way to this address",
	"connect: network is unreachable", "there is no network, or no way to this address",
	"read: connection reset by peer", "the connection broke off",
	"connection reset by peer", "the connection broke off",
	"write: broken pipe", "the connection broke off",
	"http: server gave HTTP response to HTTPS client", "it speaks http, not https",
	"bind: address already in use", "another program listens there",
	"bind: permission denied", "ports below 1024 are for administrators",
	"bind: cannot assign requested address", "this machine has no such address",
	"unexpected EOF", "it ended too early",
)

// Text is Error for the text of an error.
func Text(s string) string {
	s = object.ReplaceAllString(s, "")
	if full.MatchString(s) {
		return fullDisk(s)
	}
	s = storedName.ReplaceAllString(s, "$1")
	s = request.ReplaceAllString(s, "")
	s = dial.ReplaceAllString(s, "")
	s = listen.ReplaceAllString(s, "")
	s = talk.ReplaceAllString(s, "")
	s = lookup.ReplaceAllString(s, "no machine of the name $1 is known")
	s = cert.ReplaceAllStringFunc(s, func(m string) string {
		return "its certificate is not trusted: " + cert.FindStringSubmatch(m)[1]
	})
	s = parse.ReplaceAllString(s, "$1 is no number that can be used")
	s = timeout.ReplaceAllString(s, "no answer came in time")
	s = network.Replace(s)
	return call.ReplaceAllStringFunc(s, func(m string) string {
		parts := call.FindStringSubmatch(m)
		return failure(parts[1], parts[2], parts[3])
	})
}

// verbs has for each system call what it does to a file.
var verbs = map[string]string{
	"open": "opened", "stat": "read", "lstat": "read", "mkdir": "made", "readdirent": "read", "readdir": "read", "read": "read", "write": "written",
	"rename": "renamed", "link": "made", "symlink": "made", "remove": "removed", "unlink": "removed", "rmdir": "removed", "chmod": "changed",
	"chtimes": "changed", "sync": "written", "truncate": "written", "close": "written", "seek": "read", "statfs": "read", "fork/exec": "run", "exec": "run",
}

// failure says why a system call on a file failed.
func failure(op, file, reason string) string {
	verb := verbs[strings.TrimSuffix(op, "at")]
	if verb == "" {
		verb = verbs[op]
	}
	switch reason {
	case "no such file or directory", "file does not exist", "no such device or address":
		if verb == "made" || verb == "written" {
			return file + " cannot be " + verb + ": a directory of its path is missing"
		}
		return "there is no file " + file
	case "permission denied", "operation not permitted":
		return file + " cannot be " + verb + ": you lack the permission"
	case "read-only file system":
		return file + " cannot be " + verb + ": its disk can only be read"
	case "is a directory":
		return file + " is a directory, not a file"
	case "not a directory":
		return file + " cannot be " + verb + ": a part of its path is a file, not a directory"
	case "file exists":
		return file + " is there already"
	case "file name too long":
		return "the name " + file + " is too long for the disk"
	case "too many open files":
		return file + " cannot be " + verb + ": too many files are open; raise the limit with: ulimit -n 4096"
	case "input/output error", "stale NFS file handle":
		return file + " cannot be " + verb + ": its disk does not work properly"
	case "too many levels of symbolic links":
		return file + " is a link that leads to itself"
	}
	return file + " cannot be " + verb + ": " + reason
}

// fullDisk names the disk that is full, if the text has a file on it.
func fullDisk(s string) string {
	if m := fullPath.FindStringSubmatch(s); m != nil {
		return "the disk of " + path.Dir(visible(m[1])) + " is full"
	}
	return "the disk is full"
}

// visible replaces the part of a path below a bucket's hidden directory for files that are being written.
func visible(file string) string {
	if i := strings.Index(file, "/.tmp/"); i >= 0 {
		return file[:i] + "/x"
	}
	return file
}
