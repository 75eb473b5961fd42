package run

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// A resumer is a backend that can let a job go on in the workspace that an earlier
// one left.
type resumer interface {
	// Resumable says why nobody can go on where the job ended; nil: somebody can.
	Resumable(job cairn.Job) error
}

// resumes finds out from which step each job that is done again goes on: that of r,
// else the first one that failed. Jobs that failed before any step, and those that
// were cancelled beside them, begin anew.
func (e *Engine) resumes(ctx context.Context, w *rerunner, r RerunRequest) (map[string]cairn.Resume, error) {
	backend, ok := e.o.Backend.(resumer)
	if !ok {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "runners of this kind keep no workspaces").WithHint("run the whole job again: --failed, or --job")
	}
	out := map[string]cairn.Resume{}
	for _, path := range sortedPaths(w.again) {
		j := w.state.Jobs[path]
		if w.isFresh(path) {
			if r.Step != "" {
				return nil, cairn.Errorf(cairn.CodeConflict, "%s of run %d stands on a job that is done again: it begins anew", path, r.Run)
			}
			continue
		}
		if j.Call || j.Epoch == 0 || r.Step == "" && !j.Conclusion.Bad() {
			continue
		}
		steps, err := e.o.Store.Steps(ctx, j.ID)
		if err != nil {
			return nil, err
		}
		step, err := stepToRunAgain(steps, r.Step)
		if err == nil {
			err = backend.Resumable(*j)
		}
		if err != nil {
			ce := cairn.AsError(err)
			hint := fmt.Sprintf("run it again whole: cairn run rerun %d --job '%s'", r.Run, path)
			if ce.Hint != "" {
				hint = ce.Hint + "; or " + hint
			}
			return nil, cairn.Errorf(cairn.CodeConflict, "%s of run %d: %s", path, r.Run, ce.Message).WithHint("%s", hint)
		}
		out[path] = cairn.Resume{Job: j.ID, Epoch: j.Epoch, Attempt: j.Attempt, Step: step}
	}
	if len(out) == 0 {
		return nil, cairn.Errorf(cairn.CodeConflict, "run %d has no job that failed in a step", r.Run).
			WithHint("cairn run rerun %d --failed runs jobs again from their beginning", r.Run)
	}
	return out, nil
}

// isFresh reports whether a job stands on something that is done again: then the
// steps it did were done with other values.
func (w *rerunner) isFresh(path string) bool {
	return slices.ContainsFunc(w.fresh, func(node string) bool {
		return path == node || strings.HasPrefix(path, node+"[") || strings.HasPrefix(path, node+"/")
	})
}

func sortedPaths(again map[string]bool) []string {
	var out []string
	for path, yes := range again {
		if yes {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// stepToRunAgain finds a step by its number, id or name; "" means the first one that
// failed, or was stopped when its job timed out.
func stepToRunAgain(steps []cairn.StepRow, asked string) (int, error) {
	const setUp = 1
	var names []string
	around := "" // what failed, and is no step of the file
	for _, s := range steps {
		if s.Number == setUp || s.Stage != "" {
			if s.Conclusion.Bad() && around == "" {
				around = s.Name
			}
			continue
		}
		ended := s.Conclusion.Bad() || s.Conclusion == cairn.Cancelled
		if asked == "" && ended || asked != "" &&
			(strconv.Itoa(s.Number) == asked || s.ID != "" && strings.EqualFold(s.ID, asked) || strings.EqualFold(s.Name, asked)) {
			return s.Number, nil
		}
		names = append(names, cmpText(s.ID, s.Name))
	}
	switch {
	case asked == "" && around != "":
		return 0, cairn.Errorf(cairn.CodeConflict, "what failed is %q, which is no step of the workflow", clip(around, 100))
	case asked == "":
		return 0, cairn.Errorf(cairn.CodeConflict, "no step of it failed")
	}
	err := cairn.Errorf(cairn.CodeNotFound, "it has no step %q", clip(asked, 100))
	if near := cairn.Nearest(asked, names); near != "" {
		return 0, err.WithHint("did you mean %s?", near)
	}
	return 0, err.WithHint("its steps: %s", clip(strings.Join(names, ", "), 300))
}

func cmpText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// stateKey seals what a job leaves for one that goes on in its workspace. It is made
// of the job's token, which the owner can make again and nobody else knows.
func stateKey(token string) []byte {
	sum := sha256.Sum256([]byte("cairn job state\x00" + token))
	return sum[:]
}
