package runner

import (
	"context"
	"maps"
)

// commanded is StepContext.Command: a process that talks to the step in the way
// of a script. Its lines may be workflow commands, and it gets environment files,
// which are read when it ended.
func (st *step) commanded(c *StepContext) func(ctx context.Context, p Process) (int, error) {
	return func(ctx context.Context, p Process) (int, error) {
		dir, err := st.makeFiles()
		if err != nil {
			return 0, err
		}
		if err := st.makeEnvFiles(dir); err != nil {
			return 0, err
		}
		env := maps.Clone(p.Env)
		if env == nil {
			env = maps.Clone(c.Env)
		}
		maps.Copy(env, st.files)
		p.Env = env
		if p.Dir == "" {
			p.Dir = c.Dirs.Workspace
		}
		out := st.newOutput()
		p.Stdout, p.Stderr = out, out
		code, err := st.x.Machine.Exec(ctx, p)
		out.flush()
		st.takeFiles()
		return code, err
	}
}
