package server

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestAzureConfig(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]bool{
		"{}": {false, false}, "azure: cairn": {false, false}, "azure: original": {true, true}, "azure: {acme/a: original}": {true, false},
	} {
		var c Config
		if err := yaml.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{c.Azure.original("acme/a"), c.Azure.original("acme/b")}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"azure: other", "azure: {acme/a: 1x}", "azure: [original]"} {
		var c Config
		if err := yaml.Unmarshal([]byte(text), &c); err == nil || !strings.Contains(err.Error(), "azure") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
