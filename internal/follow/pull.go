package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// pullEvent is what is read of an event about a pull request; raw is all of it.
type pullEvent struct {
	Action string
	Number int64
	State  string
	Merged bool
	// MergeSHA is what the base branch got, of one that is merged.
	MergeSHA string
	Before   string
	Base     pullSide
	Head     pullSide
	Sender   string
	raw      json.RawMessage
}

// pullSide is one of the two branches.
type pullSide struct {
	Ref  string
	SHA  string
	Repo string // owner/name; "" for one that was deleted
}

// readPull reads the event pull_request, or another that carries a pull request.
func readPull(raw json.RawMessage) (*pullEvent, error) {
	type side struct {
		Ref  string `json:"ref"`
		SHA  string `json:"sha"`
		Repo *struct {
			FullName string `json:"full_name"`
		} `json:"repo"`
	}
	var x struct {
		Action string `json:"action"`
		Number int64  `json:"number"`
		Before string `json:"before"`
		Pull   *struct {
			Number   int64  `json:"number"`
			State    string `json:"state"`
			Merged   bool   `json:"merged"`
			MergeSHA string `json:"merge_commit_sha"`
			Base     side   `json:"base"`
			Head     side   `json:"head"`
		} `json:"pull_request"`
		Sender user `json:"sender"`
	}
	bad := cairn.Errorf(cairn.CodeInvalid, "the event tells of no pull request that can be read")
	if err := json.Unmarshal(raw, &x); err != nil || x.Pull == nil {
		return nil, bad
	}
	p := &pullEvent{
		Action: clip(x.Action, 100), Number: x.Pull.Number, State: x.Pull.State, Merged: x.Pull.Merged, Before: x.Before, Sender: x.Sender.Login, raw: raw,
		Base: pullSide{Ref: x.Pull.Base.Ref, SHA: x.Pull.Base.SHA}, Head: pullSide{Ref: x.Pull.Head.Ref, SHA: x.Pull.Head.SHA},
	}
	if p.Number == 0 {
		p.Number = x.Number
	}
	if x.Pull.Base.Repo != nil {
		p.Base.Repo = x.Pull.Base.Repo.FullName
	}
	if x.Pull.Head.Repo != nil {
		p.Head.Repo = x.Pull.Head.Repo.FullName
	}
	if commitID.MatchString(x.Pull.MergeSHA) {
		p.MergeSHA = x.Pull.MergeSHA
	}
	if p.Number <= 0 || !commitID.MatchString(p.Head.SHA) || !commitID.MatchString(p.Base.SHA) || p.Base.Ref == "" || len(p.Base.Ref) > 255 || len(p.Head.Ref) > 255 {
		return nil, bad
	}
	return p, nil
}

// user is who did something at the other end.
type user struct {
	Login string `json:"login"`
}

func (p *pullEvent) headRef() string { return fmt.Sprintf("refs/pull/%d/head", p.Number) }

// untrusted reports whether the commits come from another repository.
func (p *pullEvent) untrusted() bool {
	return p.Head.Repo == "" || !strings.EqualFold(p.Head.Repo, p.Base.Repo)
}

func numberOf(ref string) (int64, error) {
	f := strings.Split(ref, "/")
	if len(f) != 4 {
		return 0, cairn.Errorf(cairn.CodeInvalid, "%s is of no pull request", clip(ref, 100))
	}
	return strconv.ParseInt(f[2], 10, 64)
}

// brings reports whether an activity brings commits: those count once for each
// commit. The rest count once for each delivery.
func brings(action string) bool { return action == "opened" || action == "synchronize" }

// takePull takes in a pull request whose newest commit moved, and records it.
func (l *looking) takePull(ctx context.Context, m *move, p *pullEvent) error {
	seen := cairn.SeenRef{Repository: l.f.Repository, Ref: m.ref, SHA: m.new}
	_, ahead, err := l.s.o.Store.SeenRef(ctx, seen.Repository, seen.Ref, seen.SHA)
	if err != nil {
		return err
	}
	if !ahead {
		if err := l.startPull(ctx, p, "pull:"+m.id(l.f.Repository), "pull_request"); err != nil {
			return err
		}
	}
	return l.s.o.Store.SetFollowedRef(ctx, seen, m.version, cairn.Change{By: person(p.Sender)})
}

// startPull starts what an event of a pull request matches.
func (l *looking) startPull(ctx context.Context, p *pullEvent, key, event string) error {
	if !followsBranch(l.f.Branches, p.Base.Ref) {
		return nil
	}
	e := cairn.TriggerEvent{
		Key: key, Repository: l.f.Repository, Event: event, Action: p.Action, BaseRef: p.Base.Ref, HeadRef: p.Head.Ref,
		Payload: p.raw, By: person(p.Sender), Untrusted: p.untrusted(), At: l.s.now().UTC(),
	}
	var notes []string
	var err error
	if e.Ref, e.SHA, e.Conflict, err = l.mergeOf(ctx, p); err != nil {
		if !notThere(err) && cairn.CodeOf(err) != cairn.CodeConflict {
			return err
		}
		notes = []string{"its commits are gone: " + err.Error()}
	} else {
		var more []string
		var runs []cairn.RunID
		e.Before = p.Base.SHA
		if runs, more, err = l.s.o.Start.Event(ctx, e); err != nil {
			return err
		}
		l.say(cairn.FollowMove{Event: event, Ref: p.headRef(), New: p.Head.SHA, By: e.By, Runs: runs}, more)
		// What runs for the base branch in its own name sees none of the commits.
		t := e
		t.Event, t.Key, t.Ref, t.SHA, t.Untrusted, t.Conflict = "pull_request_target", "target:"+key, "refs/heads/"+p.Base.Ref, "", false, false
		if event == "pull_request" {
			if runs, more, err = l.s.o.Start.Event(ctx, t); err != nil {
				return err
			}
			if len(runs)+len(more) > 0 {
				l.say(cairn.FollowMove{Event: t.Event, Ref: t.Ref, By: e.By, Runs: runs}, more)
			}
		}
		return nil
	}
	l.say(cairn.FollowMove{Event: event, Ref: p.headRef(), New: p.Head.SHA, By: e.By}, notes)
	return nil
}

// mergeOf finds the commit that runs for a pull request: what a merge would give,
// as the host made it or made here; of one that is closed, what became of it.
func (l *looking) mergeOf(ctx context.Context, p *pullEvent) (ref, sha string, conflict bool, err error) {
	m, repo := l.s.o.Mirror, l.f.Repository
	ref = fmt.Sprintf("refs/pull/%d/merge", p.Number)
	if err := l.bring(ctx, p.Head.SHA, p.headRef()); err != nil {
		return "", "", false, err
	}
	if p.State == "closed" {
		if p.Merged && p.MergeSHA != "" {
			if err := l.bring(ctx, p.MergeSHA, ""); err == nil {
				return "refs/heads/" + p.Base.Ref, p.MergeSHA, false, nil
			} else if !notThere(err) && cairn.CodeOf(err) != cairn.CodeConflict {
				return "", "", false, err
			}
		}
		return p.headRef(), p.Head.SHA, false, nil
	}
	// The host makes it in its own time: an older one is no use, nor is a failure.
	if l.f.Host == cairn.HostGitHub && m.FetchRemote(ctx, repo, l.remote, ref) == nil {
		if c, err := m.Commit(ctx, repo, ref); err == nil && len(c.Parents) == 2 && c.Parents[1] == p.Head.SHA {
			p.Base.SHA = c.Parents[0]
			return ref, c.SHA, false, nil
		}
	}
	if l.s.o.Merge == nil {
		return p.headRef(), p.Head.SHA, false, nil
	}
	// It is merged into where the branch is now, which may be further on.
	if c, err := m.Commit(ctx, repo, "refs/heads/"+p.Base.Ref); err == nil {
		p.Base.SHA = c.SHA
	} else if !notThere(err) {
		return "", "", false, err
	} else if err := l.bring(ctx, p.Base.SHA, ""); err != nil {
		return "", "", false, err
	}
	sha, conflict, err = l.s.o.Merge(ctx, repo, p.Number, p.Base.SHA, p.Head.SHA)
	return ref, sha, conflict, err
}

// bring makes sure that a commit is here: with the ref that should name it, else
// by itself.
func (l *looking) bring(ctx context.Context, sha, ref string) error {
	m, repo := l.s.o.Mirror, l.f.Repository
	if _, err := m.Commit(ctx, repo, sha); err == nil || !notThere(err) {
		return err
	}
	if isPull(ref) {
		if err := m.FetchRemote(ctx, repo, l.remote, ref); err != nil && cairn.CodeOf(err) != cairn.CodeConflict {
			return err
		}
		if _, err := m.Commit(ctx, repo, sha); err == nil || !notThere(err) {
			return err
		}
	}
	if err := m.FetchCommit(ctx, repo, l.remote, sha); err != nil {
		if cairn.CodeOf(err) == cairn.CodeUnavailable || ctx.Err() != nil {
			return err
		}
		return cairn.Errorf(cairn.CodeNotFound, "%s does not give out %s any more", l.f.URL, sha[:12])
	}
	return nil
}

// event makes the payload of an event out of what the host's interface tells.
func (p pullObject) event(action string, f *cairn.Follow, number int64) json.RawMessage {
	var x struct {
		Base struct {
			Repo json.RawMessage `json:"repo"`
		} `json:"base"`
		User json.RawMessage `json:"user"`
	}
	out := map[string]any{"action": action, "number": number, "pull_request": json.RawMessage(p)}
	if json.Unmarshal(p, &x) == nil {
		if len(x.Base.Repo) > 0 {
			out["repository"] = x.Base.Repo
		}
		if len(x.User) > 0 {
			out["sender"] = x.User
		}
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil // read back, it tells of no pull request
	}
	return b
}

// pullObject is a pull request as the host's interface tells it.
type pullObject json.RawMessage
