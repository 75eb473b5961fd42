// Package clitest compares what commands print with golden files.
package clitest

import (
	"os"
	"path/filepath"
	"testing"
)

// Golden compares got with testdata/name, or writes it there.
func Golden(t *testing.T, update bool, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if string(want) != got {
		t.Errorf("%s differs (go test -update after a look at it).\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
