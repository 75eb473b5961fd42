package pylib

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

// maxYAML bounds a file that YAMLMain reads.
const maxYAML = 1 << 20

// YAMLMain prints a YAML file as JSON: for modules here, whose environment may have no
// reader of YAML. It answers the exit code.
func YAMLMain(args []string, stdout, stderr io.Writer) int {
	if err := toJSON(args, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func toJSON(args []string, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("one file is needed")
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxYAML+1))
	if err != nil {
		return err
	}
	if len(b) > maxYAML {
		return fmt.Errorf("%s has more than %d bytes", args[0], maxYAML)
	}
	var v any // the reader itself refuses aliases that would fill the memory
	if err := yaml.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if v, err = plain(v); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return json.NewEncoder(out).Encode(v)
}

// plain gives maps keys that JSON has.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			var err error
			if v[k], err = plain(v[k]); err != nil {
				return nil, err
			}
		}
		return v, nil
	case []any:
		for i := range v {
			var err error
			if v[i], err = plain(v[i]); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[any]any:
		return nil, fmt.Errorf("a key is not text")
	}
	return v, nil
}
