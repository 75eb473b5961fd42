package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

const (
	eventsAtOnce = 1000
	// gather is how long a change of a run waits for the next one.
	gather         = 200 * time.Millisecond
	statusesAtOnce = 20
	// statusTries is how often a status is tried that the host does not understand.
	statusTries = 3
	// maxDescription is what GitHub takes.
	maxDescription = 140
)

// writeStatuses puts down what is to be written to commits whenever runs changed,
// and writes it, until ctx ends.
func (s *Service) writeStatuses(ctx context.Context) {
	signal, stop := s.o.Store.Watch()
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-signal:
			// What follows at once is written as one.
			select {
			case <-ctx.Done():
				return
			case <-time.After(gather):
			}
		case <-timer.C:
		}
		wait, err := s.statuses(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("writing commit statuses", "error", err)
			wait = 10 * time.Second
		}
		timer.Reset(wait)
	}
}

// statuses is one round; it says when the next one is due.
func (s *Service) statuses(ctx context.Context) (time.Duration, error) {
	const idle = time.Minute
	all, err := s.o.Store.Follows(ctx)
	if err != nil {
		return 0, err
	}
	follows := map[string]*cairn.Follow{}
	for i := range all {
		if all[i].Statuses && all[i].StatusTrouble == "" {
			follows[all[i].Repository] = &all[i]
		}
	}
	if len(all) == 0 {
		s.cursor = 0 // the next one begins where its row says
		return idle, nil
	}
	if err := s.collect(ctx, follows); err != nil {
		return 0, err
	}
	for {
		due, next, err := s.o.Store.DueHostStatuses(ctx, statusesAtOnce)
		if err != nil {
			return 0, err
		}
		if len(due) == 0 {
			if next.IsZero() {
				return idle, nil
			}
			return max(min(next.Sub(s.now()), idle), time.Millisecond), nil
		}
		held := map[string]bool{}
		for _, x := range due {
			if held[x.Repository] {
				continue
			}
			ok, err := s.writeOne(ctx, follows[x.Repository], x)
			if err != nil {
				return 0, err
			}
			held[x.Repository] = !ok
		}
	}
}

// collect puts down a status for each run that was made or changed. What is of no
// concern is only remembered, not written, unless it is a lot.
func (s *Service) collect(ctx context.Context, follows map[string]*cairn.Follow) error {
	for {
		runs, cursor, more, err := s.o.Store.ChangedRuns(ctx, s.cursor, eventsAtOnce)
		if err != nil {
			return err
		}
		var list []cairn.HostStatus
		for i := range runs {
			f := follows[runs[i].Repository]
			if f == nil || runs[i].Dirty || runs[i].WorkDir != "" || runs[i].CreatedAt.Before(f.CreatedAt) {
				continue // nobody follows it, or it is of a working tree
			}
			sha, err := s.commitOf(ctx, &runs[i])
			if err != nil {
				return err
			}
			if sha != "" {
				list = append(list, statusOf(&runs[i], sha))
			}
		}
		if len(list) > 0 || more {
			if err := s.o.Store.PutHostStatuses(ctx, list, cursor, cairn.Change{By: "cairn"}); err != nil {
				return err
			}
		}
		s.cursor = cursor
		if !more {
			return nil
		}
	}
}

// commitOf is the commit that a run's status belongs to: of a pull request its
// newest one, which people see, and not the merge that was tried.
func (s *Service) commitOf(ctx context.Context, r *cairn.Run) (string, error) {
	if !strings.HasPrefix(r.Event, "pull_request") {
		return r.Commit.SHA, nil
	}
	full, err := s.o.Store.Run(ctx, r.ID)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return "", nil
	} else if err != nil {
		return "", err
	}
	var p struct {
		Pull struct {
			Head struct {
				SHA string `json:"sha"`
			} `json:"head"`
		} `json:"pull_request"`
	}
	if json.Unmarshal(full.Payload, &p) == nil && commitID.MatchString(p.Pull.Head.SHA) {
		return p.Pull.Head.SHA, nil
	}
	return r.Commit.SHA, nil
}

// statusOf says a run in the words of a commit status.
func statusOf(r *cairn.Run, sha string) cairn.HostStatus {
	x := cairn.HostStatus{Repository: r.Repository, SHA: sha, Context: "cairn / " + clip(oneLine(r.Workflow), 200), Run: r.ID, State: "pending"}
	if r.Event != "push" {
		x.Context += " (" + r.Event + ")"
	}
	text := ""
	switch {
	case r.Status == cairn.StatusCompleted:
		x.State, text = outcome(r)
	case r.Status == cairn.StatusQueued:
		text = "Queued"
	case r.Status == cairn.StatusWaiting:
		text = "Waiting for approval"
	default:
		text = "In progress"
	}
	if r.Attempt > 1 {
		text += fmt.Sprintf(" (attempt %d)", r.Attempt)
	}
	x.Description = clip(text, maxDescription)
	return x
}

func outcome(r *cairn.Run) (state, text string) {
	took := ""
	if !r.StartedAt.IsZero() && !r.FinishedAt.IsZero() {
		took = " in " + r.FinishedAt.Sub(r.StartedAt).Round(time.Second).String()
		if r.FinishedAt.Sub(r.StartedAt) < time.Second {
			took = " in under a second"
		}
	}
	switch r.Conclusion {
	case cairn.Success:
		return "success", "Successful" + took
	case cairn.Skipped:
		return "success", "Skipped"
	case cairn.Failure:
		text = "Failed" + took
		if r.Reason != "" {
			text += ": " + oneLine(r.Reason)
		}
		return "failure", text
	case cairn.Cancelled:
		return "error", "Cancelled" + took
	}
	return "error", "Ended as " + string(r.Conclusion) + took
}

// writeOne writes one status. It answers whether the host goes on taking them.
func (s *Service) writeOne(ctx context.Context, f *cairn.Follow, x cairn.HostStatus) (bool, error) {
	ch := cairn.Change{By: "cairn"}
	if f == nil {
		return true, s.o.Store.HostStatusDone(ctx, x, ch)
	}
	remote, err := s.remote(ctx, f)
	if err == nil {
		err = s.host.write(ctx, f, remote.Token, x, fmt.Sprintf("%s/runs/%d", s.o.URL(), x.Run), s.now())
	}
	if err == nil {
		s.log.Debug("a commit status", "repository", f.Repository, "commit", x.SHA, "context", x.Context, "state", x.State)
		return true, s.o.Store.HostStatusDone(ctx, x, ch)
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	var r *refusal
	x.Reason, x.Tries = clip(err.Error(), 300), x.Tries+1
	s.log.Warn("a commit status was not written", "repository", f.Repository, "commit", x.SHA, "context", x.Context, "tries", x.Tries, "error", err)
	switch code := cairn.CodeOf(err); {
	case errors.As(err, &r) && !r.again.IsZero():
		x.After = r.again
		if err := s.o.Store.HostStatusRetry(ctx, x, ch); err != nil {
			return false, err
		}
		return false, s.o.Store.PutOffHostStatuses(ctx, f.Repository, r.again, ch)
	case code == cairn.CodeForbidden, code == cairn.CodeNotFound && (r == nil || !unknownCommit.MatchString(r.said)):
		return false, s.stopStatuses(ctx, f, err)
	case code == cairn.CodeInvalid && x.Tries >= statusTries, code == cairn.CodeNotFound:
		// Such as a commit that is gone there: it keeps no other from being written.
		return true, s.o.Store.HostStatusDone(ctx, x, ch)
	}
	x.After = s.now().Add(backOff(5*time.Second, x.Tries))
	if cairn.CodeOf(err) == cairn.CodeUnavailable {
		if err := s.o.Store.PutOffHostStatuses(ctx, f.Repository, x.After, ch); err != nil {
			return false, err
		}
	}
	return false, s.o.Store.HostStatusRetry(ctx, x, ch)
}

// unknownCommit is what hosts say when the repository is there and the commit not.
var unknownCommit = regexp.MustCompile(`(?i)commit|sha`)

// stopStatuses notes that a host refuses: only a person can change that.
func (s *Service) stopStatuses(ctx context.Context, f *cairn.Follow, why error) error {
	text := clip(why.Error(), 500)
	if hint := cairn.AsError(why).Hint; hint != "" {
		text += " (" + hint + ")"
	}
	if _, err := s.edit(ctx, f.Repository, "repository.statuses-stopped", func(f *cairn.Follow) { f.StatusTrouble = text }); err != nil {
		return err
	}
	return s.o.Store.DropHostStatuses(ctx, f.Repository, cairn.Change{By: "cairn"})
}

// edit changes a row that others may change at the same time. One that is gone
// stays so.
func (s *Service) edit(ctx context.Context, repo, what string, change func(*cairn.Follow)) (cairn.Follow, error) {
	for try := 0; ; try++ {
		f, err := s.o.Store.Follow(ctx, repo)
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			return f, nil
		} else if err != nil {
			return f, err
		}
		change(&f)
		f, err = s.o.Store.PutFollow(ctx, f, cairn.FollowSeals{}, s.recorded(ctx, what, f))
		if cairn.CodeOf(err) != cairn.CodeConflict || try > 20 {
			return f, err
		}
	}
}
