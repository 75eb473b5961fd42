package action

import (
	"context"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// first reads the inputs of version 1: it logs in and names images itself, and
// pushes unless it is told not to.
func (a *buildPush) first(_ context.Context, c *runner.StepContext, r *cairn.BuildRequest) (func(), error) {
	repository := c.Input("repository")
	if repository == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "Input required and not supplied: repository").WithHint("for example repository: owner/name")
	}
	var err error
	if r.Context, err = inWorkspace(c, c.Input("path")); err != nil {
		return nil, err
	}
	if file := c.Input("dockerfile"); file != "" {
		if r.Dockerfile, err = inWorkspace(c, file); err != nil {
			return nil, err
		}
	}
	r.Target = c.Input("target")
	if r.BuildArgs, err = pairs("build_args", splitList(c.Input("build_args")), c.Env); err != nil {
		return nil, err
	}
	if r.Labels, err = pairs("labels", splitList(c.Input("labels")), nil); err != nil {
		return nil, err
	}
	flags := map[string]bool{"push": true, "tag_with_ref": false, "tag_with_sha": false, "always_pull": false, "add_git_labels": false}
	for name, def := range flags {
		if flags[name], err = boolInput(c, name, def); err != nil {
			return nil, err
		}
	}
	r.Push, r.Pull = flags["push"], flags["always_pull"]
	m, err := newMeta(c)
	if err != nil {
		return nil, err
	}
	if flags["add_git_labels"] {
		r.Labels["org.opencontainers.image.created"] = m.committed().UTC().Format(time.RFC3339)
		r.Labels["org.opencontainers.image.source"] = m.git.Payload.Repository.HTMLURL
		r.Labels["org.opencontainers.image.revision"] = m.git.SHA
	}
	tags := splitList(c.Input("tags"))
	if t := refTag(m.git.Ref); flags["tag_with_ref"] && t != "" {
		tags = append(tags, t)
	}
	if flags["tag_with_sha"] && m.git.SHA != "" {
		tags = append(tags, "sha-"+m.git.SHA[:min(7, len(m.git.SHA))])
	}
	if len(tags) == 0 {
		tags = []string{"latest"}
	}
	name := strings.ToLower(repository)
	if registry := c.Input("registry"); registry != "" {
		host, err := registryHost(registry)
		if err != nil {
			return nil, err
		}
		name = host + "/" + name
	}
	for _, t := range tags {
		r.Names = append(r.Names, name+":"+t)
	}
	if !r.Push || c.Input("username") == "" && c.Input("password") == "" {
		return nil, nil
	}
	c.Mask(c.Input("password"))
	key, err := logIn(c, credential{Registry: c.Input("registry"), Username: c.Input("username"), Password: c.Input("password")})
	if err != nil || key == "" {
		return nil, err
	}
	return func() {
		if err := logOut(c, []string{key}); err != nil {
			c.Warn("%v", err)
		}
	}, nil
}

// refTag is the tag that version 1 makes of a ref.
func refTag(ref string) string {
	switch {
	case ref == "refs/heads/master": // it knew no other default branch
		return "latest"
	case strings.HasPrefix(ref, "refs/heads/"):
		return strings.ReplaceAll(strings.TrimPrefix(ref, "refs/heads/"), "/", "-")
	case strings.HasPrefix(ref, "refs/tags/"):
		return strings.ReplaceAll(strings.TrimPrefix(ref, "refs/tags/"), "/", "-")
	case strings.HasPrefix(ref, "refs/pull/"):
		return "pr-" + strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(ref, "refs/pull/"), "/merge"), "/", "-")
	}
	return ""
}
