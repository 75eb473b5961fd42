package runner

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// stage is a part of an action's life.
type stage int

// The stages of an action.
const (
	stageMain stage = iota
	stagePre
	stagePost
)

// handler runs an action of one kind.
type handler interface {
	// has reports whether the action does something at a stage of a call.
	has(c *call, s stage) bool
	// when is the condition of the stages pre and post.
	when(s stage) string
	// run does the stage of st.
	run(ctx context.Context, st *step, env *expr.Env) error
}

// call is one use of an action by one step: what its stages share.
type call struct {
	spec *cairn.Step
	// handler is nil until the action was found: a local one is looked for when its
	// step runs, since a step before it may have put it there.
	handler handler
	state   map[string]string // STATE_*
	due     bool              // post has to run
	told    map[string]bool   // warnings that the log has
	parts   []*call           // of a composite action, one for each of its steps; nil: a script
	inner   *scope            // of a composite action's main stage, for its post stage
	native  *StepContext      // of a native action, from Run to Post
}

// has reports whether a stage of the call has something to do.
func (c *call) has(s stage) bool { return c != nil && c.handler != nil && c.handler.has(c, s) }

// post is a call whose action still has something to do at the end.
type post struct {
	call   *call
	name   string
	action string // github.action
}

// register notes that the post stage of the step's action has to run. It is called
// when the first stage of the action begins: posts run in the reverse order of that.
func (st *step) register() {
	c := st.call
	if c.due || !c.has(stagePost) {
		return
	}
	c.due = true
	if st.scope.outer == nil {
		st.x.mu.Lock()
		defer st.x.mu.Unlock()
		st.x.posts = append(st.x.posts, &post{call: c, name: st.title, action: st.action})
	}
}

// newStep makes the step for one stage of what spec says.
func (x *executor) newStep(sc *scope, spec *cairn.Step, c *call, s stage) *step {
	st := &step{x: x, scope: sc, spec: spec, cond: spec.If, call: c, stage: s, outputs: map[string]string{}, echo: x.Spec.Debug}
	if s != stageMain {
		st.cond = c.handler.when(s)
	}
	if o := sc.outer; o != nil {
		st.action, st.log, st.echo = o.action, o.log, o.echo
	}
	return st
}

// pre runs what the action of a step does before all steps.
func (x *executor) pre(s *cairn.Step, c *call, number int) {
	st := x.newStep(x.top, s, c, stagePre)
	st.row = x.newRow("", "", s.Uses)
	st.row.Stage = "pre"
	st.action = actionID(s, number)
	st.begin()
}

// post runs what an action does at the end of the job.
func (x *executor) post(p *post) {
	if p.call.idle() {
		return
	}
	x.postAs(p.call, "Post "+p.name, p.action)
}

func (x *executor) postAs(c *call, name, action string) {
	st := x.newStep(x.top, c.spec, c, stagePost)
	st.row = x.newRow("", name, c.spec.Uses)
	st.row.Stage = "post"
	st.action = action
	st.begin()
}

// native is a built-in action.
type native struct{ action Action }

func (n native) has(_ *call, s stage) bool {
	_, ok := n.action.(PostAction)
	return s == stageMain || s == stagePost && ok
}

func (n native) when(s stage) string {
	if p, ok := n.action.(PostCondition); ok && s == stagePost {
		return p.PostIf()
	}
	return "always()"
}

func (n native) run(ctx context.Context, st *step, env *expr.Env) error {
	if st.stage == stagePost {
		c := st.call.native
		st.attach(c)
		err := protect(func() error { return n.action.(PostAction).Post(ctx, c) })
		st.take(c)
		return err
	}
	inputs, err := st.with(env)
	if err != nil {
		return err
	}
	st.usesHeader(inputs)
	c := st.context(inputs)
	st.call.native = c
	st.register()
	err = protect(func() error { return n.action.Run(ctx, c) })
	st.take(c)
	return err
}
