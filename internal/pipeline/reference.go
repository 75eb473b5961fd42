package pipeline

import (
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
)

// The forms of references; see azure-ml's long and short ids.
var (
	refArm       = regexp.MustCompile(`(?i)^(?:azureml:)?/?subscriptions/[^/]+/resourcegroups/[^/]+/providers/Microsoft\.MachineLearningServices/workspaces/[^/]+/([a-z]+)/([^/]+)(?:/(versions|labels)/([^/]+))?$`)
	refLong      = regexp.MustCompile(`(?i)^azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/Microsoft\.MachineLearningServices/)?|locations/[^/]+/)workspaces/[^/]+/(data|models|environments|components|codes)/([^/]+)(?:/(versions|labels)/([^/]+))?$`)
	refRegistry  = regexp.MustCompile(`(?i)^azureml://(?:registries|feeds)/([^/]+)/(data|models|environments|components|codes)/([^/]+)(?:/(versions|labels)/([^/]+))?$`)
	refDatastore = regexp.MustCompile(`(?i)^azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+/)?datastores/([^/]+)(?:/paths/?(.*))?$`)
	refJob       = regexp.MustCompile(`(?i)^azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+/)?jobs/([^/]+)/outputs/([^/]+)(?:/paths/?(.*))?$`)
	refRun       = regexp.MustCompile(`^runs:/+([^/]+)(?:/(.*))?$`)
	refWeb       = regexp.MustCompile(`(?i)^(https?|wasbs?|abfss?|adl|git\+https?|git\+ssh|git\+git|s3|gs|dbfs|hdfs|ftp)://`)
)

// RefKind is what a reference leads to.
type RefKind string

// The kinds of references.
const (
	RefLocal     RefKind = "local"     // a path beside the file: Path
	RefAsset     RefKind = "asset"     // azureml:n:v, azureml:n@label, ARM ids, registries
	RefDatastore RefKind = "datastore" // azureml://datastores/DS/paths/P
	RefJob       RefKind = "job"       // azureml://jobs/J/outputs/O/paths/P
	RefRun       RefKind = "run"       // runs:/RUN/path
	RefURL       RefKind = "url"       // http(s), wasbs, abfss, adl, git+https
)

// Reference is something outside of the file, as it is named there.
type Reference struct {
	Kind RefKind
	Text string // as written: the key under which it is resolved
	Pos  cairn.Position
	// JSONPath is where it stands: "jobs.train.environment".
	JSONPath string
	// What it has to be: code, data, model, environment, component, conda, build,
	// compute, datastore, entry.
	Use string
	// Path is the cleaned path of RefLocal, relative to the root of Files.
	Path string
	// Asset: what the reference says, taken apart. Registry "" is the workspace.
	Registry, Name, Version, Label string
	// Datastore, job and run: what is named and the path below it.
	Of, Output, Below string
}

// ParseReference takes a reference apart; ok is false for a local path. use is what it
// has to be: code, data, model, environment, component, compute, datastore, job.
func ParseReference(s, use string) (r Reference, ok bool) {
	r = Reference{Kind: RefAsset, Text: s, Use: use}
	version := func(kind, v string) {
		if strings.EqualFold(kind, "labels") {
			r.Label = v
		} else {
			r.Version = v
		}
	}
	switch {
	case refWeb.MatchString(s):
		r.Kind = RefURL
		return r, true
	case refRun.MatchString(s):
		m := refRun.FindStringSubmatch(s)
		r.Kind, r.Of, r.Below = RefRun, m[1], m[2]
		return r, true
	case refRegistry.MatchString(s):
		m := refRegistry.FindStringSubmatch(s)
		r.Registry, r.Name = m[1], m[3]
		version(m[4], m[5])
		return r, true
	case refArm.MatchString(s):
		m := refArm.FindStringSubmatch(s)
		if strings.EqualFold(m[1], "jobs") {
			r.Kind, r.Of = RefJob, m[2]
		}
		r.Name = m[2]
		version(m[3], m[4])
		return r, true
	case refLong.MatchString(s):
		m := refLong.FindStringSubmatch(s)
		r.Name = m[2]
		version(m[3], m[4])
		return r, true
	case refDatastore.MatchString(s):
		m := refDatastore.FindStringSubmatch(s)
		r.Kind, r.Of, r.Below = RefDatastore, m[1], strings.Trim(m[2], "/")
		return r, true
	case refJob.MatchString(s):
		m := refJob.FindStringSubmatch(s)
		r.Kind, r.Of, r.Output, r.Below = RefJob, m[1], m[2], strings.Trim(m[3], "/")
		return r, true
	}
	rest, ok := strings.CutPrefix(s, "azureml:")
	if !ok {
		return Reference{Kind: RefLocal, Text: s, Use: use}, false
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		r.Name, r.Label = rest[:i], rest[i+1:]
		return r, true
	}
	r.Name, r.Version, _ = strings.Cut(rest, ":")
	return r, true
}

// reference reads what a value names and notes it down.
func (b *builder) reference(v Value, dir, use, at string) *Reference {
	text := v.Text
	r, foreign := ParseReference(text, use)
	if !foreign {
		r.Path = join(dir, strings.TrimPrefix(text, "file:"))
	}
	r.Pos, r.JSONPath = v.Pos, at
	b.doc.References = append(b.doc.References, r)
	return &b.doc.References[len(b.doc.References)-1]
}
