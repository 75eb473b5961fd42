package stages

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

// misplaced explains keys that belong elsewhere.
var misplaced = map[string]string{
	"reviewers": "it belongs into rules", "branches": "it belongs into rules", "wait": "it belongs into rules",
	"required": "it belongs into rules", "tags": "it belongs into rules", "gate": "it belongs into rules",
	"checks": "it belongs into rules", "after": "it belongs into rules", "self_review": "it belongs into rules",
	"allow_dirty": "it belongs into rules", "memory": "it belongs into resources", "cpu": "it belongs into resources",
	"env": "variables are written under variables", "environment": "variables are written under variables",
	"secrets": "a served API is given no secrets yet; those of cairn secret set are for jobs",
	"status":  "it belongs into expect", "contains": "it belongs into expect", "tolerance": "it belongs into expect",
	"keep": "it belongs into log", "max_body": "it belongs into log",
}

var (
	serviceName  = lazily(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	imageName    = lazily(`^(?:[a-zA-Z0-9.-]+(?::[0-9]{1,5})?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$`)
	variableName = lazily(`^[A-Za-z_][A-Za-z0-9_]*$`)
	userName     = lazily(`^[^\s/,;:'"]{1,100}$`)
)

func fileKeys() []key[File] {
	return []key[File]{
		{name: "service", kind: "a name", def: "the name of the repository",
			doc: "What the releases are counted for: the API that this repository builds.",
			set: func(r *reader, f *File, n *yaml.Node) {
				if v, ok := r.oneLine(n, "service", 200); ok && !serviceName().MatchString(v) {
					r.fail("value", n, "letters, digits, '.', '_' and '-', at most 100; the first is a letter or a digit", "service is %s", quote(v))
				} else if ok {
					f.Service = v
				}
			}},
		{name: "stages", kind: "a map of stages", must: true,
			doc: "One entry for each stage. The name is that of the workflow's `environment`; names are compared without case.",
			set: readStages},
	}
}

func stageKeys() []key[stage] {
	return []key[stage]{
		{name: "image", kind: "a reference without tag", def: "the newest image that the repository's runs made",
			doc: "What `cairn deploy --to STAGE` takes when no image is named.", set: setImage},
		{name: "variables", kind: "a map of text", doc: "Environment variables of the API. Secrets do not belong here: the file is in git.", set: setVariables},
		{name: "command", kind: "a list of text, or text for a shell", def: "the image's CMD", doc: "What is started instead of the image's own command.", set: setCommand},
		{name: "port", kind: "a number from 1 to 65535", def: "what the image says, else found out", doc: "The port that the API listens on, inside.",
			set: func(r *reader, s *stage, n *yaml.Node) {
				if v, ok := r.whole(n, "port", 1, 65535); ok {
					s.config.Port = v
				}
			}},
		{name: "health", kind: "a path", def: "the first of the usual ones that answers, else the port",
			doc: "The path that answers with 200 to 399 when the API is ready.",
			set: func(r *reader, s *stage, n *yaml.Node) {
				if v, ok := r.absolute(n, "health"); ok {
					s.config.Health = v
				}
			}},
		{name: "smoke", kind: "a map", doc: "A request that a new release must answer as expected before it gets any other.", set: setSmoke},
		{name: "resources", kind: "a map", def: "no limits", doc: "What the API may use.",
			set: func(r *reader, s *stage, n *yaml.Node) { readMap(r, n, n, "resources", resourceKeys(), &s.config) }},
		{name: "start", kind: "a duration, 1s to 1h", def: "60s", doc: "How long it may take to become healthy.",
			set: func(r *reader, s *stage, n *yaml.Node) {
				if v, ok := r.duration(n, "start", time.Second, time.Hour); ok {
					s.config.Start = v
				}
			}},
		{name: "drain", kind: "a duration, 0s to 1h", def: "30s", doc: "How long the one before may finish what it has begun.",
			set: func(r *reader, s *stage, n *yaml.Node) {
				if v, ok := r.duration(n, "drain", 0, time.Hour); ok {
					s.config.Drain = v
				}
			}},
		{name: "warm", kind: "a duration, 0s to 30d", def: "24h", doc: "How long the one before stays ready, so that a rollback is immediate.",
			set: func(r *reader, s *stage, n *yaml.Node) {
				if v, ok := r.duration(n, "warm", 0, 30*day); ok {
					s.config.Warm = v
				}
			}},
		{name: "log", kind: "a map", doc: "How requests and answers are kept.",
			set: func(r *reader, s *stage, n *yaml.Node) { readMap(r, n, n, "log", logKeys(), &s.config.Log) }},
		{name: "rules", kind: "a map", doc: "What must hold before something goes to this stage.",
			set: func(r *reader, s *stage, n *yaml.Node) { readMap(r, n, n, "rules", ruleKeys(), s) }},
	}
}

func setImage(r *reader, s *stage, n *yaml.Node) {
	v, ok := r.oneLine(n, "image", 500)
	if !ok {
		return
	}
	name := v[strings.LastIndexByte(v, '/')+1:]
	hint := "write it as ghcr.io/owner/name"
	switch {
	case strings.Contains(v, "@"):
		hint = "leave the digest out: each deployment chooses an image of that name"
	case strings.Contains(name, ":"):
		hint = "leave the tag out: each deployment chooses an image of that name"
	case strings.Contains(v, "://"):
		hint = "leave " + v[:strings.Index(v, "://")+3] + " out"
	case v != strings.ToLower(v) && imageName().MatchString(strings.ToLower(v)):
		hint = "names of images have no capital letters: " + strings.ToLower(v)
	case imageName().MatchString(v):
		s.config.Image = v
		return
	}
	r.fail("value", n, hint, "image is %s, which is no reference without tag", quote(v))
}

func setVariables(r *reader, s *stage, n *yaml.Node) {
	s.config.Variables = nil
	r.each(n, "variables", 200, func(k, v *yaml.Node) {
		name := k.Value
		switch {
		case !variableName().MatchString(name) || len(name) > 200:
			r.fail("value", k, "letters, digits and '_'; the first is no digit", "%s cannot be the name of a variable", quote(name))
		case name == "PORT" || strings.HasPrefix(name, "CAIRN_"):
			r.fail("value", k, "Cairn sets it itself", "the variable %s cannot be set", name)
		case v.Kind != yaml.ScalarNode || isNull(v):
			r.wrong(v, "variables."+name, "text")
		case len(v.Value) > 32<<10:
			r.fail("too-large", v, "", "variables.%s has %d bytes; at most %d are allowed", name, len(v.Value), 32<<10)
		case strings.ContainsRune(v.Value, 0):
			r.fail("value", v, "", "variables.%s holds a NUL", name)
		default:
			if secretLike().MatchString(name) {
				r.warn("secret", k, "the file is in git, and whoever reads that reads it; a served API is given no secrets in another way yet",
					"the name of the variable %s looks like that of a secret", name)
			}
			s.config.Variables = append(s.config.Variables, cairn.NamedText{Name: name, Value: v.Value})
		}
	})
	sortNamed(s.config.Variables)
}

var secretLike = lazily(`(?i)(^|_)(password|passwd|secret|token|api_?key|private_?key)$`)

func setCommand(r *reader, s *stage, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		if v, ok := r.text(n, "command", 10<<10); ok {
			s.config.Command = []string{"/bin/sh", "-c", v}
		}
		return
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		r.wrong(n, "command", "a list of text, or text")
		return
	}
	var out []string
	r.items(n, "command", 200, func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || isNull(n) || len(n.Value) > 10<<10 || strings.ContainsRune(n.Value, 0) {
			r.wrong(n, "command", "a list of text")
			return
		}
		out = append(out, n.Value)
	})
	if len(out) > 0 && out[0] == "" {
		r.fail("value", n.Content[0], "", "the first word of command is empty: it is the program")
	}
	s.config.Command = out
}

func resourceKeys() []key[cairn.StageConfig] {
	return []key[cairn.StageConfig]{
		{name: "memory", kind: "a size, 16Mi to 16Ti", def: "no limit", doc: "What it may hold; beyond that it is restarted.",
			set: func(r *reader, c *cairn.StageConfig, n *yaml.Node) {
				if v, ok := r.size(n, "memory", 16<<20, 16<<40); ok {
					c.Memory = v
				}
			}},
		{name: "cpu", kind: "a number of cores, or 500m", def: "no limit", doc: "How many cores it may use.",
			set: func(r *reader, c *cairn.StageConfig, n *yaml.Node) {
				if v, ok := r.cores(n, "cpu"); ok {
					c.CPU = v
				}
			}},
	}
}

func logKeys() []key[cairn.PredictionLog] {
	return []key[cairn.PredictionLog]{
		{name: "mode", kind: "sync, async or off", def: "sync",
			doc: "`sync`: on disk before the answer goes out. `async`: the answer does not wait for the disk. `off`: nothing is kept, and no prediction can be traced.",
			set: func(r *reader, l *cairn.PredictionLog, n *yaml.Node) {
				modes := []string{"sync", "async", "off"}
				if slices.Contains(modes, n.Value) && n.Kind == yaml.ScalarNode {
					l.Mode = n.Value
					return
				}
				hint := "allowed are " + strings.Join(modes, ", ")
				if near := cairn.Nearest(n.Value, modes); near != "" {
					hint = "did you mean " + near + "? " + hint
				}
				r.fail("value", n, hint, "mode is %s", describe(n))
			}},
		{name: "max_body", kind: "a size, 1 to 64Mi", def: "1Mi", doc: "How much of each body is kept.",
			set: func(r *reader, l *cairn.PredictionLog, n *yaml.Node) {
				if v, ok := r.size(n, "max_body", 1, 64<<20); ok {
					l.MaxBody = v
				}
			}},
		{name: "exclude", kind: "a list of paths", doc: "Paths that are not logged; `*` stands for anything: `/static/*`.",
			set: func(r *reader, l *cairn.PredictionLog, n *yaml.Node) {
				l.Exclude = nil
				r.items(n, "exclude", 100, func(n *yaml.Node) {
					if v, ok := r.absolute(n, "exclude"); ok {
						l.Exclude = append(l.Exclude, v)
					}
				})
			}},
		{name: "keep", kind: "a duration, 1h to 3650d", def: "30d", doc: "How long it is kept.",
			set: func(r *reader, l *cairn.PredictionLog, n *yaml.Node) {
				if v, ok := r.duration(n, "keep", time.Hour, 3650*day); ok {
					l.KeepFor = v
				}
			}},
		{name: "size", kind: "a size, 1Mi to 16Ti", def: "1Gi", doc: "How much is kept; the oldest goes first.",
			set: func(r *reader, l *cairn.PredictionLog, n *yaml.Node) {
				if v, ok := r.size(n, "size", 1<<20, 16<<40); ok {
					l.KeepSize = v
				}
			}},
	}
}
