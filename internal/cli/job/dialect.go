package job

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
)

// Request is what another dialect of the command line asks to be run.
type Request struct {
	File string   // as it was typed
	Set  []string // PATH=VALUE
	Name string   // "": that of the file, else one is made
}

// Submit starts a job from its file, and shows warnings on standard error.
func Submit(ctx context.Context, k *kit.Kit, r Request) (*kit.Client, *client.JobCreated, error) {
	cl, made, _, err := submit(ctx, k, &options{file: r.File, set: r.Set, name: r.Name}, true)
	return cl, made, err
}

// Follow shows a job on standard error to its end. Its error says how it ended. An
// interrupt cancels one that is mine.
func Follow(ctx context.Context, k *kit.Kit, cl *kit.Client, name string, r cairn.Run, mine bool) error {
	return (&streamer{k: k, cl: cl, name: name, mine: mine}).follow(ctx, r)
}

// Download writes what a job left into a folder: its artifacts, one output, or all.
func Download(ctx context.Context, k *kit.Kit, name, output, dir string, all bool) ([]Downloaded, error) {
	cl, n, v, err := find(ctx, k, name)
	if err != nil {
		return nil, err
	}
	d := &downloading{k: k, cl: cl, dir: dir, artifacts: map[cairn.RunID][]cairn.Artifact{}}
	err = d.get(ctx, n, v, output, all)
	return d.done, err
}

// Find resolves the name of a job, or of a step below one (NAME/STEP), and reads it.
func Find(ctx context.Context, k *kit.Kit, name string) (*kit.Client, *client.JobName, *client.JobView, error) {
	return find(ctx, k, name)
}
