package source

import (
	"context"
	"os"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// includes are the additional_includes of code, by the path of the code.
type includes map[string][]pipeline.Reference

// gather finds the additional_includes of all commands of a document. One folder of
// code has one list of them: the snapshot is known by the folder's path.
func gather(doc *pipeline.Document) (includes, error) {
	in := includes{}
	seen := map[string]string{}
	var wrong error
	command := func(c *pipeline.Command) {
		if c == nil || wrong != nil {
			return
		}
		if c.Code == nil || c.Code.Kind != pipeline.RefLocal {
			if len(c.Includes) > 0 {
				wrong = cairn.Errorf(cairn.CodeUnsupported, "additional_includes without a local code: there is nothing that they are laid over").
					WithHint("give the component a code folder; an empty one will do with a file in it").At(c.Includes[0].Pos)
			}
			return
		}
		var names []string
		for _, r := range c.Includes {
			names = append(names, r.Path)
		}
		key := strings.Join(names, "\n")
		if old, twice := seen[c.Code.Path]; twice && old != key {
			wrong = cairn.Errorf(cairn.CodeUnsupported, "the code %s is used with different additional_includes", c.Code.Text).
				WithHint("give each component a code folder of its own").At(c.Code.Pos)
			return
		}
		seen[c.Code.Path] = key
		if len(c.Includes) > 0 {
			in[c.Code.Path] = c.Includes
		}
	}
	var component func(c *pipeline.Component)
	var job func(j *pipeline.Job)
	done := map[*pipeline.Component]bool{}
	component = func(c *pipeline.Component) {
		if c != nil && !done[c] {
			done[c] = true
			job(&c.Job)
		}
	}
	job = func(j *pipeline.Job) {
		command(j.Command)
		if j.Component != nil {
			component(j.Component.Component)
		}
		if j.Pipeline != nil {
			for i := range j.Pipeline.Jobs {
				job(&j.Pipeline.Jobs[i])
			}
		}
	}
	if doc.Job != nil {
		job(doc.Job)
	}
	component(doc.Component)
	if doc.Schedule != nil && doc.Schedule.Job != nil && doc.Schedule.Job.Job != nil {
		job(doc.Schedule.Job.Job)
	}
	return in, wrong
}

// lay puts what additional_includes name over a snapshot: each path under its base name.
func (f *Folder) lay(ctx context.Context, s *snapshot, refs []pipeline.Reference) error {
	for i := range refs {
		r := &refs[i]
		if r.Kind != pipeline.RefLocal {
			return cairn.Errorf(cairn.CodeUnsupported, "additional_includes: %s is not on this machine", r.Text).At(r.Pos)
		}
		more, err := f.take(ctx, r.Path)
		if err != nil {
			return at(r, err)
		}
		fi, err := os.Stat(f.Path(r.Path))
		if err != nil {
			return at(r, cairn.Errorf(cairn.CodeNotFound, "there is no %s", f.Shown(r.Path)))
		}
		if err := s.add(path.Base(path.Clean(r.Path)), more, fi.IsDir()); err != nil {
			return at(r, err)
		}
	}
	return nil
}
