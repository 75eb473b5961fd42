package server

import (
	"context"
	"encoding/json"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
)

// taskRoots lists what tasks stand on and no version names: snapshots of code and data
// that were sent with a job, what lies in datastores, what was fetched. false ends the
// listing.
func (s *Server) taskRoots(ctx context.Context, yield func(cas.Root, error) bool) bool {
	more := true
	err := s.store.KeptData(ctx, func(name string, d cairn.Digest, tree bool) bool {
		more = s.yieldKept(ctx, name, d, tree, yield)
		return more
	})
	if err != nil {
		return more && yield(cas.Root{}, err)
	}
	f := cairn.SubmittedFilter{Workspace: Workspace, Archived: true, Limit: 1000}
	seen := map[cairn.Digest]bool{}
	for more {
		rs, err := s.store.SubmittedRuns(ctx, f)
		if err != nil {
			return yield(cas.Root{}, err)
		}
		for i := range rs {
			if !s.planRoots(ctx, &rs[i], seen, yield) {
				return false
			}
			f.Before = rs[i].ID
		}
		if len(rs) < f.Limit {
			return true
		}
	}
	return more
}

// planRoots lists the data that the plan of a run holds itself.
func (s *Server) planRoots(ctx context.Context, r *cairn.Run, seen map[cairn.Digest]bool, yield func(cas.Root, error) bool) bool {
	if seen[r.Plan] {
		return true
	}
	seen[r.Plan] = true
	p, err := s.store.Plan(ctx, r.Plan)
	if err != nil {
		return yield(cas.Root{}, err)
	}
	b, _, err := p.Encode()
	if err != nil {
		return yield(cas.Root{}, err)
	}
	more := true
	for _, v := range dataIn(b) {
		if more && !seen[v.Digest] {
			seen[v.Digest] = true
			more = s.yieldKept(ctx, string(cairn.RunRef(r.ID)), v.Digest, v.Type == "folder", yield)
		}
	}
	return more
}

// yieldKept names a root if its bytes are there: what is lost holds nothing.
func (s *Server) yieldKept(ctx context.Context, name string, d cairn.Digest, tree bool, yield func(cas.Root, error) bool) bool {
	there, err := s.blobs.Has(ctx, d)
	if err != nil {
		return yield(cas.Root{}, err)
	}
	return !there || yield(cas.Root{Digest: d, Tree: tree, Name: name}, nil)
}

// dataIn finds all data in the encoding of a plan: as objects, and as texts that jobs
// hand to each other.
func dataIn(encoded []byte) []cairn.DataValue {
	var tree any
	if json.Unmarshal(encoded, &tree) != nil {
		return nil // a plan that was read always decodes
	}
	var out []cairn.DataValue
	var visit func(v any)
	visit = func(v any) {
		switch x := v.(type) {
		case map[string]any:
			kind, _ := x["type"].(string)
			digest, _ := x["digest"].(string)
			if d := cairn.Digest(digest); d.Valid() && (kind == "folder" || kind == "file") {
				out = append(out, cairn.DataValue{Type: kind, Digest: d})
			}
			for _, below := range x {
				visit(below)
			}
		case []any:
			for _, below := range x {
				visit(below)
			}
		case string:
			if d, ok := cairn.DecodeData(x); ok {
				out = append(out, d)
			}
		}
	}
	visit(tree)
	return out
}
