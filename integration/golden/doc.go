// Package golden holds the results of whole jobs and the answers of every route to what they were.
//
// The records under testdata are written by
//
//	go test ./integration/golden -update
//
// in a commit that changes results on purpose, and says which and why; never in one that says that they stay the same.
// With -run TestRoutes, TestHelp or TestJobs only these records are written.
//
// Answers are taken from eemt serve over HTTP, and their operations from its own definition: an operation without a
// recorded answer fails the test. Ids, times and the server's address are replaced; long bodies are recorded by their
// checksum, the scripts and styles of the page not at all.
package golden
