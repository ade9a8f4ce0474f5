// Package objectstore pins MinIO, an object store that enforces policies, and its command line, for tests that run them as
// processes. They are under the AGPL: nothing of this project links them, and they are in a module of their own.
package objectstore
