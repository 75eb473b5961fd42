package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// The labels of what is made at an engine.
const (
	labelPrefix = "cairn."
	labelHome   = labelPrefix + "home"
	labelJob    = labelPrefix + "job"
)

// Owner says to which job of which home things belong.
type Owner struct {
	Home string // the folder
	Job  string // "" is any
}

func (o Owner) labels() map[string]string {
	return map[string]string{labelHome: o.home(), labelJob: o.Job}
}

// home names the home without saying where it is.
func (o Owner) home() string {
	path := o.Home
	if p, err := filepath.EvalSymlinks(path); err == nil {
		path = p
	}
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:8])
}

func (o Owner) filter() client.Filters {
	f := make(client.Filters).Add("label", labelHome+"="+o.home())
	if o.Job != "" {
		f.Add("label", labelJob+"="+o.Job)
	}
	return f
}

// Sweep removes what a job has left at the engine.
func Sweep(ctx context.Context, getenv func(string) string, o Owner) error {
	e, err := Connect(ctx, getenv)
	if err != nil {
		return err
	}
	defer e.Close()
	return remove(ctx, e, o)
}

const (
	removeTries = 50
	removeWait  = 100 * time.Millisecond
)

// remove removes everything that carries the labels: containers with their unnamed
// volumes first, then what they used. An engine may be busy with one of them, or
// somebody else may be removing it: it is looked at again until nothing is left.
func remove(ctx context.Context, e *Engine, o Owner) error {
	for try := 1; ; try++ {
		left, err := removeOnce(ctx, e, o)
		if left == 0 && err == nil || try == removeTries || ctx.Err() != nil {
			return err
		}
		if left == 0 && try > 3 {
			return err // not for want of patience
		}
		sleep(ctx, removeWait)
	}
}

// removeOnce returns how much there was that is not known to be gone.
func removeOnce(ctx context.Context, e *Engine, o Owner) (left int, err error) {
	var errs []error
	note := func(err error) {
		switch {
		case err == nil, cerrdefs.IsNotFound(err):
		case cerrdefs.IsConflict(err):
			left++
		default:
			errs = append(errs, err)
		}
	}
	cs, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: o.filter()})
	note(err)
	done := make(chan error, len(cs.Items))
	for _, c := range cs.Items {
		go func() {
			_, err := e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			done <- err
		}()
	}
	for range cs.Items {
		note(<-done)
	}
	ns, err := e.NetworkList(ctx, client.NetworkListOptions{Filters: o.filter()})
	note(err)
	for _, n := range ns.Items {
		_, err := e.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		note(err)
	}
	vs, err := e.VolumeList(ctx, client.VolumeListOptions{Filters: o.filter()})
	note(err)
	for _, v := range vs.Items {
		_, err := e.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{})
		// Another job may use it by now; it is removed with that one.
		if !cerrdefs.IsConflict(err) {
			note(err)
		}
	}
	return left, errors.Join(errs...)
}
