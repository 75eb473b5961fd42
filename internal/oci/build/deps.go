package build

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/wheel"
)

// Dependencies make the layer of Python packages.
type Dependencies interface {
	// Target finds the Python of an image: the fields of a request that say where
	// packages go.
	Target(ctx context.Context, fs *layer.FS, config dockerfile.Image) (wheel.Request, error)
	Layer(ctx context.Context, r wheel.Request) (*wheel.Result, error)
}

// pipLine is one pip line with the bytes of its requirements, as they were in the
// image at that line.
type pipLine struct {
	line  int
	text  string
	pip   *dockerfile.Pip
	files map[string][]byte // by path in the image, with all that they include
}

const (
	maxRequirement  = 4 << 20
	maxRequirements = 50 // files
)

// pipLine reads the requirement files of a line.
func (j *job) pipLine(st *stage, op *dockerfile.Op) (*pipLine, error) {
	l := &pipLine{line: op.Line, text: op.Text, pip: op.Pip, files: map[string][]byte{}}
	todo := slices.Concat(op.Pip.Files, op.Pip.Constraints)
	for len(todo) > 0 {
		p := rel(todo[0])
		todo = todo[1:]
		if _, ok := l.files[p]; ok {
			continue
		}
		if len(l.files) >= maxRequirements {
			return nil, cairn.Errorf(cairn.CodeTooLarge, "the requirements of line %d include more than %d files", op.Line, maxRequirements)
		}
		b, err := j.requirement(st, op.Pip, p)
		if err != nil {
			return nil, cairn.AsError(err).At(j.file.At(op.Line, path.Base(p)))
		}
		l.files[p] = b
		for line := range strings.Lines(string(b)) {
			if kind, v := dockerfile.RequirementLine(line); (kind == "requirement" || kind == "constraint") && v != "" && !path.IsAbs(v) && !strings.Contains(v, "://") {
				todo = append(todo, path.Join(path.Dir(p), v))
			}
		}
	}
	return l, nil
}

// requirement reads a file of the image, or of a bind mount.
func (j *job) requirement(st *stage, p *dockerfile.Pip, name string) ([]byte, error) {
	for _, m := range p.Mounts {
		at := rel(m.Target)
		in, below := strings.CutPrefix(name, at+"/")
		if name != at && !below {
			continue
		}
		if name == at {
			in = ""
		}
		src, fi, err := j.ctx.resolve(path.Join("/", m.Source, in))
		if err != nil || !fi.Mode().IsRegular() {
			return nil, cairn.Errorf(cairn.CodeNotFound, "%s is not in the build context", clip(path.Join(m.Source, in)))
		}
		return readNode(contextSource{j.ctx}.node(src, fi, ""), maxRequirement, name)
	}
	at, err := st.tree.resolve(name, true)
	if err != nil {
		return nil, err
	}
	if n := st.tree.nodes[at]; n != nil {
		return readNode(n, maxRequirement, name)
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "pip install -r /%s: no line above copies this file into the image", clip(name)).
		WithHint("copy it first: COPY %s /%s", path.Base(name), clip(path.Dir(name)+"/"))
}

// deps is a layer of packages and what is recorded about it.
type deps struct {
	Digest   cairn.Digest      `json:"digest"`
	Size     int64             `json:"size"`
	Note     string            `json:"note"`
	Lock     []byte            `json:"lock"`
	Props    map[string]string `json:"props,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`
	path     string            // on this disk; "": the server has it
}

// packages makes the layer of a stage's pip lines. What the same requirements came
// to on the same base is known already, as long as the server has the layer.
func (j *job) packages(ctx context.Context, st *stage) (*deps, error) {
	if st.deps != nil {
		return st.deps, nil
	}
	last := st.pip[len(st.pip)-1]
	if st.base == nil {
		return nil, j.file.NeedsError([]dockerfile.Need{{Line: last.line, Text: last.text, Reason: "the image from scratch has no Python"}})
	}
	req, dir, err := j.request(st)
	if err != nil {
		return nil, err
	}
	key := j.depsKey(st)
	if !j.r.NoCache {
		if d := j.loadDeps(ctx, key); d != nil {
			st.deps = d
			return d, nil
		}
	}
	fs, err := j.index(ctx, st.base)
	if err != nil {
		return nil, err
	}
	target, err := j.target(ctx, st, fs)
	if err != nil {
		return nil, j.pipError(last, err)
	}
	for _, l := range st.pip {
		if p := l.pip.Python; p != "" && p != strings.TrimSuffix(target.Python, "t") {
			return nil, &needError{dockerfile.Need{Line: l.line, Text: l.text, Reason: "it installs for Python " + p + ", and that of the image is " + target.Python}}
		}
	}
	req.Python, req.Platform, req.Libc = target.Python, target.Platform, target.Libc
	req.SitePackages, req.ScriptsDir, req.Prefix, req.Interpreter = target.SitePackages, target.ScriptsDir, target.Prefix, target.Interpreter
	req.Base, req.Log, req.Dir, req.ContextDir, req.Fresh = fs, j.log, dir, dir, j.r.NoCache
	res, err := j.o.Deps.Layer(ctx, *req)
	if err != nil {
		return nil, j.pipError(last, err)
	}
	d := &deps{Digest: res.Layer.Digest, Size: res.Layer.Size, Note: res.Note(), Lock: res.Lock, Props: res.Props, Warnings: res.Warnings, path: res.Layer.Path}
	j.saveDeps(key, d)
	st.deps = d
	return d, nil
}

// target finds the base's Python, or remembers it.
func (j *job) target(ctx context.Context, st *stage, fs *layer.FS) (*wheel.Request, error) {
	config, own, err := pipConfig(st)
	if err != nil {
		return nil, err
	}
	if t, ok := decode[wheel.Request](st.base.facts.Target); ok && !own {
		return t, nil
	}
	t, err := j.o.Deps.Target(ctx, fs, config)
	if err != nil {
		return nil, err
	}
	only := wheel.Request{Python: t.Python, Platform: t.Platform, Libc: t.Libc, SitePackages: t.SitePackages, ScriptsDir: t.ScriptsDir, Prefix: t.Prefix, Interpreter: t.Interpreter}
	if raw, err := json.Marshal(only); err == nil && !own {
		st.base.facts.Target = raw
		j.saveFacts(st.base.image.Digest, st.base.facts)
	}
	return &only, nil
}

// pipConfig is the configuration that the pip lines of a stage see: that of the
// base, with a PATH and a VIRTUAL_ENV of the Dockerfile. own says that it has them.
func pipConfig(st *stage) (c dockerfile.Image, own bool, err error) {
	c = st.base.config
	first := st.pip[0].pip
	for _, l := range st.pip[1:] {
		if l.pip.Path != first.Path || l.pip.VirtualEnv != first.VirtualEnv {
			return c, false, &needError{dockerfile.Need{Line: l.line, Text: l.text, Reason: "PATH or VIRTUAL_ENV is another one than at the pip lines above"}}
		}
	}
	env := slices.Clone(c.Config.Env)
	for _, kv := range [][2]string{{"PATH", first.Path}, {"VIRTUAL_ENV", first.VirtualEnv}} {
		if value(env, kv[0]) != kv[1] && (value(env, kv[0]) != "" || kv[1] != dockerfile.DefaultPath) {
			own = true
			env = append(env, kv[0]+"="+kv[1])
		}
	}
	c.Config.Env = env
	return c, own, nil
}

// request writes the requirement files into a folder, laid out as in the image,
// and lists them: then what they include is found beside them.
func (j *job) request(st *stage) (*wheel.Request, string, error) {
	dir, err := os.MkdirTemp(j.tmp, "pip-")
	if err != nil {
		return nil, "", cairn.Errorf(cairn.CodeFailed, "no place for requirements: %w", err)
	}
	req := &wheel.Request{File: path.Base(j.file.Name()), Env: map[string]string{}}
	var lines []string
	for _, l := range st.pip {
		for p, b := range l.files {
			name := filepath.Join(dir, filepath.FromSlash(p))
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				return nil, "", cairn.Errorf(cairn.CodeFailed, "requirements cannot be written: %w", err)
			}
			if err := os.WriteFile(name, b, 0o600); err != nil {
				return nil, "", cairn.Errorf(cairn.CodeFailed, "requirements cannot be written: %w", err)
			}
		}
		for _, f := range l.pip.Files {
			lines = append(lines, "-r "+rel(f))
		}
		for _, f := range l.pip.Constraints {
			lines = append(lines, "-c "+rel(f))
		}
		lines = append(lines, l.pip.Packages...)
		req.Args = append(req.Args, l.pip.Args...)
		maps.Copy(req.Env, l.pip.Env)
	}
	req.Requirements = []byte(strings.Join(lines, "\n") + "\n")
	return req, dir, nil
}

// pipError makes what cannot be installed without a process a line that needs one.
func (j *job) pipError(l pipLine, err error) error {
	var n *needError
	if errors.As(err, &n) {
		return err
	}
	e := cairn.AsError(err)
	if e.Code == cairn.CodeUnsupported {
		return &needError{dockerfile.Need{Line: l.line, Text: l.text, Reason: e.Message}}
	}
	if e.Position == nil {
		return e.At(j.file.At(l.line, ""))
	}
	return err
}

// depsKey names everything that decides what a layer of packages holds, but for
// the index at that time: that is why the answer is kept.
func (j *job) depsKey(st *stage) cairn.Digest {
	type line struct {
		Pip   *dockerfile.Pip
		Files map[string][]byte
	}
	var lines []line
	for _, l := range st.pip {
		lines = append(lines, line{l.pip, l.files})
	}
	pipEnv := map[string]string{}
	for k, v := range j.r.Env {
		if strings.HasPrefix(k, "PIP_") || strings.HasPrefix(k, "UV_") {
			pipEnv[k] = v
		}
	}
	raw, err := json.Marshal(map[string]any{"version": 1, "base": st.base.image.Digest, "lines": lines, "env": pipEnv})
	if err != nil {
		panic(err) // maps of strings and bytes always marshal
	}
	return cairn.SumBytes(raw)
}

func (j *job) depsPath(key cairn.Digest) string {
	if j.o.Cache == "" {
		return ""
	}
	return filepath.Join(j.o.Cache, "deps", key.Hex()+".json")
}

func (j *job) loadDeps(ctx context.Context, key cairn.Digest) *deps {
	name := j.depsPath(key)
	if name == "" {
		return nil
	}
	raw, err := readFile(name, 32<<20)
	if err != nil {
		return nil
	}
	d, ok := decode[deps](raw)
	if !ok || !d.Digest.Valid() || d.Size <= 0 {
		return nil
	}
	missing, err := j.srv.MissingBlobs(ctx, []cairn.Digest{d.Digest})
	if err != nil || len(missing) > 0 {
		return nil
	}
	return d
}

func (j *job) saveDeps(key cairn.Digest, d *deps) {
	name := j.depsPath(key)
	if name == "" {
		return
	}
	raw, err := json.Marshal(d)
	if err == nil {
		err = writeFile(name, raw)
	}
	if err != nil {
		j.o.Log.Debug("what packages came to is not kept", "error", err)
	}
}
