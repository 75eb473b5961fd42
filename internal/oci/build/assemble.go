package build

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"golang.org/x/sync/errgroup"
)

// assembled is an image whose blobs are stored.
type assembled struct {
	platform string
	manifest cairn.Digest
	size     int64 // of the manifest
	layers   []cairn.ImageLayer
	packed   []cairn.Packed
	base     cairn.Digest
	baseName string
	env      cairn.Ref
	builder  string
	kept     int64 // bytes of the base's layers
}

// part is a layer that this build adds.
type part struct {
	role, note string
	digest     cairn.Digest
	size       int64
	open       func() (io.ReadCloser, error)
}

// minHeld is how big a file is that versions are asked for: tiny ones (an empty
// __init__.py) are in everything.
const minHeld = 64

// maxModelLayers bounds how many versions get a layer of their own.
const maxModelLayers = 30

// assemble makes the image of a plan that needs no executor.
func (j *job) assemble(ctx context.Context, plan *dockerfile.Plan, platform string) (*assembled, error) {
	st, err := j.stage(ctx, plan.Target)
	if err != nil {
		return nil, err
	}
	a := &assembled{platform: platform, builder: "cairn"}
	if st.base != nil {
		a.base, a.baseName = st.base.image.Digest, st.base.name
		if err := j.platformFits(st, platform); err != nil {
			return nil, err
		}
	}
	var parts []part
	if len(st.pip) > 0 {
		d, err := j.packages(ctx, st)
		if err != nil {
			return nil, err
		}
		for _, w := range d.Warnings {
			j.warn("%s", w)
		}
		parts = append(parts, d.part(j))
		if a.env, err = j.recordLock(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := j.digests(ctx, st.tree); err != nil {
		return nil, err
	}
	held, err := j.held(ctx, st.tree)
	if err != nil {
		return nil, err
	}
	code, models, packed := split(st.tree, held)
	a.packed = packed
	for _, g := range append([]group{{role: cairn.LayerCode, note: copies(plan.Target), paths: code}}, models...) {
		if len(g.paths) == 0 {
			continue
		}
		p, err := layerPart(st.tree.files(g.paths))
		if err != nil {
			return nil, err
		}
		p.role, p.note = g.role, g.note
		parts = append(parts, *p)
	}
	return a, j.store(ctx, a, st, parts)
}

// platformFits warns where the base is for another machine than asked for.
func (j *job) platformFits(st *stage, platform string) error {
	if p, err := dockerfile.ParsePlatform(st.plan.Platform); err == nil && p != platform {
		j.warn("the stage is built for %s, as its FROM says, and not for %s", p, platform)
	}
	return nil
}

func (d *deps) part(j *job) part {
	return part{role: cairn.LayerDeps, note: d.Note, digest: d.Digest, size: d.Size, open: func() (io.ReadCloser, error) {
		if d.path == "" {
			return nil, cairn.Errorf(cairn.CodeUnavailable, "the layer of packages went from the server while it was used").WithHint("build again")
		}
		return openFile(d.path)
	}}
}

// recordLock keeps the packages' lock as an environment. By hand there is no run
// that it belongs to: then the image itself is the record.
func (j *job) recordLock(ctx context.Context, d *deps) (cairn.Ref, error) {
	e, err := j.srv.RecordEnvironment(ctx, j.environmentName(), d.Lock, d.Props)
	switch cairn.CodeOf(err) {
	case "":
		return e, nil
	case cairn.CodeForbidden, cairn.CodeUnauthenticated:
		return "", nil
	}
	return "", err
}

// environmentName is that of the image, else of the folder.
func (j *job) environmentName() string {
	if len(j.names) > 0 {
		return j.names[0].Last()
	}
	if r := j.r.Env["GITHUB_REPOSITORY"]; r != "" {
		return path.Base(r)
	}
	return "image"
}

// digests reads every file once, a few at a time.
func (j *job) digests(ctx context.Context, t *tree) error {
	var todo []string
	for p, n := range t.nodes {
		if n.typ != tar.TypeReg || n.digest != "" {
			continue
		}
		// Nodes are shared with the stages below: a stage writes into its own.
		c := *n
		t.nodes[p] = &c
		todo = append(todo, p)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, p := range todo {
		n := t.nodes[p]
		g.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if n.digest, n.sum, err = sums(opener(n), n.size); err == nil {
				return nil
			}
			e := cairn.AsError(err)
			if e.Code == cairn.CodeInternal {
				e.Code = cairn.CodeFailed
			}
			out := cairn.Errorf(e.Code, "/%s of the image: %s", clip(p), e.Message)
			out.Hint, out.Err = e.Hint, err
			return out
		})
	}
	return g.Wait()
}

func opener(n *node) func() (io.ReadCloser, error) {
	if n.open == nil {
		return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }
	}
	return n.open
}

// held asks which versions hold the files.
func (j *job) held(ctx context.Context, t *tree) (map[cairn.Digest][]cairn.Ref, error) {
	var qs []cairn.HeldQuery
	seen := map[cairn.Digest]bool{}
	for _, p := range t.paths() {
		n := t.nodes[p]
		if n.typ == tar.TypeReg && n.size >= minHeld && !seen[n.digest] {
			seen[n.digest] = true
			qs = append(qs, cairn.HeldQuery{Digest: n.digest, Sum: n.sum})
		}
	}
	if len(qs) == 0 {
		return nil, nil
	}
	return j.srv.HeldFiles(ctx, qs)
}

// group are the paths of one layer.
type group struct {
	role, note string
	paths      []string
}

// split sorts the files into code and one group for each version.
func split(t *tree, held map[cairn.Digest][]cairn.Ref) (code []string, models []group, packed []cairn.Packed) {
	byRef := map[cairn.Ref]int{}
	for _, p := range t.paths() {
		n := t.nodes[p]
		refs := held[n.digest]
		if n.typ != tar.TypeReg || len(refs) == 0 {
			code = append(code, p)
			continue
		}
		packed = append(packed, cairn.Packed{Path: p, Digest: n.digest, Size: n.size, Ref: refs[0], Others: refs[1:]})
		i, ok := byRef[refs[0]]
		if !ok {
			if i = len(models); i >= maxModelLayers {
				i = maxModelLayers - 1
				models[i].note = "further versions"
			} else {
				models = append(models, group{role: cairn.LayerModel, note: string(refs[0])})
			}
			byRef[refs[0]] = i
		}
		models[i].paths = append(models[i].paths, p)
	}
	return code, models, packed
}

// copies says for people what brought the code.
func copies(s *dockerfile.Stage) string {
	var out []string
	for st := s; st != nil; st = st.From {
		for i := len(st.Ops) - 1; i >= 0; i-- {
			if st.Ops[i].Copy != nil {
				out = append(out, st.Ops[i].Text)
			}
		}
	}
	slices.Reverse(out)
	if len(out) == 0 {
		return "folders"
	}
	return clip(strings.Join(out, "; "))
}

// layerPart works out a layer's digest. Its bytes are written when, and only when,
// the server lacks them, straight from the files: no copy lies on this disk.
func layerPart(files []layer.File) (*part, error) {
	sum := sha256.New()
	var n counter
	if err := layer.Write(io.MultiWriter(sum, &n), files); err != nil {
		return nil, err
	}
	return &part{digest: cairn.DigestOf(sum.Sum(nil)), size: int64(n), open: func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(layer.Write(w, files)) }()
		return r, nil
	}}, nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// storeError says that the bytes of an image could not be stored.
func storeError(err error) error {
	var e *cairn.Error
	if !errors.As(err, &e) {
		return cairn.Errorf(cairn.CodeFailed, "the image cannot be stored: %w", err)
	}
	out := cairn.Errorf(e.Code, "the image cannot be stored: %s", e.Message)
	out.Hint, out.Err = e.Hint, err
	return out
}
