package run

import (
	"context"
	"fmt"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// writeActions lists the actions of other repositories that an attempt used, each
// commit once for each thing that the workflow calls it.
func writeActions(ctx context.Context, k *kit.Kit, cl *kit.Client, id cairn.RunID, attempt int, jobs []cairn.Job) error {
	used, err := cl.RunActions(ctx, id, attempt)
	if err != nil {
		return err
	}
	names := map[cairn.JobID]string{}
	for _, j := range jobs {
		names[j.ID] = j.Name
	}
	s := k.Term.OutStyle()
	for _, u := range used {
		if _, err := fmt.Fprintf(k.Term.Out, "action    %s  %s  %s\n", term.Clean(u.As), cairn.ActionRef(term.Clean(u.Repository), term.Clean(u.Commit)),
			s.Dim("("+term.Clean(names[u.Job])+")")); err != nil {
			return err
		}
	}
	return nil
}
