package pipeline

import "github.com/cairn-ml/cairn"

// ParseBinding takes a text apart, for the fuzzer.
func ParseBinding(s string) (parts []Part, problem string) { return parseParts(s, cairn.Position{}) }
