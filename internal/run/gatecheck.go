package run

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Gates evaluates the conditions of environments; the server plugs it in.
type Gates interface {
	// CheckGate gathers the facts that a condition looks at (the run, its model, its
	// release) and evaluates it. The answer's State is GatePassed, GateFailed or
	// GateLacks, with the values in its Detail. An error is tried again unless its
	// code says that this is no use.
	CheckGate(ctx context.Context, run *cairn.Run, environment, expr string) (cairn.GateCheck, error)
}

// effectGate evaluates a gate: it reads rows of other rooms, which Decide never
// does.
const effectGate = "gate.check"

// gateEffect is its payload. The first field is the one that all effects on runs
// have.
type gateEffect struct {
	Run         cairn.RunID `json:"run"`
	Attempt     int         `json:"attempt"`
	Environment string      `json:"environment"`
	Expr        string      `json:"expr"`
	Done        int         `json:"done"`
}

// askGate notes down the effect; its id makes it happen once for what is known.
func (a *active) askGate(act AskGate) error {
	g := gateEffect{a.id, a.state.Attempt.Number, act.Environment, act.Expr, act.Done}
	payload, err := json.Marshal(g)
	if err != nil {
		return err
	}
	what := cairn.SumBytes([]byte(strings.ToLower(g.Environment) + "\x00" + g.Expr)).Short()
	a.changes.Effects = append(a.changes.Effects, cairn.Effect{
		ID: fmt.Sprintf("%s/%d/%d/%s/%d", effectGate, g.Run, g.Attempt, what, g.Done), Kind: effectGate, Payload: payload,
	})
	return nil
}

// checkGate carries the effect out. A run that has ended meanwhile needs no answer.
func (e *Engine) checkGate(ctx context.Context, f cairn.Effect) (check *cairn.GateCheck, stale bool, err error) {
	var g gateEffect
	if err := json.Unmarshal(f.Payload, &g); err != nil {
		return nil, false, cairn.Errorf(cairn.CodeInvalid, "the effect %s is damaged: %w", f.ID, err)
	}
	run, err := e.o.Store.Run(ctx, g.Run)
	if err != nil {
		return nil, cairn.CodeOf(err) == cairn.CodeNotFound, err
	}
	if run.Status == cairn.StatusCompleted || run.Attempt != g.Attempt {
		return nil, true, nil
	}
	if e.o.Gates == nil {
		return nil, false, cairn.Errorf(cairn.CodeUnsupported, "conditions are not evaluated here")
	}
	c, err := e.o.Gates.CheckGate(ctx, &run, g.Environment, g.Expr)
	if err != nil {
		return nil, false, err
	}
	c.Expr, c.Done, c.At = g.Expr, g.Done, e.now().UTC()
	return &c, false, nil
}

// gateChecked brings the answer into the rows.
func (e *Engine) gateChecked(ctx context.Context, a *active, r effectResult) {
	if r.err != nil && !final(r.err) && r.effect.Tries+1 < startTries {
		e.retry(ctx, r)
		return
	}
	a.done = append(a.done, r.effect.ID)
	var g gateEffect
	if json.Unmarshal(r.effect.Payload, &g) != nil || r.stale {
		return
	}
	c := r.gate
	if r.err != nil {
		e.complain(ctx, "checking a gate", r.err, "run", a.id)
		c = &cairn.GateCheck{Expr: g.Expr, State: cairn.GateFailed, Detail: words(r.err), Done: g.Done, At: e.now().UTC()}
	}
	row := a.state.approval(g.Environment)
	if row.Gate == nil || row.Gate.State != cairn.GateAsked || row.Gate.Expr != g.Expr || row.Gate.Done != g.Done {
		return // asked anew meanwhile
	}
	c.Detail = clip(c.Detail, maxReason)
	row.Gate = c
	a.state.putApproval(row)
	a.gen = -1 // a row of its own changed: decide
}
