package server

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// AzureConfig says whose jobs keep a real az: azure: original, or a word for each
// repository. The others get Cairn's.
type AzureConfig struct {
	All          string
	Repositories map[string]string
}

// The words of AzureConfig.
const (
	azureCairn    = "cairn"
	azureOriginal = "original"
)

// UnmarshalYAML reads a word, or a map of repositories to words.
func (a *AzureConfig) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		a.All = n.Value
		return a.check(n, n.Value)
	}
	if err := n.Decode(&a.Repositories); err != nil {
		return fmt.Errorf("line %d: azure is cairn or original, or a map of repositories to one of them", n.Line)
	}
	for _, word := range a.Repositories {
		if err := a.check(n, word); err != nil {
			return err
		}
	}
	return nil
}

func (*AzureConfig) check(n *yaml.Node, word string) error {
	if word != azureCairn && word != azureOriginal {
		return fmt.Errorf("line %d: azure: %q is neither cairn nor original", n.Line, word)
	}
	return nil
}

// original reports whether az and azureml are left alone in jobs of a repository.
func (a *AzureConfig) original(repository string) bool {
	if word, ok := a.Repositories[repository]; ok {
		return word == azureOriginal
	}
	return a.All == azureOriginal
}
