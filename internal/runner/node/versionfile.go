package node

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
)

// manifest is what a package.json says of Node.
type manifest struct {
	Volta struct {
		Node    string `json:"node"`
		Extends string `json:"extends"`
	} `json:"volta"`
	Engines struct {
		Node string `json:"node"`
	} `json:"engines"`
	DevEngines struct {
		Runtime json.RawMessage `json:"runtime"`
	} `json:"devEngines"`
	PackageManager string `json:"packageManager"`
}

// PackageManager is the name before @ in packageManager of a package.json.
func PackageManager(text []byte) string {
	var m manifest
	if json.Unmarshal(text, &m) != nil {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(m.PackageManager, "^"), "@")
	return name
}

var fileRE = regexp.MustCompile(`(?m)^(?:node(?:js)?[ \t]+)?v?([^\s#]+)`)

// VersionFile reads what a file asks for: .nvmrc, .node-version, .tool-versions or
// package.json. extends names another package.json that is to be read instead,
// relative to this one.
func VersionFile(text string) (version, extends string, err error) {
	if t := strings.TrimSpace(text); strings.HasPrefix(t, "{") {
		return fromManifest(t)
	}
	text = withoutOthers(text)
	m := fileRE.FindStringSubmatch(text)
	if m == nil {
		return "", "", cairn.Errorf(cairn.CodeInvalid, "the file names no version of Node").
			WithHint(".nvmrc and .node-version hold a version; .tool-versions a line such as nodejs 20.11.1")
	}
	return m[1], "", nil
}

// withoutOthers leaves out comments, and lines of .tool-versions about other tools.
func withoutOthers(text string) string {
	var out []string
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		f := strings.Fields(l)
		if len(f) == 0 || strings.HasPrefix(l, "#") || len(f) > 1 && f[0] != "node" && f[0] != "nodejs" && !strings.HasPrefix(f[1], "#") {
			continue
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}

func fromManifest(text string) (version, extends string, err error) {
	var m manifest
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return "", "", cairn.Errorf(cairn.CodeInvalid, "the file is not valid JSON: %w", err)
	}
	switch dev := runtimeOf(m.DevEngines.Runtime); {
	case m.Volta.Node != "":
		return m.Volta.Node, "", nil
	case m.Volta.Extends != "":
		return "", m.Volta.Extends, nil
	case dev != "":
		return dev, "", nil
	case m.Engines.Node != "":
		return m.Engines.Node, "", nil
	}
	return "", "", cairn.Errorf(cairn.CodeInvalid, "the file names no version of Node").
		WithHint("in package.json it is volta.node, devEngines.runtime or engines.node")
}

// runtimeOf reads devEngines.runtime: one entry or a list.
func runtimeOf(raw json.RawMessage) string {
	type entry struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	var list []entry
	var one entry
	if json.Unmarshal(raw, &list) != nil && json.Unmarshal(raw, &one) == nil {
		list = []entry{one}
	}
	for _, e := range list {
		if strings.EqualFold(e.Name, "node") {
			return e.Version
		}
	}
	return ""
}
