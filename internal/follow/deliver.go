package follow

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// deliveries takes in what the webhook brought, in the order in which it came. One
// that passes later keeps those behind it waiting.
func (l *looking) deliveries(ctx context.Context) error {
	open, err := l.s.o.Store.OpenDeliveries(ctx, l.f.Repository, deliveriesAtOnce)
	if err != nil {
		return err
	}
	l.open = len(open) == deliveriesAtOnce
	for _, d := range open {
		note, err := l.deliver(ctx, &d)
		if err != nil && passes(ctx, err, l.s.now().Sub(d.At)) {
			return err
		} else if err != nil {
			note = err.Error()
			l.s.log.Warn("a delivery of a webhook started nothing", "repository", l.f.Repository, "delivery", d.ID, "event", d.Event, "error", err)
		}
		if err := l.s.o.Store.DeliveryDone(ctx, d.Seq, clip(note, 500), cairn.Change{By: l.f.By}); err != nil {
			return err
		}
	}
	return nil
}

// patience is how long a delivery is tried again that fails for no reason that is
// known to pass: it shall not keep those behind it waiting for ever.
const patience = time.Hour

// passes reports whether trying again later may help a delivery of that age.
func passes(ctx context.Context, err error, age time.Duration) bool {
	switch cairn.CodeOf(err) {
	case cairn.CodeInvalid, cairn.CodeNotFound, cairn.CodeUnsupported, cairn.CodeTooLarge:
		return ctx.Err() != nil
	case cairn.CodeFailed, cairn.CodeInternal:
		return ctx.Err() != nil || age < patience
	}
	return true
}

// quiet are events of runs at the other end: they are no concern of the runs here.
var quiet = []string{"status", "check_run", "check_suite", "workflow_run", "workflow_job", "deployment", "deployment_status", "deployment_protection_rule"}

// deliver takes in one delivery and says what became of it.
func (l *looking) deliver(ctx context.Context, d *cairn.Delivery) (note string, err error) {
	before := len(l.got.Moves)
	switch {
	case d.Event == "push":
		note, err = l.deliverPush(ctx, d)
	case d.Event == "create" || d.Event == "delete":
		return "seen with the refs", nil
	case strings.HasPrefix(d.Event, "pull_request"):
		note, err = l.deliverPull(ctx, d)
	case d.Event == "workflow_dispatch":
		err = l.deliverDispatch(ctx, d)
	case slices.Contains(quiet, d.Event):
		return "not looked at: it is about runs elsewhere", nil
	default:
		err = l.deliverOther(ctx, d)
	}
	if err != nil || note != "" {
		return note, err
	}
	var runs []string
	for _, m := range l.got.Moves[before:] {
		for _, id := range m.Runs {
			runs = append(runs, strings.TrimPrefix(string(cairn.RunRef(id)), "run/"))
		}
		if m.Note != "" && len(m.Runs) == 0 {
			note = m.Note
		}
	}
	switch {
	case len(runs) > 0:
		return "run " + strings.Join(runs, ", "), nil
	case note != "":
		return note, nil
	}
	return "no workflow starts", nil
}

// pushEvent is what is read of a push.
type pushEvent struct {
	Ref    string `json:"ref"`
	Before string `json:"before"`
	After  string `json:"after"`
	Pusher struct {
		Name string `json:"name"`
	} `json:"pusher"`
	Sender user   `json:"sender"`
	GitLab string `json:"user_username"`
}

func (p *pushEvent) by() string {
	for _, name := range []string{p.Sender.Login, p.Pusher.Name, p.GitLab} {
		if name != "" {
			return name
		}
	}
	return ""
}

func (l *looking) deliverPush(ctx context.Context, d *cairn.Delivery) (string, error) {
	var p pushEvent
	if err := json.Unmarshal(d.Payload, &p); err != nil || !commitID.MatchString(p.Before) || !commitID.MatchString(p.After) || len(p.Ref) > 255 {
		return "", cairn.Errorf(cairn.CodeInvalid, "the event tells of no push that can be read")
	}
	if !follows(l.f.Branches, p.Ref) {
		return "not followed: " + p.Ref, nil
	}
	recorded, err := l.s.o.Store.RecordedRefs(ctx, l.f.Repository)
	if err != nil {
		return "", err
	}
	r := recorded[p.Ref]
	seen, _, err := l.s.o.Store.SeenRef(ctx, l.f.Repository, p.Ref, p.After)
	if err != nil {
		return "", err
	}
	v := judge(r.SHA, p.Before, p.After, seen)
	if v == covered {
		return "seen already", nil
	}
	if p.After != zero {
		if err := l.bring(ctx, p.After, p.Ref); err != nil {
			return "", err
		}
	}
	payload := []byte(d.Payload)
	if p.GitLab != "" {
		payload = nil // workflows read GitHub's form of it
	}
	m := move{ref: p.Ref, old: p.Before, new: p.After, version: r.Version}
	if v == next {
		return "", l.take(ctx, &m, payload, p.by())
	}
	// That the ref was made is told of when it is recorded.
	by, err := l.push(ctx, &m, "hook:"+l.f.Repository+":"+d.ID, "create", payload, p.by())
	if err != nil {
		return "", err
	}
	return "", l.s.o.Store.AddSeenRef(ctx, cairn.SeenRef{Repository: l.f.Repository, Ref: m.ref, SHA: m.new, Ahead: true}, cairn.Change{By: by})
}

func (l *looking) deliverPull(ctx context.Context, d *cairn.Delivery) (string, error) {
	p, err := readPull(d.Payload)
	if err != nil {
		return "", err
	}
	if !followsBranch(l.f.Branches, p.Base.Ref) {
		return "not followed: " + p.Base.Ref, nil
	}
	key := "hook:" + l.f.Repository + ":" + d.ID
	if d.Event != "pull_request" || !brings(p.Action) {
		return "", l.startPull(ctx, p, key, d.Event)
	}
	recorded, err := l.s.o.Store.RecordedRefs(ctx, l.f.Repository)
	if err != nil {
		return "", err
	}
	r := recorded[p.headRef()]
	seen, _, err := l.s.o.Store.SeenRef(ctx, l.f.Repository, p.headRef(), p.Head.SHA)
	if err != nil {
		return "", err
	}
	before := p.Before
	if p.Action == "opened" {
		before = zero
	}
	m := move{ref: p.headRef(), old: orZero(r.SHA), new: p.Head.SHA, version: r.Version}
	switch judge(r.SHA, before, p.Head.SHA, seen) {
	case covered:
		return "seen already", nil
	case next:
		return "", l.takePull(ctx, &m, p)
	}
	if before != zero && r.SHA == "" {
		// It was open before it was followed.
		return "", l.takePull(ctx, &m, p)
	}
	if err := l.startPull(ctx, p, key, d.Event); err != nil {
		return "", err
	}
	return "", l.s.o.Store.AddSeenRef(ctx, cairn.SeenRef{Repository: l.f.Repository, Ref: m.ref, SHA: m.new, Ahead: true}, cairn.Change{By: person(p.Sender)})
}

func (l *looking) deliverDispatch(ctx context.Context, d *cairn.Delivery) error {
	var p struct {
		Ref      string                     `json:"ref"`
		Workflow string                     `json:"workflow"`
		Inputs   map[string]json.RawMessage `json:"inputs"`
		Sender   user                       `json:"sender"`
	}
	if err := json.Unmarshal(d.Payload, &p); err != nil || p.Workflow == "" || p.Ref == "" || len(p.Ref) > 255 {
		return cairn.Errorf(cairn.CodeInvalid, "the event tells of no workflow that can be read")
	}
	if !strings.HasPrefix(p.Ref, "refs/") {
		p.Ref = "refs/heads/" + p.Ref
	}
	inputs := map[string]string{}
	for name, raw := range p.Inputs {
		text := string(raw)
		if text == "null" {
			continue
		}
		if quoted := ""; json.Unmarshal(raw, &quoted) == nil {
			text = quoted
		}
		inputs[name] = text
	}
	return l.event(ctx, cairn.TriggerEvent{
		Key: "hook:" + l.f.Repository + ":" + d.ID, Event: d.Event, Ref: p.Ref, Inputs: inputs, Workflow: p.Workflow, Payload: d.Payload, By: p.Sender.Login,
	})
}

// deliverOther takes in an event that runs on the default branch, or on the tag of
// a release.
func (l *looking) deliverOther(ctx context.Context, d *cairn.Delivery) error {
	var p struct {
		Action  string `json:"action"`
		Branch  string `json:"branch"`
		Sender  user   `json:"sender"`
		Release *struct {
			Tag   string `json:"tag_name"`
			Draft bool   `json:"draft"`
		} `json:"release"`
	}
	if err := json.Unmarshal(d.Payload, &p); err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "the event cannot be read")
	}
	e := cairn.TriggerEvent{Key: "hook:" + l.f.Repository + ":" + d.ID, Event: d.Event, Action: clip(p.Action, 200), Payload: d.Payload, By: p.Sender.Login}
	if d.Event == "release" && p.Release != nil && len(p.Release.Tag) < 200 {
		c, err := l.s.o.Mirror.Commit(ctx, l.f.Repository, "refs/tags/"+p.Release.Tag)
		switch {
		case err == nil:
			e.Ref, e.SHA = "refs/tags/"+p.Release.Tag, c.SHA
		case notThere(err): // a draft has no tag yet
			e.Ref = l.head
		default:
			return err
		}
	}
	return l.event(ctx, e)
}

// event hands an event on.
func (l *looking) event(ctx context.Context, e cairn.TriggerEvent) error {
	e.Repository, e.By, e.At = l.f.Repository, person(e.By), l.s.now().UTC()
	runs, notes, err := l.s.o.Start.Event(ctx, e)
	if err != nil {
		return err
	}
	l.say(cairn.FollowMove{Event: e.Event, Ref: e.Ref, New: e.SHA, By: e.By, Runs: runs}, notes)
	return nil
}
