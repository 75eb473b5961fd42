package action

import (
	"encoding/csv"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// tagRule is one line of the input tags.
type tagRule struct {
	kind  string
	attrs map[string]string
	line  string
}

func (t *tagRule) has(name string) bool { _, ok := t.attrs[name]; return ok }

// tagKinds are the types in the order of their priority.
func tagKinds() []string {
	return []string{"schedule", "semver", "pep440", "match", "edge", "ref", "raw", "sha"}
}

func defaultPriority(kind string) string {
	return map[string]string{"schedule": "1000", "semver": "900", "pep440": "900", "match": "800", "edge": "700", "ref": "600", "raw": "200", "sha": "100"}[kind]
}

// fields splits one line by commas as the originals do; quotes are kept literally
// inside of a field and enclose one at its beginning.
func fields(line string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(line))
	r.LazyQuotes, r.FieldsPerRecord, r.TrimLeadingSpace = true, -1, true
	out, err := r.Read()
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q cannot be read: %w", line, err)
	}
	return out, nil
}

// listed reads an input of several lines: comments are left out.
func listed(input string) []string {
	return slices.DeleteFunc(lines(input), func(l string) bool { return strings.HasPrefix(l, "#") })
}

// parseTags reads the input tags, most important first.
func parseTags(input string) ([]tagRule, error) {
	list := listed(input)
	if len(list) == 0 {
		list = []string{"type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr"}
	}
	var out []tagRule
	for _, line := range list {
		t, err := parseTag(line)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	priority := func(t tagRule) int { n, _ := strconv.Atoi(t.attrs["priority"]); return n }
	slices.SortStableFunc(out, func(a, b tagRule) int { return priority(b) - priority(a) })
	return out, nil
}

func parseTag(line string) (tagRule, error) {
	t := tagRule{attrs: map[string]string{}, line: line}
	parts, err := fields(line)
	if err != nil {
		return t, err
	}
	for _, f := range parts {
		key, value, ok := strings.Cut(f, "=")
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		switch {
		case !ok:
			t.attrs["value"] = strings.TrimSpace(f)
		case key == "type":
			if !slices.Contains(tagKinds(), value) {
				e := cairn.Errorf(cairn.CodeInvalid, "Unknown tag type attribute: %s", value)
				if near := cairn.Nearest(value, tagKinds()); near != "" {
					return t, e.WithHint("did you mean %s? There are %s", near, strings.Join(tagKinds(), ", "))
				}
				return t, e.WithHint("there are %s", strings.Join(tagKinds(), ", "))
			}
			t.kind = value
		default:
			t.attrs[key] = value
		}
	}
	if t.kind == "" {
		t.kind = "raw"
	}
	return t, t.complete()
}

// complete fills in defaults and checks what a type needs.
func (t *tagRule) complete() error {
	def := func(name, value string) {
		if !t.has(name) {
			t.attrs[name] = value
		}
	}
	need := func(name string, allowed ...string) error {
		switch {
		case t.attrs[name] == "":
			return cairn.Errorf(cairn.CodeInvalid, "Missing %s attribute for %s", name, t.line)
		case len(allowed) > 0 && !slices.Contains(allowed, t.attrs[name]):
			return cairn.Errorf(cairn.CodeInvalid, "Invalid %s for %s", name, t.line).WithHint("allowed are %s", strings.Join(allowed, ", "))
		}
		return nil
	}
	def("enable", "true")
	def("priority", defaultPriority(t.kind))
	if _, err := strconv.Atoi(t.attrs["priority"]); err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "Invalid priority for %s", t.line).WithHint("it is a whole number")
	}
	switch t.kind {
	case "schedule":
		def("pattern", "nightly")
	case "semver", "pep440":
		def("value", "")
		return need("pattern")
	case "match":
		def("group", "0")
		def("value", "")
		if n, err := strconv.Atoi(t.attrs["group"]); err != nil || n < 0 {
			return cairn.Errorf(cairn.CodeInvalid, "Invalid match group for %s", t.line)
		}
		return need("pattern")
	case "edge":
		def("branch", "")
	case "ref":
		if err := need("event", "branch", "tag", "pr"); err != nil {
			return err
		}
		if t.attrs["event"] == "pr" {
			def("prefix", "pr-")
		}
	case "raw":
		return need("value")
	case "sha":
		def("prefix", "sha-")
		def("format", "short")
		return need("format", "short", "long")
	}
	return nil
}

// flavor is what holds for all tags.
type flavor struct {
	latest                   string // auto, true, false
	prefix, suffix           string
	prefixLatest, suffixLast bool
}

func parseFlavor(input string) (flavor, error) {
	f := flavor{latest: "auto"}
	for _, line := range listed(input) {
		parts, err := fields(line)
		if err != nil {
			return f, err
		}
		last := ""
		for _, p := range parts {
			key, value, ok := strings.Cut(p, "=")
			key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
			if !ok {
				return f, cairn.Errorf(cairn.CodeInvalid, "Invalid flavor entry: %s", line).WithHint("write latest=auto, prefix=… or suffix=…")
			}
			switch key {
			case "latest":
				if f.latest = value; !slices.Contains([]string{"auto", "true", "false"}, value) {
					return f, cairn.Errorf(cairn.CodeInvalid, "Invalid latest flavor entry: %s", line).WithHint("allowed are auto, true and false")
				}
			case "prefix":
				f.prefix, last = value, key
			case "suffix":
				f.suffix, last = value, key
			case "onlatest":
				yes := strings.EqualFold(value, "true")
				switch {
				case !yes && !strings.EqualFold(value, "false"):
					return f, cairn.Errorf(cairn.CodeInvalid, "Invalid value for onlatest attribute: %s", value).WithHint("allowed are true and false")
				case last == "prefix":
					f.prefixLatest = yes
				case last == "suffix":
					f.suffixLast = yes
				}
			default:
				return f, cairn.Errorf(cairn.CodeInvalid, "Unknown flavor entry: %s", line).WithHint("there are latest, prefix, suffix and onlatest")
			}
		}
	}
	return f, nil
}

// parseImages reads the input images: names, each of which may be switched off.
func parseImages(input string, major int) ([]string, error) {
	var out []string
	for _, line := range listed(input) {
		parts, err := fields(line)
		if err != nil {
			return nil, err
		}
		plain := slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(p, "=") })
		if plain || major < 4 { // a line may name several
			for _, p := range parts {
				if p = strings.TrimSpace(p); p != "" {
					out = append(out, strings.ToLower(p))
				}
			}
			continue
		}
		name, enable := "", "true"
		for _, p := range parts {
			key, value, _ := strings.Cut(p, "=")
			switch strings.ToLower(strings.TrimSpace(key)) {
			case "name":
				name = strings.TrimSpace(value)
			case "enable":
				enable = strings.TrimSpace(value)
			default:
				return nil, cairn.Errorf(cairn.CodeInvalid, "Unknown image attribute: %s", line).WithHint("there are name and enable")
			}
		}
		switch {
		case name == "":
			return nil, cairn.Errorf(cairn.CodeInvalid, "Image name attribute empty: %s", line)
		case !strings.EqualFold(enable, "true") && !strings.EqualFold(enable, "false"):
			return nil, cairn.Errorf(cairn.CodeInvalid, "Invalid enable attribute value: %s", line).WithHint("allowed are true and false")
		case strings.EqualFold(enable, "true"):
			out = append(out, strings.ToLower(name))
		}
	}
	return out, nil
}

var notInTag = lazily(`[^a-zA-Z0-9._-]+`)

func sanitizeTag(s string) string { return notInTag().ReplaceAllString(s, "-") }

// compilePattern makes a pattern of JavaScript one of Go: /…/flags, or the text.
func compilePattern(p string) (*regexp.Regexp, error) {
	text := p
	if m := regexp.MustCompile(`^/(.+)/(.*)$`).FindStringSubmatch(p); m != nil {
		text = m[1]
		var flags string
		for _, f := range m[2] {
			if strings.ContainsRune("ims", f) {
				flags += string(f)
			}
		}
		if flags != "" {
			text = "(?" + flags + ")" + text
		}
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the pattern %s cannot be read: %w", p, err).
			WithHint("look-ahead, look-behind and back references are not built in")
	}
	return re, nil
}
