package action

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// apply computes one rule.
func (m *meta) apply(t *tagRule) error {
	enabled, err := m.global(t.attrs["enable"])
	if err != nil {
		return err
	}
	switch enabled {
	case "true":
	case "false":
		return nil
	default:
		return cairn.Errorf(cairn.CodeInvalid, "Invalid value for enable attribute: %s", enabled).WithHint("in %s; allowed are true and false", t.line)
	}
	branch, isBranch := strings.CutPrefix(m.git.Ref, "refs/heads/")
	tag, isTag := strings.CutPrefix(m.git.Ref, "refs/tags/")
	switch t.kind {
	case "schedule":
		if !strings.Contains(m.git.Event, "schedule") {
			return nil
		}
		v, err := renderTemplate(t.attrs["pattern"], map[string]helper{"date": dated(m.now)})
		if err != nil {
			return err
		}
		return m.add(t, v, false)
	case "semver", "pep440":
		return m.version(t, tag, isTag)
	case "match":
		return m.match(t, tag, isTag)
	case "edge":
		want := t.attrs["branch"]
		if want == "" {
			want = m.git.Payload.Repository.DefaultBranch
		}
		if !isBranch || branch != want {
			return nil
		}
		v := t.attrs["value"]
		if v == "" {
			v = "edge"
		}
		return m.add(t, v, false)
	case "ref":
		switch pr, isPR := strings.CutPrefix(m.git.Ref, "refs/pull/"); {
		case t.attrs["event"] == "branch" && isBranch:
			return m.add(t, branch, false)
		case t.attrs["event"] == "tag" && isTag:
			return m.add(t, tag, true)
		case t.attrs["event"] == "pr" && isPR:
			return m.add(t, strings.TrimSuffix(pr, "/merge"), false)
		}
	case "raw":
		v, err := m.global(t.attrs["value"])
		if err != nil {
			return err
		}
		return m.add(t, v, false)
	case "sha":
		if m.git.SHA == "" {
			return nil
		}
		v := m.git.SHA
		if t.attrs["format"] == "short" {
			v = m.shortSHA()
		}
		return m.add(t, v, false)
	}
	return nil
}

// version computes a rule of type semver or pep440.
func (m *meta) version(t *tagRule, tag string, isTag bool) error {
	raw := t.attrs["value"]
	if raw == "" {
		if !isTag {
			return nil
		}
		raw = strings.ReplaceAll(tag, "/", "-")
	} else {
		var err error
		if raw, err = m.global(raw); err != nil {
			return err
		}
	}
	if p := t.attrs["match"]; p != "" {
		re, err := compilePattern(p)
		if err != nil {
			return err
		}
		found := re.FindStringSubmatch(raw)
		if found == nil {
			m.c.Warn("%s does not match %s.", p, raw)
			return nil
		}
		raw = found[min(1, len(found)-1)]
	}
	parse, more := parseSemver, "https://semver.org/"
	if t.kind == "pep440" {
		parse, more = parsePep440, "https://peps.python.org/pep-0440/"
	}
	v, ok := parse(raw)
	if !ok {
		m.c.Warn("%s is not a valid %s. More info: %s", raw, t.kind, more)
		return nil
	}
	pattern := t.attrs["pattern"]
	if v.unfinal && strings.TrimSpace(pattern) != "{{raw}}" {
		pattern = "{{version}}"
	}
	text, err := renderTemplate(pattern, v.helpers())
	if err != nil {
		return err
	}
	return m.add(t, text, !v.unfinal)
}

// match computes a rule of type match.
func (m *meta) match(t *tagRule, tag string, isTag bool) error {
	raw := t.attrs["value"]
	if raw == "" {
		if !isTag {
			return nil
		}
		raw = tag
	} else {
		var err error
		if raw, err = m.global(raw); err != nil {
			return err
		}
	}
	re, err := compilePattern(t.attrs["pattern"])
	if err != nil {
		return err
	}
	found := re.FindStringSubmatch(raw)
	group, _ := strconv.Atoi(t.attrs["group"])
	switch {
	case found == nil:
		m.c.Warn("%s does not match %s.", t.attrs["pattern"], raw)
		return nil
	case group >= len(found):
		m.c.Warn("Group %d does not exist for %s pattern.", group, t.attrs["pattern"])
		return nil
	}
	return m.add(t, found[group], true)
}

// add takes a tag in; the first one is the version, and says whether it is latest.
func (m *meta) add(t *tagRule, value string, latest bool) error {
	for _, side := range []struct {
		name string
		all  string
		join func(v, s string) string
	}{
		{"prefix", m.flavor.prefix, func(v, s string) string { return s + v }},
		{"suffix", m.flavor.suffix, func(v, s string) string { return v + s }},
	} {
		s := side.all
		if t.has(side.name) {
			s = t.attrs[side.name]
		}
		s, err := m.global(s)
		if err != nil {
			return err
		}
		value = side.join(value, s)
	}
	if value == "" {
		return nil
	}
	value = sanitizeTag(value)
	switch {
	case m.main == "":
		m.main = value
	case value != m.main && !slices.Contains(m.partial, value):
		m.partial = append(m.partial, value)
	}
	if m.latest == nil {
		if m.flavor.latest != "auto" {
			latest = m.flavor.latest == "true"
		}
		m.latest = &latest
	}
	return nil
}
