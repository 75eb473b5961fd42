package action

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

// metaStep runs docker/metadata-action on an event, at a fixed time.
func metaStep(t *testing.T, version, event, ref string, with ...string) (map[string]string, []cairn.Annotation, error) {
	t.Helper()
	c, _ := step(t, nil, t.TempDir(), with...)
	if c.Inputs["images"] == "" {
		c.Inputs["images"] = "user/app"
	}
	if c.Inputs["images"] == "-" {
		delete(c.Inputs, "images")
	}
	github := map[string]any{
		"ref": ref, "sha": "860c1904a1ce19322e91ac35af1ab07466440c37", "event_name": event,
		"event": map[string]any{
			"base_ref": "refs/heads/dev", "pull_request": map[string]any{"base": map[string]any{"ref": "master"}, "head": map[string]any{"sha": strings.Repeat("b", 40)}},
			"head_commit": map[string]any{"timestamp": "2019-12-31T23:00:00+01:00"},
			"repository":  map[string]any{"name": "app", "html_url": "http://127.0.0.1/git/user/app", "default_branch": "master"},
		},
	}
	b, err := json.Marshal(github)
	if err != nil {
		t.Fatal(err)
	}
	c.Spec.Contexts = map[string]json.RawMessage{"github": b}
	c.Now = func() time.Time { return time.Date(2020, 1, 10, 0, 30, 0, 0, time.UTC) }
	for k, v := range c.Inputs {
		if strings.HasPrefix(k, "DOCKER_") {
			c.Env[k] = v
			delete(c.Inputs, k)
		}
	}
	err = act(t, "docker/metadata-action@"+version, Deps{}).Run(t.Context(), c)
	return c.Outputs, c.Annotations, err
}

// TestMetadataTags holds what the action's own documentation shows.
func TestMetadataTags(t *testing.T) {
	t.Parallel()
	semver := "type=ref,event=branch\ntype=ref,event=pr\ntype=semver,pattern={{version}}\ntype=semver,pattern={{major}}.{{minor}}"
	for _, c := range []struct {
		event, ref, tags, flavor string
		want                     string // without the image, joined by spaces
	}{
		// Without the input tags.
		{"pull_request", "refs/pull/2/merge", "", "", "pr-2"},
		{"push", "refs/heads/master", "", "", "master"},
		{"push", "refs/heads/releases/v1", "", "", "releases-v1"},
		{"push", "refs/tags/v1.2.3", "", "", "v1.2.3 latest"},
		{"push", "refs/tags/v2.0.8-beta.67", "", "", "v2.0.8-beta.67 latest"},
		{"schedule", "refs/heads/master", "", "", "nightly master"},
		// Semantic versions.
		{"push", "refs/heads/master", semver, "", "master"},
		{"push", "refs/tags/v1.2.3", semver, "", "1.2.3 1.2 latest"},
		{"push", "refs/tags/v2.0.8-beta.67", semver, "", "2.0.8-beta.67"},
		{"push", "refs/tags/v1.2.3", "type=semver,pattern={{raw}}", "", "v1.2.3 latest"},
		{"push", "refs/tags/v0.1.2", "type=semver,pattern={{major}}", "", "0 latest"},
		{"push", "refs/tags/v2.0.8-beta.67", "type=semver,pattern={{raw}}", "", "v2.0.8-beta.67"},
		{"push", "refs/tags/v2.0.8-beta.67", "type=semver,pattern={{major}}.{{minor}}", "", "2.0.8-beta.67"},
		{"push", "refs/tags/v1.2.3+build.5", "type=semver,pattern={{version}}", "", "1.2.3 latest"},
		{"push", "refs/tags/app/v1.2.3", "type=semver,pattern={{version}},value=v1.2.3", "", "1.2.3 latest"},
		{"push", "refs/heads/master", "type=semver,pattern={{version}},value=v1.0.0", "", "1.0.0 latest"},
		{"push", "refs/tags/p1/v1.2.3", "type=semver,pattern={{version}},match=v(.*)$", "", "1.2.3 latest"},
		{"push", "refs/tags/1.2", "type=semver,pattern={{version}}", "", ""},
		{"push", "refs/tags/v1.2.3", "type=semver,pattern={{major}},enable=false\ntype=semver,pattern={{minor}}", "", "2 latest"},
		// Versions of Python packages.
		{"push", "refs/tags/1.2.3", "type=pep440,pattern={{version}}", "", "1.2.3 latest"},
		{"push", "refs/tags/1.2.3", "type=pep440,pattern={{major}}.{{minor}}", "", "1.2 latest"},
		{"push", "refs/tags/v1.2.3rc2", "type=pep440,pattern={{raw}}", "", "v1.2.3rc2"},
		{"push", "refs/tags/v1.2.3rc2", "type=pep440,pattern={{version}}", "", "1.2.3rc2"},
		{"push", "refs/tags/v1.2.3rc2", "type=pep440,pattern={{major}}.{{minor}}", "", "1.2.3rc2"},
		{"push", "refs/tags/x", "type=pep440,pattern={{version}}", "", ""},
		// Patterns.
		{"push", "refs/tags/v1.2.3", `type=match,pattern=\d.\d.\d`, "", "1.2.3 latest"},
		{"push", "refs/tags/v2.0.8-beta.67", "type=match,pattern=v(.*),group=1", "", "2.0.8-beta.67 latest"},
		{"push", "refs/tags/v2.0.8-beta.67", `type=match,pattern=v(\d.\d),group=1`, "", "2.0 latest"},
		{"push", "refs/tags/release1", `type=match,"pattern=\d{1,3}.\d{1,3}"`, "", ""},
		{"push", "refs/tags/20200110-RC2", `type=match,pattern=\d+`, "", "20200110 latest"},
		{"push", "refs/tags/V1", `type=match,pattern=/v(\d)/i,group=1`, "", "1 latest"},
		{"push", "refs/tags/v1", `type=match,pattern=v(\d),group=2`, "", ""},
		{"push", "refs/heads/master", `type=match,pattern=(\d+)`, "", ""},
		// The rest of the types.
		{"push", "refs/heads/master", "type=edge", "", "edge"},
		{"push", "refs/heads/other", "type=edge", "", ""},
		{"push", "refs/heads/other", "type=edge,branch=other", "", "edge"},
		{"push", "refs/heads/master", "type=sha", "", "sha-860c190"},
		{"push", "refs/heads/master", "type=sha,prefix=", "", "860c190"},
		{"push", "refs/heads/master", "type=sha,format=long", "", "sha-860c1904a1ce19322e91ac35af1ab07466440c37"},
		{"push", "refs/heads/master", "type=raw,value=foo\nbar\n# type=raw,value=no", "", "foo bar"},
		{"push", "refs/heads/master", "type=raw,value=latest,enable={{is_default_branch}}", "", "latest"},
		{"push", "refs/heads/feature", "type=raw,value=latest,enable={{is_default_branch}}", "", ""},
		{"push", "refs/heads/feature/x", "type=raw,value={{branch}}-{{sha}}", "", "feature-x-860c190"},
		{"push", "refs/tags/v1", "type=raw,value={{tag}}-of-{{base_ref}}", "", "v1-of-dev"},
		{"pull_request", "refs/pull/2/merge", "type=raw,value=on-{{base_ref}}", "", "on-master"},
		{"schedule", "refs/heads/master", "type=schedule,pattern={{date 'YYYYMMDD'}}", "", "20200110"},
		{"schedule", "refs/heads/master", "type=schedule,pattern={{date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}", "", "20200110-093000"},
		{"schedule", "refs/heads/master", "type=schedule,\"pattern={{date 'dddd, MMMM Do YYYY, h:mm:ss a'}}\"", "", "Friday-January-10th-2020-12-30-00-am"},
		{"push", "refs/heads/master", "type=raw,value={{date 'X'}}\ntype=raw,value={{commit_date 'YYYY-MM-DD' tz='UTC'}}", "", "1578616200 2019-12-31"},
		{"push", "refs/heads/master", "type=raw,value=é€/x y", "", "-x-y"},
		// Priorities: the first one is the version and says whether it is latest.
		{"push", "refs/tags/v1.2.3", "type=sha\ntype=ref,event=tag\ntype=semver,pattern={{version}}", "", "1.2.3 v1.2.3 sha-860c190 latest"},
		{"push", "refs/tags/v1.2.3", "type=sha,priority=2000\ntype=semver,pattern={{version}}", "", "sha-860c190 1.2.3"},
		// Flavor.
		{"push", "refs/tags/v1.2.3", "", "latest=false", "v1.2.3"},
		{"push", "refs/heads/master", "", "latest=true", "master latest"},
		{"push", "refs/tags/v1.2.3", "", "prefix=a-\nsuffix=-z", "a-v1.2.3-z latest"},
		{"push", "refs/tags/v1.2.3", "", "prefix=a-,onlatest=true\nsuffix=-z,onlatest=true", "a-v1.2.3-z a-latest-z"},
		{"push", "refs/heads/master", "type=ref,event=branch,prefix=b-", "prefix=a-", "b-master"},
		{"push", "refs/heads/master", "type=ref,event=branch,suffix=-{{sha}}", "", "master-860c190"},
		{"push", "refs/heads/master", "type=raw,value=latest", "latest=true", "latest"},
	} {
		out, warned, err := metaStep(t, "v5", c.event, c.ref, "tags", c.tags, "flavor", c.flavor)
		if err != nil {
			t.Errorf("%s %q: %v", c.ref, c.tags, err)
			continue
		}
		got := strings.ReplaceAll(strings.ReplaceAll(out["tags"], "user/app:", ""), "\n", " ")
		first, _, _ := strings.Cut(c.want, " ")
		if got != c.want || out["version"] != first || (c.want == "") != (len(warned) > 0) {
			t.Errorf("%s %s %q %q:\n got %q, version %q, %v\nwant %q", c.event, c.ref, c.tags, c.flavor, got, out["version"], warned, c.want)
		}
	}
}

func TestMetadataInputs(t *testing.T) {
	t.Parallel()
	for with, want := range map[string]string{
		"tags=type=semver":                             "Missing pattern attribute for type=semver",
		"tags=type=smever,pattern=x":                   "Unknown tag type attribute: smever",
		"tags=type=ref":                                "Missing event attribute for type=ref",
		"tags=type=ref,event=push":                     "Invalid event for type=ref,event=push",
		"tags=type=raw":                                "Missing value attribute for type=raw",
		"tags=type=sha,format=tiny":                    "Invalid format for type=sha,format=tiny",
		"tags=type=match,pattern=x,group=a":            "Invalid match group",
		"tags=type=raw,value=x,enable=maybe":           "Invalid value for enable attribute: maybe",
		"tags=type=raw,value=x,priority=high":          "Invalid priority",
		"tags=type=match,pattern=(?=x),value=x":        "cannot be read",
		"tags=type=raw,value={{#if x}}":                "blocks are not built in",
		"tags=type=raw,value={{nope 'x'}}":             `there is no "nope"`,
		"tags=type=raw,value={{date 'Y' tz='Mars/X'}}": `there is no time zone "Mars/X"`,
		"flavor=latest=often":                          "Invalid latest flavor entry",
		"flavor=colour=red":                            "Unknown flavor entry",
		"flavor=prefix=a,onlatest=x":                   "Invalid value for onlatest",
		"images=name=,enable=true":                     "Image name attribute empty",
		"images=name=a,enable=x":                       "Invalid enable attribute value",
	} {
		k, v, _ := strings.Cut(with, "=")
		if _, _, err := metaStep(t, "v5", "push", "refs/heads/master", k, v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", with, err)
		}
	}
	if _, _, err := metaStep(t, "v3", "push", "refs/heads/master", "images", "-"); err == nil || !strings.Contains(err.Error(), "images") {
		t.Errorf("images must be there in v3: %v", err)
	}
}

func TestMetadataOutputs(t *testing.T) {
	t.Parallel()
	out, _, err := metaStep(t, "v5", "push", "refs/heads/master", "images", "ghcr.io/User/App\nname=docker.io/x,enable=false\nname=y", "sep-tags", ",",
		"labels", "org.opencontainers.image.title=Mine\na=b=c", "annotations", "k={{sha}}", "tags", "type=sha", "DOCKER_METADATA_SHORT_SHA_LENGTH", "9")
	if err != nil {
		t.Fatal(err)
	}
	if out["tags"] != "ghcr.io/user/app:sha-860c1904a,y:sha-860c1904a" || out["tag-names"] != "sha-860c1904a" {
		t.Errorf("%q %q", out["tags"], out["tag-names"])
	}
	want := "a=b=c\n" +
		"org.opencontainers.image.created=2019-12-31T22:00:00.000Z\n" +
		"org.opencontainers.image.description=\n" +
		"org.opencontainers.image.licenses=\n" +
		"org.opencontainers.image.revision=860c1904a1ce19322e91ac35af1ab07466440c37\n" +
		"org.opencontainers.image.source=http://127.0.0.1/git/user/app\n" +
		"org.opencontainers.image.title=Mine\n" +
		"org.opencontainers.image.url=http://127.0.0.1/git/user/app\n" +
		"org.opencontainers.image.version=sha-860c1904a"
	if out["labels"] != want {
		t.Errorf("%s", out["labels"])
	}
	if !strings.Contains(out["annotations"], "manifest:k=860c1904a\nmanifest:org.opencontainers.image.created=") {
		t.Error(out["annotations"])
	}
	var all struct {
		Tags   []string
		Labels map[string]string
	}
	if err := json.Unmarshal([]byte(out["json"]), &all); err != nil || len(all.Tags) != 2 || all.Labels["a"] != "b=c" {
		t.Errorf("%v %s", err, out["json"])
	}
	b, err := os.ReadFile(out["bake-file"])
	if err != nil || !strings.Contains(string(b), `"docker-metadata-action"`) || out["bake-file-tags"] == "" {
		t.Errorf("%v %s", err, b)
	}
	// Without images the names of the tags stand alone.
	if out, _, err := metaStep(t, "v5", "push", "refs/heads/master", "images", "-"); err != nil || out["tags"] != "master" {
		t.Errorf("%v %v", out["tags"], err)
	}
	out, _, _ = metaStep(t, "v6", "push", "refs/heads/master")
	if out["bake-file"] != "" || out["bake-file-labels"] == "" {
		t.Error(out)
	}
	out, _, _ = metaStep(t, "v2", "push", "refs/heads/master")
	if out["annotations"] != "" || out["json"] != "" || out["bake-file"] == "" {
		t.Error(out)
	}
}

// Version 1 had other inputs.
func TestMetadataFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		event, ref string
		with       []string
		want       string
	}{
		{"push", "refs/heads/master", nil, "master"},
		{"push", "refs/heads/master", []string{"tag-sha", "true"}, "master sha-860c190"},
		{"push", "refs/heads/master", []string{"tag-edge", "true"}, "edge"},
		{"push", "refs/heads/dev", []string{"tag-edge", "true", "tag-edge-branch", "dev"}, "edge"},
		{"push", "refs/tags/v1.2.3", nil, "v1.2.3 latest"},
		{"push", "refs/tags/v1.2.3", []string{"tag-semver", "{{version}}\n{{major}}.{{minor}}"}, "1.2.3 1.2 latest"},
		{"push", "refs/tags/v1.2.3", []string{"tag-match", `v(\d,?.\d)`, "tag-match-group", "1"}, "1.2 latest"},
		{"push", "refs/tags/v1.2.3", []string{"tag-match", `\d.\d`, "tag-match-latest", "false"}, "1.2"},
		{"schedule", "refs/heads/master", []string{"tag-schedule", "{{date 'YYYYMMDD'}}"}, "20200110 master"},
		{"pull_request", "refs/pull/7/merge", nil, "pr-7"},
		{"push", "refs/heads/master", []string{"tag-custom", "a,b"}, "master a b"},
		{"push", "refs/heads/master", []string{"tag-custom", "a", "tag-custom-only", "true"}, "a"},
	} {
		out, _, err := metaStep(t, "v1", c.event, c.ref, append(c.with, "images", "user/app,ghcr.io/user/app")...)
		if err != nil {
			t.Errorf("%s %v: %v", c.ref, c.with, err)
			continue
		}
		var got []string
		for _, l := range strings.Split(out["tags"], "\n") {
			if name, ok := strings.CutPrefix(l, "user/app:"); ok {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != c.want || strings.Count(out["tags"], "ghcr.io/user/app:") != len(got) {
			t.Errorf("%s %v: %q, want %q", c.ref, c.with, out["tags"], c.want)
		}
	}
}

func TestPep440(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"1.0": "1.0", "v1.0.0-alpha1": "1.0.0a1", "1.0b": "1.0b0", "1.0c3": "1.0rc3", "1!2.03": "1!2.3", "1.0-1": "1.0.post1",
		"1.0.rev4": "1.0.post4", "1.0dev": "1.0.dev0", "1.0+Ubuntu_01": "1.0+ubuntu.1", "1.0a2.dev3": "1.0a2.dev3",
	} {
		if v, ok := parsePep440(in); !ok || v.version != want {
			t.Errorf("%s: %q %v, want %q", in, v.version, ok, want)
		}
	}
	for _, in := range []string{"", "x", "1.", "1..2", "1.0-", "1.0+", "release-1"} {
		if v, ok := parsePep440(in); ok {
			t.Errorf("%q: %q", in, v.version)
		}
	}
}
