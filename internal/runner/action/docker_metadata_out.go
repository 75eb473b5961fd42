package action

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// names are the tags without their images.
func (m *meta) names() ([]string, error) {
	if m.main == "" {
		return nil, nil
	}
	out := append([]string{m.main}, m.partial...)
	if m.latest == nil || !*m.latest {
		return out, nil
	}
	prefix, suffix := "", ""
	var err error
	if m.flavor.prefixLatest {
		if prefix, err = m.global(m.flavor.prefix); err != nil {
			return nil, err
		}
	}
	if m.flavor.suffixLast {
		if suffix, err = m.global(m.flavor.suffix); err != nil {
			return nil, err
		}
	}
	if last := sanitizeTag(prefix + "latest" + suffix); !slices.Contains(out, last) {
		out = append(out, last)
	}
	return out, nil
}

// labels are name=value, sorted; what the workflow gives wins.
func (m *meta) labels(given []string) []string {
	r := m.git.Payload.Repository
	// The time is that of the commit: the same commit gives the same image.
	out := []string{
		"org.opencontainers.image.created=" + m.committed().UTC().Format("2006-01-02T15:04:05.000Z"),
		"org.opencontainers.image.description=" + r.Description,
		"org.opencontainers.image.licenses=" + r.License.SPDX,
		"org.opencontainers.image.revision=" + m.git.SHA,
		"org.opencontainers.image.source=" + r.HTMLURL,
		"org.opencontainers.image.title=" + r.Name,
		"org.opencontainers.image.url=" + r.HTMLURL,
		"org.opencontainers.image.version=" + m.main,
	}
	for _, l := range given {
		name, _, _ := strings.Cut(l, "=")
		out = slices.DeleteFunc(out, func(have string) bool { return strings.HasPrefix(have, name+"=") })
		out = append(out, l)
	}
	slices.Sort(out)
	return out
}

// tell sets the outputs.
func (a *metadata) tell(c *runner.StepContext, m *meta, given []string) error {
	names, err := m.names()
	if err != nil {
		return err
	}
	tags := names
	if len(m.images) > 0 {
		tags = nil
		for _, image := range m.images {
			for _, n := range names {
				tags = append(tags, image+":"+n)
			}
		}
	}
	if len(names) == 0 {
		c.Warn("No Docker image version has been generated. Check tags input.")
	}
	for i := range given { // labels may hold expressions
		if given[i], err = m.global(given[i]); err != nil {
			return err
		}
	}
	labels := m.labels(given)
	separated := func(list []string, input string) string {
		sep := c.Inputs[input] // as written: it may be white space
		if sep == "" {
			sep = "\n"
		}
		return strings.Join(list, sep)
	}
	out := func(name, value string) {
		c.SetOutput(name, value)
		if a.major >= 4 && !strings.EqualFold(c.Env["DOCKER_METADATA_SET_OUTPUT_ENV"], "false") {
			c.SetEnv("DOCKER_METADATA_OUTPUT_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")), value)
		}
	}
	out("version", m.main)
	out("tags", separated(tags, "sep-tags"))
	out("labels", separated(labels, "sep-labels"))
	named := map[string]string{}
	for _, l := range labels {
		name, value, _ := strings.Cut(l, "=")
		named[name] = value
	}
	all := map[string]any{"tags": orNone(tags), "labels": named}
	var annotations []string
	if a.major >= 5 {
		if annotations, err = m.annotations(); err != nil {
			return err
		}
		out("annotations", separated(annotations, "sep-annotations"))
		out("tag-names", separated(names, "sep-tags"))
		all["annotations"], all["tag-names"] = annotations, orNone(names)
	}
	if a.major >= 3 {
		b, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		out("json", string(b))
	}
	c.Logf("Docker image version: %s", m.main)
	for _, t := range tags {
		c.Logf("  tag %s", t)
	}
	for _, l := range labels {
		c.Logf("  label %s", l)
	}
	return a.bake(c, m, tags, named, annotations, out)
}

func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// annotations are the labels' for a manifest, and those that the workflow gives.
func (m *meta) annotations() ([]string, error) {
	given := listed(m.c.Input("annotations"))
	for i := range given {
		var err error
		if given[i], err = m.global(given[i]); err != nil {
			return nil, err
		}
	}
	levels := splitList(m.c.Env["DOCKER_METADATA_ANNOTATIONS_LEVELS"])
	if len(levels) == 0 {
		levels = []string{"manifest"}
	}
	var out []string
	for _, level := range levels {
		for _, l := range m.labels(given) {
			out = append(out, level+":"+l)
		}
	}
	return out, nil
}

// bake writes the definitions that docker buildx bake reads.
func (a *metadata) bake(c *runner.StepContext, m *meta, tags []string, labels map[string]string, annotations []string, out func(name, value string)) error {
	target := c.Input("bake-target")
	if target == "" {
		target = map[bool]string{true: "ghaction-docker-meta", false: "docker-metadata-action"}[a.major < 3]
	}
	dir, err := os.MkdirTemp(c.Dirs.Temp, "docker-metadata-action-")
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot write the bake file: %w", err)
	}
	write := func(name string, body map[string]any) (string, error) {
		b, err := json.MarshalIndent(map[string]any{"target": map[string]any{target: body}}, "", "  ")
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
			return "", cairn.Errorf(cairn.CodeFailed, "cannot write the bake file: %w", err)
		}
		return path, nil
	}
	args := map[string]string{"DOCKER_META_IMAGES": strings.Join(m.images, ","), "DOCKER_META_VERSION": m.main}
	files := []struct {
		output, name string
		body         map[string]any
		since, until int
	}{
		{"bake-file", "docker-metadata-action-bake.json", map[string]any{"tags": orNone(tags), "labels": labels, "args": args}, 1, 5},
		{"bake-file-tags", "docker-metadata-action-bake-tags.json", map[string]any{"tags": orNone(tags), "args": args}, 5, 99},
		{"bake-file-labels", "docker-metadata-action-bake-labels.json", map[string]any{"labels": labels}, 5, 99},
		{"bake-file-annotations", "docker-metadata-action-bake-annotations.json", map[string]any{"annotations": annotations}, 5, 99},
	}
	for _, f := range files {
		if a.major < f.since || a.major > f.until {
			continue
		}
		path, err := write(f.name, f.body)
		if err != nil {
			return err
		}
		out(f.output, path)
	}
	return nil
}
