package build

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

// stage is a stage whose files are known.
type stage struct {
	plan *dockerfile.Stage
	base *base // nil: from scratch
	tree *tree
	pip  []pipLine // of this stage and those below it
	deps *deps     // once they were asked for
	fs   *layer.FS // base and packages, once it was asked for
}

// stage carries out the operations of a stage, once.
func (j *job) stage(ctx context.Context, p *dockerfile.Stage) (*stage, error) {
	if st, ok := j.stages[p]; ok {
		return st, nil
	}
	st := &stage{plan: p}
	switch {
	case p.From != nil:
		below, err := j.stage(ctx, p.From)
		if err != nil {
			return nil, err
		}
		st.base, st.tree = below.base, below.tree.clone()
		st.pip = append(st.pip, below.pip...)
	case p.Base != nil:
		st.base = p.Base.Handle.(*base)
		low, err := j.know(ctx, st.base)
		if err != nil {
			return nil, cairn.AsError(err).At(j.file.At(p.Line, p.BaseName))
		}
		st.tree = newTree(low, j.o.Limits)
	default:
		st.tree = newTree(nil, j.o.Limits)
	}
	for i := range p.Ops {
		if err := j.operation(ctx, st, &p.Ops[i]); err != nil {
			return nil, err
		}
	}
	j.stages[p] = st
	return st, nil
}

func (j *job) operation(ctx context.Context, st *stage, op *dockerfile.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case op.Copy != nil:
		return j.copy(ctx, st, op)
	case op.Pip != nil:
		line, err := j.pipLine(st, op)
		if err != nil {
			return err
		}
		st.pip = append(st.pip, *line)
		return nil
	}
	for _, d := range op.Dirs {
		uid, gid := 0, 0
		if d.Owner != "" {
			o, err := st.owner(d.Owner)
			if err != nil {
				return cairn.AsError(err).At(j.file.At(op.Line, ""))
			}
			uid, gid = o.uid, o.gid
		}
		if _, err := st.tree.mkdir(d.Path, 0o755, uid, gid); err != nil {
			return cairn.AsError(err).At(j.file.At(op.Line, path.Base(d.Path)))
		}
	}
	return nil
}

// stageIndex is what lies below the files of a stage: base and packages. nil where
// there is neither.
func (j *job) stageIndex(ctx context.Context, st *stage) (*layer.FS, error) {
	if st.fs != nil || st.base == nil && len(st.pip) == 0 {
		return st.fs, nil
	}
	if len(st.pip) == 0 {
		fs, err := j.index(ctx, st.base)
		st.fs = fs
		return fs, err
	}
	d, err := j.packages(ctx, st)
	if err != nil {
		return nil, err
	}
	sources := append(st.base.sources(), layer.Source{Digest: d.Digest, MediaType: layer.MediaTypeTar, Open: func(ctx context.Context) (io.ReadCloser, error) {
		if d.path == "" {
			r, _, err := j.srv.GetBlob(ctx, d.Digest)
			return r, err
		}
		return os.Open(d.path)
	}})
	st.fs, err = layer.IndexWith(ctx, sources, layer.IndexOptions{Keep: keepUsers})
	return st.fs, err
}

// decode reads kept JSON.
func decode[T any](raw json.RawMessage) (*T, bool) {
	if len(raw) == 0 {
		return nil, false
	}
	out := new(T)
	return out, json.Unmarshal(raw, out) == nil
}
