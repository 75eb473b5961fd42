package build

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/remote"
)

// push sends the image to the registries that its names belong to. One that has
// no credentials is told of; one that refuses is an error, after all were tried.
func (j *job) push(ctx context.Context) error {
	var failed error
	for _, n := range j.names {
		if n.Registry() == "" {
			continue // Cairn's own: it is there
		}
		p := cairn.PushResult{Name: n.String(), Reason: "this build pushes nothing outside"}
		if j.o.Pusher != nil {
			var err error
			p, err = j.o.Pusher.Push(ctx, j.srv, j.res.Image, n, j.r.Env, j.r.JobToken, j.log)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			p.Name = n.String()
			if err != nil {
				e := cairn.AsError(err)
				p.Pushed, p.Reason = false, e.Message
				if failed == nil {
					failed = err
				}
			}
		}
		j.res.Pushed = append(j.res.Pushed, p)
		if p.Pushed {
			j.printf("pushed       %s: %s sent, %s were there", n.Familiar(), remote.SizeText(p.Bytes), remote.SizeText(p.Skipped))
		} else {
			j.warn("%s is kept here and not pushed: %s", n.Familiar(), p.Reason)
		}
	}
	return failed
}
