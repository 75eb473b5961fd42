//go:build race

package run_test

// slow: the race detector makes the database twenty times slower; the tests that
// kill and rerun take samples then.
const slow = true
