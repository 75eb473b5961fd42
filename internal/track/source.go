package track

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// NewVersion is what a client says when it registers a version.
type NewVersion struct {
	Name        string
	Source      string
	RunID       string
	ModelID     string
	RunLink     string
	Description string
	Tags        []cairn.Param
}

// source is where a version's files are, found in what the client said.
type source struct {
	digest      cairn.Digest
	size, files int64
	run         string // tracking run
	logged      string // logged model
}

// CreateVersion registers the files that a source names, as they are now: later
// writes to the source do not change the version.
func (s *Service) CreateVersion(ctx context.Context, n NewVersion) (*ModelVersion, error) {
	if err := checkModelName(n.Name); err != nil {
		return nil, err
	}
	tags, err := modelTags(n.Tags)
	if err != nil {
		return nil, err
	}
	if n.Source == "" {
		return nil, Missing("source")
	}
	if len(n.Source) > 5000 {
		return nil, tooLong("source", 5000)
	}
	if tags[tagPrompt] == "true" {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "prompts are not kept by Cairn")
	}
	if _, err := s.models.Name(ctx, cairn.AssetModel, n.Name); err != nil {
		return nil, noModel(err, n.Name)
	}
	src, err := s.findSource(ctx, n)
	if err != nil {
		return nil, err
	}
	props := map[string]string{}
	if src.logged != "" {
		props[PropLoggedModel] = src.logged
	}
	if n.RunLink != "" {
		props[PropRunLink] = cut(n.RunLink, 500)
	}
	v, err := s.models.CreateModel(ctx, NewModelVersion{Name: n.Name, Description: n.Description, Tags: tags, Properties: props,
		Digest: src.digest, Size: src.size, Files: src.files, SourceRun: src.run, SourceURI: n.Source}, s.actor(ctx))
	if err != nil {
		return nil, err
	}
	if src.logged != "" {
		if err := s.noteRegistration(ctx, src.logged, v); err != nil {
			return nil, err
		}
	}
	return s.view(ctx, v)
}

// tagVersions lists, on a logged model, the versions registered from it.
const tagVersions = "mlflow.modelVersions"

// Registration is one entry of a logged model's list of versions.
type Registration struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Registrations are the versions that were registered from a logged model.
func Registrations(m *cairn.LoggedModel) []Registration {
	var list []struct {
		Name    string `json:"name"`
		Version any    `json:"version"`
	}
	if json.Unmarshal([]byte(m.Tags[tagVersions]), &list) != nil {
		return nil // not ours: the tag is the client's to write
	}
	var out []Registration
	for _, r := range list {
		b, err := json.Marshal(r.Version)
		if err != nil {
			continue
		}
		out = append(out, Registration{Name: r.Name, Version: strings.Trim(string(b), `"`)})
	}
	return out
}

func (s *Service) noteRegistration(ctx context.Context, id string, v *cairn.AssetVersion) error {
	_, err := s.saveLogged(ctx, id, func(m *cairn.LoggedModel) error {
		list := Registrations(m)
		if slices.Contains(list, Registration{v.Name, v.Version}) {
			return nil
		}
		b, err := json.Marshal(append(list, Registration{v.Name, v.Version}))
		if err != nil {
			return err
		}
		if m.Tags == nil {
			m.Tags = map[string]string{}
		}
		m.Tags[tagVersions] = string(b)
		return nil
	})
	return err
}

func badSource(uri, why string) error {
	return invalid("Invalid model version source: '%s'. %s", cut(uri, 500), why)
}

// findSource resolves models:/m-…, models:/name/version (or @alias, stage,
// latest), runs:/id/path and paths of the artifact store. A run or logged model
// that the client names must be the one that holds the source.
func (s *Service) findSource(ctx context.Context, n NewVersion) (source, error) {
	u, err := url.Parse(n.Source)
	if err != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(n.Source, "#?") {
		return source{}, badSource(n.Source, "It must be a plain URI without query or fragment.")
	}
	var src source
	switch u.Scheme {
	case "models":
		src, err = s.fromModels(ctx, n, u)
	case "runs":
		id, p, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(n.Source, "runs:"), "/"), "/")
		src, err = s.fromRun(ctx, n, id, p)
	case "mlflow-artifacts":
		var p string
		if p, err = s.PathOf(n.Source); err == nil {
			src, err = s.fromPath(ctx, n, p)
		}
	case "http", "https":
		_, p, ok := strings.Cut(n.Source, "/mlflow-artifacts/artifacts/")
		if !ok {
			return source{}, badSource(n.Source, "Only files in this server's artifact store can be registered, so that the version can be traced to its bytes.")
		}
		if p, err = CleanPath(p); err == nil {
			src, err = s.fromPath(ctx, n, p)
		}
	default:
		return source{}, badSource(n.Source, "To register files from elsewhere, log them to a run first (log_artifacts), or use: cairn model create.")
	}
	if err != nil {
		return source{}, err
	}
	if n.ModelID != "" && src.logged != "" && src.logged != n.ModelID {
		return source{}, badSource(n.Source, "The model_id request parameter must identify the resource that contains the source.")
	}
	if src.logged == "" && n.ModelID != "" {
		m, err := s.store.LoggedModel(ctx, n.ModelID)
		if err != nil {
			return source{}, badSource(n.Source, "The model_id request parameter must identify the resource that contains the source.")
		}
		src.logged = m.ID
	}
	if src.run == "" {
		src.run = n.RunID
	}
	if src.run != "" {
		if _, err := s.store.MLRunInfo(ctx, src.run); err != nil {
			return source{}, badSource(n.Source, "The run_id request parameter must identify the resource that contains the source.")
		}
	}
	return src, nil
}

func (s *Service) fromModels(ctx context.Context, n NewVersion, u *url.URL) (source, error) {
	if u.Host != "" {
		return source{}, badSource(n.Source, "Registered model sources must use the active model registry.")
	}
	rest := strings.Trim(strings.TrimPrefix(n.Source, "models:"), "/")
	if head, sub, _ := strings.Cut(rest, "/"); isLoggedID(head) {
		m, err := s.store.LoggedModel(ctx, head)
		if err != nil {
			return source{}, err
		}
		sub, err := CleanPath(sub)
		if err != nil {
			return source{}, err
		}
		return s.fromLogged(ctx, m, sub)
	}
	name, version, err := s.parseModelURI(ctx, rest)
	if err != nil {
		return source{}, badSource(n.Source, cairn.AsError(err).Message)
	}
	v, err := s.Version(ctx, name, version)
	if err != nil {
		return source{}, err
	}
	return source{digest: v.Digest, size: v.Size, files: v.Files, run: v.SourceRun, logged: v.Properties[PropLoggedModel]}, nil
}

func isLoggedID(s string) bool {
	hex, ok := strings.CutPrefix(s, "m-")
	return ok && len(hex) == 32 && strings.Trim(hex, "0123456789abcdef") == ""
}

// parseModelURI reads name/3, name/latest, name/Production or name@alias.
func (s *Service) parseModelURI(ctx context.Context, rest string) (name, version string, err error) {
	if name, alias, ok := strings.Cut(rest, "@"); ok {
		v, err := s.ByAlias(ctx, name, alias)
		if err != nil {
			return "", "", err
		}
		return name, v.Version, nil
	}
	name, what, ok := strings.Cut(rest, "/")
	if !ok || name == "" || what == "" || strings.Contains(what, "/") {
		return "", "", invalid("A model is named as models:/name/version, models:/name/stage or models:/name@alias.")
	}
	var want []string
	if !strings.EqualFold(what, "latest") {
		st, err := parseStage(what)
		if err != nil {
			return name, what, nil // a version
		}
		want = []string{st}
	}
	vs, err := s.LatestVersions(ctx, name, want)
	if err != nil {
		return "", "", err
	}
	if len(vs) == 0 {
		return "", "", cairn.Errorf(cairn.CodeNotFound, "There is no version of '%s' that '%s' names.", name, what)
	}
	newest := slices.MaxFunc(vs, func(a, b ModelVersion) int { return int(a.Seq - b.Seq) })
	return name, newest.Version, nil
}

func (s *Service) fromLogged(ctx context.Context, m *cairn.LoggedModel, sub string) (source, error) {
	if m.Status == cairn.LoggedFailed {
		return source{}, invalid("Logged model '%s' is not complete: uploading its files failed", m.ID)
	}
	src := source{run: m.SourceRun, logged: m.ID}
	p := m.Root
	if sub != "" {
		p += "/" + sub
	}
	var err error
	if src.digest, src.size, src.files, err = s.Collect(ctx, p); cairn.CodeOf(err) == cairn.CodeNotFound {
		return source{}, cairn.Errorf(cairn.CodeNotFound, "Logged model '%s' has no files below '%s'", m.ID, p)
	}
	return src, err
}

// fromRun finds files of a run. Newer clients log a model beside the run and not
// below it; then the path is the name of a logged model.
func (s *Service) fromRun(ctx context.Context, n NewVersion, id, p string) (source, error) {
	r, err := s.Run(ctx, id)
	if err != nil {
		return source{}, err
	}
	if n.RunID != "" && n.RunID != id {
		return source{}, badSource(n.Source, "The run_id request parameter must identify the resource that contains the source.")
	}
	if p, err = CleanPath(p); err != nil {
		return source{}, err
	}
	at := r.Root
	if p != "" {
		at += "/" + p
	}
	src := source{run: id}
	src.digest, src.size, src.files, err = s.Collect(ctx, at)
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return src, err
	}
	ms, err := s.store.LoggedModels(ctx, nil, id)
	if err != nil {
		return source{}, err
	}
	for i := range ms {
		if ms[i].Name == p {
			return s.fromLogged(ctx, &ms[i], "")
		}
	}
	return source{}, cairn.Errorf(cairn.CodeNotFound, "Run '%s' has no files and no logged model at '%s'", id, p)
}

// fromPath finds files of the artifact store, and by their path the run or
// logged model that they belong to.
func (s *Service) fromPath(ctx context.Context, n NewVersion, p string) (source, error) {
	if p == "" {
		return source{}, badSource(n.Source, "It must name the folder of a model.")
	}
	if e, err := s.treeEntry(ctx, p); err != nil {
		return source{}, err
	} else if e != nil {
		if e.Mode != cairn.ModeDir {
			return source{}, badSource(n.Source, "It must name the folder of a model.")
		}
		return s.fromTree(ctx, n, e.Digest)
	}
	var src source
	for _, part := range strings.Split(p, "/") {
		if isLoggedID(part) {
			m, err := s.store.LoggedModel(ctx, part)
			if err != nil {
				return source{}, err
			}
			if p == m.Root || strings.HasPrefix(p, m.Root+"/") {
				return s.fromLogged(ctx, m, strings.TrimPrefix(strings.TrimPrefix(p, m.Root), "/"))
			}
		}
		if r, err := s.runAt(ctx, part, p); err != nil {
			return source{}, err
		} else if r != nil {
			src.run = r.ID
			break
		}
	}
	if n.RunID != "" && src.run != n.RunID {
		return source{}, badSource(n.Source, "The run_id request parameter must identify the resource that contains the source.")
	}
	var err error
	if src.digest, src.size, src.files, err = s.Collect(ctx, p); cairn.CodeOf(err) == cairn.CodeNotFound {
		return source{}, cairn.Errorf(cairn.CodeNotFound, "There are no files at '%s'", n.Source)
	}
	return src, err
}

// runAt is the run of that id whose files lie where p is, or nil.
func (s *Service) runAt(ctx context.Context, id, p string) (*cairn.MLRun, error) {
	if len(id) != 32 {
		return nil, nil
	}
	r, err := s.store.MLRunInfo(ctx, id)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if p == r.Root || strings.HasPrefix(p, r.Root+"/") {
		return r, nil
	}
	return nil, nil
}

// fromTree takes a tree that is read by digest. Where a version has it, the new
// one comes from the same run.
func (s *Service) fromTree(ctx context.Context, n NewVersion, d cairn.Digest) (source, error) {
	src := source{digest: d, run: n.RunID}
	vs, _, err := s.models.Versions(ctx, cairn.AssetFilter{Kind: cairn.AssetModel, Digest: d, Archived: true, Deleted: true, Limit: 1})
	if err != nil {
		return src, err
	}
	if len(vs) == 0 {
		return src, badSource(n.Source, "No registered version has these files.")
	}
	src.size, src.files = vs[0].Size, vs[0].Files
	if src.run == "" {
		src.run, src.logged = vs[0].SourceRun, vs[0].Properties[PropLoggedModel]
	}
	return src, nil
}
