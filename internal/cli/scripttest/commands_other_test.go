//go:build !linux

package scripttest

import "github.com/rogpeppe/go-internal/testscript"

func canMount() bool { return false }

func cmdSmall(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("only Linux mounts") }

func cmdFill(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("only Linux mounts") }

// What is left over is looked for where processes can be listed without a program.
func cmdTidy(*testscript.TestScript, bool, []string) {}
