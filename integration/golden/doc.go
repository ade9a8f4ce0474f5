// Package golden holds the results of whole jobs and the answers of every route to what they were.
//
// The records under testdata are written by
//
//	go test ./integration/golden -update
//
// in a commit that changes results on purpose, and says which and why; never in one that says that they stay the same.
package golden
