package action

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

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
