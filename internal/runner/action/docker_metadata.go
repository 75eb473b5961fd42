package action

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

func metadataInputs() []string {
	return []string{"context", "images", "tags", "flavor", "labels", "annotations", "sep-tags", "sep-labels", "sep-annotations", "bake-target", "github-token",
		// the first version's
		"tag-sha", "tag-edge", "tag-edge-branch", "tag-semver", "tag-match", "tag-match-group", "tag-match-latest", "tag-latest",
		"tag-schedule", "tag-custom", "tag-custom-only", "label-custom"}
}

// metadata is docker/metadata-action: tags and labels from what the run is of.
type metadata struct{ major int }

// gitFacts are what tags are made of.
type gitFacts struct {
	Ref     string `json:"ref"`
	SHA     string `json:"sha"`
	Event   string `json:"event_name"`
	Payload struct {
		BaseRef     string `json:"base_ref"`
		PullRequest struct {
			Base struct {
				Ref string `json:"ref"`
			} `json:"base"`
			Head struct {
				SHA string `json:"sha"`
			} `json:"head"`
		} `json:"pull_request"`
		HeadCommit struct {
			Timestamp time.Time `json:"timestamp"`
		} `json:"head_commit"`
		Repository struct {
			Name          string    `json:"name"`
			Description   string    `json:"description"`
			HTMLURL       string    `json:"html_url"`
			UpdatedAt     time.Time `json:"updated_at"`
			DefaultBranch string    `json:"default_branch"`
			License       struct {
				SPDX string `json:"spdx_id"`
			} `json:"license"`
		} `json:"repository"`
	} `json:"event"`
}

// meta is one computation of tags and labels.
type meta struct {
	c      *runner.StepContext
	git    gitFacts
	now    time.Time
	flavor flavor
	images []string
	// The versions: main is empty until a tag applies.
	main    string
	partial []string
	latest  *bool
}

// Run does the step.
func (a *metadata) Run(_ context.Context, c *runner.StepContext) error {
	m, err := newMeta(c)
	if err != nil {
		return err
	}
	tags, flav := c.Input("tags"), c.Input("flavor")
	labels := listed(c.Input("labels"))
	if a.major == 1 {
		if tags, flav, err = m.first(); err != nil {
			return err
		}
		labels = listed(c.Input("label-custom"))
	}
	if m.flavor, err = parseFlavor(flav); err != nil {
		return err
	}
	if m.images, err = parseImages(c.Input("images"), a.major); err != nil {
		return err
	}
	if len(m.images) == 0 && a.major < 4 {
		return cairn.Errorf(cairn.CodeInvalid, "Input required and not supplied: images").WithHint("for example images: ghcr.io/owner/name")
	}
	rules, err := parseTags(tags)
	if err != nil {
		return err
	}
	for i := range rules {
		if err := m.apply(&rules[i]); err != nil {
			return err
		}
	}
	return a.tell(c, m, labels)
}

func newMeta(c *runner.StepContext) (*meta, error) {
	m := &meta{c: c, now: time.Now()}
	if c.Now != nil {
		m.now = c.Now()
	}
	if raw := c.Spec.Contexts["github"]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &m.git); err != nil {
			return nil, cairn.Errorf(cairn.CodeInternal, "the github context cannot be read: %w", err)
		}
	}
	if m.git.Ref == "" {
		m.git.Ref = c.Spec.Code.Ref
	}
	if m.git.SHA == "" {
		m.git.SHA = c.Spec.Code.Commit
	}
	if v := m.git.Payload.PullRequest.Head.SHA; v != "" && strings.EqualFold(c.Env["DOCKER_METADATA_PR_HEAD_SHA"], "true") {
		m.git.SHA = v
	}
	if m.git.Payload.Repository.Name == "" {
		m.git.Payload.Repository.Name = c.Spec.Code.Repository[strings.LastIndexByte(c.Spec.Code.Repository, '/')+1:]
	}
	return m, nil
}

// first writes the inputs of version 1 as those of the later ones.
func (m *meta) first() (tags, flavor string, err error) {
	c := m.c
	var out []string
	custom := splitList(c.Input("tag-custom"))
	only, err := boolInput(c, "tag-custom-only", false)
	if err != nil {
		return "", "", err
	}
	if !only || len(custom) == 0 {
		schedule := c.Input("tag-schedule")
		if schedule == "" {
			schedule = "nightly"
		}
		out = append(out, quoted("type=schedule,priority=1000", "pattern", schedule))
		semvers := listed(c.Input("tag-semver"))
		for _, p := range semvers {
			out = append(out, quoted("type=semver", "pattern", p))
		}
		match := c.Input("tag-match")
		group := c.Input("tag-match-group")
		if group == "" {
			group = "0"
		}
		switch {
		case match != "":
			out = append(out, quoted("type=match,group="+group, "pattern", match))
		case len(semvers) == 0:
			out = append(out, "type=ref,event=tag")
		}
		edge, err := boolInput(c, "tag-edge", false)
		if err != nil {
			return "", "", err
		}
		branch := c.Input("tag-edge-branch")
		if branch == "" {
			branch = m.git.Payload.Repository.DefaultBranch
		}
		if edge && m.git.Ref == "refs/heads/"+branch { // in place of the branch's name
			out = append(out, "type=edge,branch="+branch)
		} else {
			out = append(out, "type=ref,event=branch")
		}
		out = append(out, "type=ref,event=pr")
	}
	for _, t := range custom {
		out = append(out, quoted("type=raw", "value", t))
	}
	sha, err := boolInput(c, "tag-sha", false)
	if err != nil {
		return "", "", err
	}
	if sha && !(only && len(custom) > 0) {
		out = append(out, "type=sha")
	}
	flavor = "latest=auto"
	if v := c.Input("tag-latest"); v != "" {
		flavor = "latest=" + v
	} else if latest, err := boolInput(c, "tag-match-latest", true); err != nil {
		return "", "", err
	} else if !latest {
		flavor = "latest=false"
	}
	return strings.Join(out, "\n"), flavor, nil
}

// quoted adds a field that may hold commas.
func quoted(line, name, value string) string {
	return line + `,"` + name + "=" + strings.ReplaceAll(value, `"`, `""`) + `"`
}

// splitList splits an input by lines and commas.
func splitList(s string) []string {
	var out []string
	for _, l := range lines(s) {
		for _, p := range strings.Split(l, ",") {
			if p = strings.TrimSpace(p); p != "" {
				out = append(out, p)
			}
		}
	}
	return out
}

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

// global fills in the expressions that may stand anywhere.
func (m *meta) global(text string) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	branch, isBranch := strings.CutPrefix(m.git.Ref, "refs/heads/")
	tag, isTag := strings.CutPrefix(m.git.Ref, "refs/tags/")
	if !isBranch {
		branch = ""
	}
	if !isTag {
		tag = ""
	}
	base := ""
	switch {
	case isTag:
		base = strings.TrimPrefix(m.git.Payload.BaseRef, "refs/heads/")
	case strings.HasPrefix(m.git.Ref, "refs/pull/"):
		base = m.git.Payload.PullRequest.Base.Ref
	}
	def := m.git.Payload.Repository.DefaultBranch
	is := isBranch && def != "" && branch == def
	return renderTemplate(text, map[string]helper{
		"branch": constant(sanitizeTag(branch)), "tag": constant(sanitizeTag(tag)), "sha": constant(m.shortSHA()),
		"base_ref": constant(sanitizeTag(base)), "date": dated(m.now), "commit_date": dated(m.committed()),
		"is_default_branch": constant(strconv.FormatBool(is)), "is_not_default_branch": constant(strconv.FormatBool(!is)),
	})
}

func (m *meta) shortSHA() string {
	n := 7
	if v, err := strconv.Atoi(m.c.Env["DOCKER_METADATA_SHORT_SHA_LENGTH"]); err == nil && v > 0 {
		n = v
	}
	return m.git.SHA[:min(n, len(m.git.SHA))]
}

// committed is when the code was made, where that is known.
func (m *meta) committed() time.Time {
	for _, t := range []time.Time{m.git.Payload.HeadCommit.Timestamp, m.git.Payload.Repository.UpdatedAt} {
		if !t.IsZero() {
			return t
		}
	}
	return m.now
}
