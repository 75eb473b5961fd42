package trigger

import (
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Object is a part of github.event, and of the answers of GitHub's interface.
type Object = map[string]any

// Site is where a repository is found.
type Site struct {
	Repository cairn.Repository
	// HTML is where people look at it, API its address below /api/v3, Server where
	// Cairn is.
	HTML, API, Server string
}

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// User is somebody as GitHub shows them. The number is made of the name, since
// people have none here.
func User(name string) Object {
	kind := "User"
	if strings.HasPrefix(name, cairn.KindJob+"/") {
		kind = "Bot"
	}
	return Object{"login": name, "id": number(name), "type": kind, "site_admin": false}
}

// number makes a stable number of a name: clients keep it where GitHub has ids.
func number(name string) int64 {
	n := uint64(14695981039346656037)
	for i := range len(name) {
		n = (n ^ uint64(name[i])) * 1099511628211
	}
	return int64(n >> 12) // exact as a number of JavaScript
}

// Repo is the repository as GitHub shows it. What bears a time has that of the
// commit, so that the same code gives the same texts.
func (s *Site) Repo(at time.Time) Object {
	r := &s.Repository
	owner, name, _ := strings.Cut(r.Name, "/")
	u := User(owner)
	u["name"] = owner
	return Object{
		"id": number(r.Name), "name": name, "full_name": r.Name, "owner": u, "private": true, "fork": false, "archived": false,
		"default_branch": r.DefaultBranch, "html_url": s.HTML, "clone_url": s.HTML + ".git", "url": s.API, "visibility": "private",
		"created_at": stamp(r.CreatedAt), "updated_at": stamp(at), "pushed_at": stamp(at),
	}
}

// Commit is a commit as a push shows it.
func (s *Site) Commit(c *cairn.Commit) Object {
	message := c.Message
	if message == "" {
		message = c.Subject
	}
	committer := c.Committer
	if committer == "" {
		committer = c.Author
	}
	return Object{
		"id": c.SHA, "tree_id": c.Tree, "message": message, "timestamp": c.Date.Format("2006-01-02T15:04:05-07:00"),
		"author": Object{"name": c.Author, "email": c.Email}, "committer": Object{"name": committer, "email": c.Email},
		"url": s.HTML + "/commit/" + c.SHA, "distinct": true,
	}
}

// Pushed is what is known of a ref that moved.
type Pushed struct {
	Ref, Before, After       string
	Created, Deleted, Forced bool
	By, Email                string
	Head                     *cairn.Commit  // nil where it is gone
	Commits                  []cairn.Commit // oldest first
}

// Push is the event of a ref that moved.
func (s *Site) Push(p Pushed) Object {
	commits := []any{}
	for i := range p.Commits {
		commits = append(commits, s.Commit(&p.Commits[i]))
	}
	var head any
	if p.Head != nil {
		head = s.Commit(p.Head)
	}
	return Object{
		"ref": p.Ref, "before": p.Before, "after": p.After, "base_ref": nil, "created": p.Created, "deleted": p.Deleted, "forced": p.Forced,
		"compare": fmt.Sprintf("%s/compare/%.12s...%.12s", s.HTML, p.Before, p.After), "commits": commits, "head_commit": head,
		"pusher": Object{"name": p.By, "email": p.Email},
	}
}

// RefMade is the event of a branch or tag that was made or deleted.
func (s *Site) RefMade(ref string) Object {
	kind, name := "branch", strings.TrimPrefix(ref, "refs/heads/")
	if tag, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		kind, name = "tag", tag
	}
	return Object{"ref": name, "ref_type": kind, "master_branch": s.Repository.DefaultBranch, "description": nil, "pusher_type": "user"}
}

// Release is a release as GitHub shows it.
func (s *Site) Release(r *cairn.TagRelease) Object {
	target := r.Target
	if target == "" {
		target = s.Repository.DefaultBranch
	}
	url := fmt.Sprintf("%s/releases/%d", s.API, r.ID)
	return Object{
		"id": r.ID, "node_id": fmt.Sprintf("release-%d", r.ID), "tag_name": r.Tag, "target_commitish": target, "name": orNull(r.Name), "body": orNull(r.Body),
		"draft": r.Draft, "prerelease": r.Prerelease, "author": User(r.By), "assets": []any{}, "url": url, "assets_url": url + "/assets",
		"html_url": s.HTML + "/releases/tag/" + r.Tag, "created_at": stamp(r.CreatedAt), "published_at": stamp(r.Published),
	}
}

// Pull is a pull request as GitHub shows it. head is the site of the repository
// that its branch lies in.
func (s *Site) Pull(p *cairn.PullRequest, head *Site) Object {
	side := func(at *Site, branch, sha string) Object {
		owner, _, _ := strings.Cut(at.Repository.Name, "/")
		return Object{"ref": branch, "sha": sha, "label": owner + ":" + branch, "user": User(owner), "repo": at.Repo(p.UpdatedAt)}
	}
	var merge, mergeable any
	state := "dirty"
	switch {
	case p.Merged:
		merge, state = p.MergeCommit, "unknown"
	case p.TestMerge != "":
		merge, mergeable, state = p.TestMerge, true, "clean"
	default:
		mergeable = false
	}
	if p.Draft {
		state = "draft"
	}
	out := Object{
		"id": number(fmt.Sprintf("%s#%d", p.Repository, p.Number)), "node_id": fmt.Sprintf("pull-%s-%d", p.Repository, p.Number), "number": p.Number,
		"state": p.State, "locked": false, "title": p.Title, "body": orNull(p.Body), "draft": p.Draft, "user": User(p.By),
		"labels": Labels(p.Labels), "assignees": []any{}, "requested_reviewers": []any{}, "milestone": nil,
		"head": side(head, p.Head, p.HeadSHA), "base": side(s, p.Base, p.BaseSHA), "merged": p.Merged, "mergeable": mergeable, "mergeable_state": state,
		"merge_commit_sha": merge, "merged_by": nil, "author_association": "MEMBER",
		"url": fmt.Sprintf("%s/pulls/%d", s.API, p.Number), "html_url": fmt.Sprintf("%s/pull/%d", s.HTML, p.Number),
		"created_at": stamp(p.CreatedAt), "updated_at": stamp(p.UpdatedAt), "closed_at": stamp(p.ClosedAt), "merged_at": nil,
	}
	if p.Merged {
		out["merged_at"], out["merged_by"] = stamp(p.ClosedAt), User(p.MergedBy)
	}
	return out
}

// Labels are labels as GitHub shows them.
func Labels(names []string) []any {
	out := []any{}
	for _, n := range names {
		out = append(out, Label(n))
	}
	return out
}

// Label is one of them.
func Label(name string) Object {
	return Object{"id": number(name), "name": name, "color": "ededed", "default": false, "description": nil}
}

// Run is a run as GitHub shows it.
func (s *Site) Run(r *cairn.Run) Object {
	branch := any(nil)
	switch {
	case r.HeadRef != "":
		branch = r.HeadRef
	case strings.HasPrefix(r.Ref, "refs/heads/"), strings.HasPrefix(r.Ref, "refs/tags/"):
		branch = RefName(r.Ref)
	}
	status, conclusion := RunStatus(r.Status, r.Conclusion)
	url := fmt.Sprintf("%s/actions/runs/%d", s.API, r.ID)
	started := r.StartedAt
	if started.IsZero() {
		started = r.CreatedAt
	}
	updated := r.FinishedAt
	if updated.IsZero() {
		updated = started
	}
	commit := s.Commit(&r.Commit)
	delete(commit, "distinct")
	return Object{
		"id": r.ID, "name": r.Workflow, "node_id": fmt.Sprintf("run-%d", r.ID), "head_branch": branch, "head_sha": HeadSHA(r), "path": r.Path,
		"display_title": r.Title, "run_number": r.Number, "run_attempt": r.Attempt, "event": r.Event, "status": status, "conclusion": conclusion,
		"workflow_id": WorkflowID(r.Repository, r.Path), "workflow_url": fmt.Sprintf("%s/actions/workflows/%d", s.API, WorkflowID(r.Repository, r.Path)),
		"check_suite_id": r.ID, "url": url, "jobs_url": url + "/jobs", "logs_url": url + "/logs", "cancel_url": url + "/cancel", "rerun_url": url + "/rerun",
		"artifacts_url": url + "/artifacts", "html_url": fmt.Sprintf("%s/runs/%d", s.Server, r.ID), "pull_requests": []any{}, "actor": User(r.Actor), "triggering_actor": User(r.Actor),
		"created_at": stamp(r.CreatedAt), "updated_at": stamp(updated), "run_started_at": stamp(started), "head_commit": commit,
		"repository": s.Repo(r.Commit.Date), "head_repository": s.Repo(r.Commit.Date), "referenced_workflows": []any{}, "previous_attempt_url": nil,
	}
}

// HeadSHA is the commit that a run is told to be of: for a pull request the newest
// one of its branch, not the test merge.
func HeadSHA(r *cairn.Run) string {
	if r.Event == "pull_request" && len(r.Commit.Parents) == 2 {
		return r.Commit.Parents[1]
	}
	return r.Commit.SHA
}

// WorkflowID is the number of a workflow: of its repository and path, so that it
// stays.
func WorkflowID(repository, path string) int64 { return number(repository + "\x00" + path) }

// RefName is a ref without what says of which kind it is.
func RefName(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/", "refs/"} {
		if rest, ok := strings.CutPrefix(ref, prefix); ok {
			return rest
		}
	}
	return ref
}

// RunStatus says in GitHub's words how far a run or job is.
func RunStatus(s cairn.Status, c cairn.Conclusion) (status string, conclusion any) {
	switch s {
	case cairn.StatusCompleted:
		if c == cairn.Lost {
			c = cairn.Failure
		}
		return "completed", string(c)
	case cairn.StatusRunning:
		return "in_progress", nil
	case cairn.StatusWaiting:
		return "waiting", nil
	case cairn.StatusBlocked:
		return "pending", nil
	}
	return "queued", nil
}

// WorkflowRun is the event about a run.
func (s *Site) WorkflowRun(action string, r *cairn.Run) Object {
	return Object{
		"action": action, "workflow_run": s.Run(r),
		"workflow": Object{
			"id": WorkflowID(r.Repository, r.Path), "name": r.Workflow, "path": r.Path, "state": "active",
			"url": fmt.Sprintf("%s/actions/workflows/%d", s.API, WorkflowID(r.Repository, r.Path)),
		},
	}
}

// Late is how late a scheduled run starts, in words; "" within a minute.
func Late(due, now time.Time) string {
	late := now.Sub(due)
	switch {
	case late < time.Minute:
		return ""
	case late < 2*time.Hour:
		return fmt.Sprintf("%d min late", int(late.Minutes()))
	case late < 48*time.Hour:
		return fmt.Sprintf("%d h late", int(late.Hours()))
	}
	return fmt.Sprintf("%d days late", int(late.Hours()/24))
}

// Due is the event of a schedule. Beside GitHub's own key it says when the run was
// due and how many times were missed meanwhile, which run only once.
func Due(x cairn.Schedule, due, now time.Time, missed int) Object {
	out := Object{"schedule": x.Cron, "due_at": stamp(due)}
	if x.Zone != "" {
		out["timezone"] = x.Zone
	}
	if late := Late(due, now); late != "" {
		out["late"], out["late_seconds"] = late, int64(now.Sub(due).Seconds())
	}
	if missed > 0 {
		out["missed"] = missed
	}
	return out
}
