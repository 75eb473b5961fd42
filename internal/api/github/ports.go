package github

import (
	"context"
	"encoding/json"
	"io"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// Rows are the rows that routes read; *store.Store satisfies it.
type Rows interface {
	Run(ctx context.Context, id cairn.RunID) (cairn.Run, error)
	Runs(ctx context.Context, f cairn.RunFilter) ([]cairn.Run, error)
	Jobs(ctx context.Context, run cairn.RunID, attempt int, steps bool) ([]cairn.Job, error)
	Job(ctx context.Context, id cairn.JobID) (cairn.Job, error)
	Steps(ctx context.Context, job cairn.JobID) ([]cairn.StepRow, error)
	Repositories(ctx context.Context, workspace string) ([]cairn.Repository, error)
	CommitStatuses(ctx context.Context, repository, sha string) ([]cairn.CommitStatus, error)
	TagReleases(ctx context.Context, repository, tag string) ([]cairn.TagRelease, error)
	TagRelease(ctx context.Context, repository string, id int64) (cairn.TagRelease, error)
}

// Code reads hosted repositories; *git.Host satisfies it.
type Code interface {
	Commit(ctx context.Context, repo, rev string) (cairn.Commit, error)
	Between(ctx context.Context, repo, from, to string, limit int) ([]cairn.Commit, bool, error)
	History(ctx context.Context, repo, rev string, limit int) ([]cairn.Commit, error)
	FileChanges(ctx context.Context, repo, from, to string, limit int) ([]cairn.FileChange, int, error)
	ReadFile(ctx context.Context, repo, tree, path string) ([]byte, error)
	ListDir(ctx context.Context, repo, tree, folder string) ([]git.DirEntry, error)
	MergeBase(ctx context.Context, repo, a, b string) (string, error)
	Refs(ctx context.Context, repo string) (map[string]string, error)
}

// Logs reads the logs of steps.
type Logs interface {
	StepLog(ctx context.Context, job cairn.Job, step int, offset int64) (io.ReadCloser, error)
}

// Workflow is a workflow file of the default branch.
type Workflow struct {
	Name, Path string
	Valid      bool
}

// Owner is what only the owner of the home can do.
type Owner interface {
	HostedRepository(ctx context.Context, name string) (cairn.Repository, error)
	Site(r cairn.Repository) *trigger.Site
	// Dispatch raises a repository_dispatch event.
	Dispatch(ctx context.Context, repository, eventType string, payload json.RawMessage) error
	// DispatchWorkflow starts a workflow by its path.
	DispatchWorkflow(ctx context.Context, repository, path, ref string, inputs map[string]string) (*cairn.Run, error)
	DefaultWorkflows(ctx context.Context, repository string) ([]Workflow, error)

	Cancel(ctx context.Context, id cairn.RunID, force bool) error
	Rerun(ctx context.Context, id cairn.RunID, r client.RerunRequest) (*cairn.Run, error)
	MoveRef(ctx context.Context, repository, ref, sha string, create, force bool) (string, error)
	PutStatus(ctx context.Context, x cairn.CommitStatus) (cairn.CommitStatus, error)

	CreatePull(ctx context.Context, r client.PullCreate) (*client.PullAnswer, error)
	EditPull(ctx context.Context, repository string, number int64, r client.PullEdit) (*client.PullAnswer, error)
	MergePull(ctx context.Context, repository string, number int64, r client.PullMerge) (*client.PullAnswer, error)
	Pulls(ctx context.Context, f cairn.PullFilter) ([]cairn.PullRequest, error)
	Pull(ctx context.Context, repository string, number int64) (*client.PullView, error)
	CreateTagRelease(ctx context.Context, r client.TagReleaseCreate) (*client.TagReleaseAnswer, error)
	EditTagRelease(ctx context.Context, repository string, id int64, change func(*cairn.TagRelease)) (*client.TagReleaseAnswer, error)
	DeleteTagRelease(ctx context.Context, repository string, id int64) error
}
