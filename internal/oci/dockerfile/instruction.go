package dockerfile

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// maxOps bounds what one Dockerfile may ask for.
const maxOps = 10_000

// instruction carries out one instruction of a stage.
func (e *evaluation) instruction(ctx context.Context, s *Stage, cmd instructions.Command) error {
	line := firstLine(cmd.Location())
	if len(s.Ops) > maxOps {
		return e.f.errorf(line, "", "the stage has more than %d instructions", maxOps)
	}
	if err := e.expand(s, cmd, line); err != nil {
		return err
	}
	c := &s.Image.Config
	meta := func(format string, args ...any) { s.Meta = append(s.Meta, clip(fmt.Sprintf(format, args...))) }
	switch x := cmd.(type) {
	case *instructions.EnvCommand:
		for _, kv := range x.Env {
			s.env.set(kv.Key, kv.Value)
			c.Env = setEnv(c.Env, kv.Key, kv.Value)
			meta("ENV %s=%s", kv.Key, kv.Value)
		}
	case *instructions.ArgCommand:
		return e.arg(s, x, line)
	case *instructions.LabelCommand:
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		for _, kv := range x.Labels {
			c.Labels[kv.Key] = kv.Value
			meta("LABEL %s=%s", kv.Key, kv.Value)
		}
	case *instructions.MaintainerCommand:
		s.Image.Author = x.Maintainer
		meta("MAINTAINER %s", x.Maintainer)
	case *instructions.WorkdirCommand:
		if x.Path == "" {
			return e.f.errorf(line, "", "WORKDIR is empty").WithHint("it names a folder: WORKDIR /app")
		}
		c.WorkingDir = absolute(c.WorkingDir, x.Path)
		if c.WorkingDir != "/" {
			s.Ops = append(s.Ops, Op{Line: line, Text: "WORKDIR " + c.WorkingDir, Dirs: []Dir{{Path: c.WorkingDir, Owner: c.User}}})
		}
		meta("WORKDIR %s", c.WorkingDir)
	case *instructions.UserCommand:
		c.User = x.User
		meta("USER %s", x.User)
	case *instructions.VolumeCommand:
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		for _, v := range x.Volumes {
			if v == "" {
				return e.f.errorf(line, "", "VOLUME has an empty path")
			}
			c.Volumes[v] = struct{}{}
		}
		meta("VOLUME %v", x.Volumes)
	case *instructions.ExposeCommand:
		ports, err := e.ports(s, x, line)
		if err != nil {
			return err
		}
		if c.ExposedPorts == nil {
			c.ExposedPorts = map[string]struct{}{}
		}
		for _, p := range ports {
			c.ExposedPorts[p] = struct{}{}
		}
		meta("EXPOSE %v", ports)
	case *instructions.StopSignalCommand:
		if err := checkSignal(x.Signal); err != nil {
			return e.at(err, line, x.Signal)
		}
		c.StopSignal = x.Signal
		meta("STOPSIGNAL %s", x.Signal)
	case *instructions.ShellCommand:
		c.Shell = x.Shell
		meta("SHELL %v", x.Shell)
	case *instructions.HealthCheckCommand:
		c.Healthcheck = x.Health
		meta("HEALTHCHECK %v", x.Health.Test)
	case *instructions.CmdCommand:
		c.Cmd = withShell(&s.Image, x.ShellDependantCmdLine)
		c.ArgsEscaped = true //nolint:staticcheck // docker writes it, and images are compared by their configuration
		s.cmdSet = true
		meta("CMD %q", c.Cmd)
	case *instructions.EntrypointCommand:
		c.Entrypoint = withShell(&s.Image, x.ShellDependantCmdLine)
		if !s.cmdSet {
			c.Cmd = nil
		}
		meta("ENTRYPOINT %q", c.Entrypoint)
	case *instructions.OnbuildCommand:
		c.OnBuild = append(c.OnBuild, x.Expression)
		s.onBuild = append(s.onBuild, x.Expression)
	case *instructions.RunCommand:
		return e.run(s, x, line)
	case *instructions.CopyCommand:
		return e.copyFiles(ctx, s, line, text(x), x.SourcesAndDest, Copy{
			Chown: x.Chown, Chmod: x.Chmod, Exclude: x.ExcludePatterns, Parents: x.Parents}, x.From)
	case *instructions.AddCommand:
		return e.add(ctx, s, x, line)
	default:
		return e.f.errorf(line, "", "%s is not built in", strings.ToUpper(cmd.Name()))
	}
	return nil
}

// expand replaces variables where the instruction takes them.
func (e *evaluation) expand(s *Stage, cmd instructions.Command, line int) error {
	if _, isArg := cmd.(*instructions.ArgCommand); isArg {
		return nil // its values may not be used at all
	}
	var word string
	if x, ok := cmd.(instructions.SupportsSingleWordExpansion); ok {
		err := x.Expand(func(w string) (string, error) {
			word = w
			return s.env.expand(e.f.escapeRune(), w)
		})
		if err != nil {
			return e.expandError(err, line, word)
		}
	}
	if x, ok := cmd.(instructions.SupportsSingleWordExpansionRaw); ok {
		if err := x.ExpandRaw(s.env.expandText); err != nil {
			return e.expandError(err, line, "")
		}
	}
	return nil
}

func (e *evaluation) expandError(err error, line int, word string) error {
	if cairn.CodeOf(err) == cairn.CodeInternal {
		err = cairn.Errorf(cairn.CodeInvalid, "%s", clip(err.Error()))
	}
	return e.at(err, line, word)
}

// arg is ARG inside a stage.
func (e *evaluation) arg(s *Stage, x *instructions.ArgCommand, line int) error {
	for _, a := range x.Args {
		key, err := s.env.expand(e.f.escapeRune(), a.Key)
		if err != nil {
			return e.at(err, line, a.Key)
		}
		value, ok := e.o.Args[key]
		switch {
		case ok:
			e.used[key] = true
		case a.Value != nil:
			if value, err = s.env.expand(e.f.escapeRune(), *a.Value); err != nil {
				return e.at(err, line, *a.Value)
			}
			ok = true
		default:
			value, ok = e.global.get(key)
		}
		if ok {
			s.env.set(key, value)
		}
		s.args[key] = true
	}
	return nil
}

// add is ADD: COPY, archives and what comes from elsewhere.
func (e *evaluation) add(ctx context.Context, s *Stage, x *instructions.AddCommand, line int) error {
	for _, src := range x.SourcePaths {
		if reason := remote(src); reason != "" {
			s.Needs = append(s.Needs, Need{Line: line, Text: text(x), Reason: reason})
			return nil
		}
	}
	if x.Checksum != "" {
		return e.f.errorf(line, "--checksum", "--checksum belongs to ADD of an address").WithHint("files of the build context need none")
	}
	unpack := true
	if x.Unpack != nil {
		unpack = *x.Unpack
	}
	return e.copyFiles(ctx, s, line, text(x), x.SourcesAndDest, Copy{Add: true, Unpack: unpack, Chown: x.Chown, Chmod: x.Chmod, Exclude: x.ExcludePatterns}, "")
}

// remote says why a source of ADD needs an executor.
func remote(src string) string {
	lower := strings.ToLower(src)
	switch {
	case strings.HasPrefix(lower, "git@"), strings.HasPrefix(lower, "git://"), strings.HasPrefix(lower, "ssh://"),
		strings.HasPrefix(lower, "http") && strings.Contains(lower, "://") && strings.HasSuffix(strings.SplitN(lower, "#", 2)[0], ".git"),
		strings.HasPrefix(lower, "github.com/"):
		return "it fetches a git repository"
	case strings.HasPrefix(lower, "http://"), strings.HasPrefix(lower, "https://"):
		return "it fetches an address"
	}
	return ""
}

// copyFiles is COPY, and ADD of what lies in the context.
func (e *evaluation) copyFiles(ctx context.Context, s *Stage, line int, src string, sd instructions.SourcesAndDest, c Copy, from string) error {
	for _, p := range sd.SourcePaths {
		if strings.Contains(p, "://") {
			return e.f.errorf(line, p, "COPY cannot fetch %s", clip(p)).WithHint("ADD fetches addresses, where an executor is there")
		}
	}
	c.Sources = sd.SourcePaths
	for _, h := range sd.SourceContents {
		c.Inline = append(c.Inline, Inline{Name: path.Base(h.Path), Data: h.Data})
	}
	c.Dest = absolute(s.Image.Config.WorkingDir, sd.DestPath)
	if d := sd.DestPath; d == "" || strings.HasSuffix(d, "/") || d == "." || strings.HasSuffix(d, "/.") {
		c.Dest = strings.TrimSuffix(c.Dest, "/") + "/"
	}
	if len(c.Sources)+len(c.Inline) > 1 && !strings.HasSuffix(c.Dest, "/") && !c.Parents {
		return e.f.errorf(line, sd.DestPath, "several files go to %s, which does not end in a slash", clip(sd.DestPath)).
			WithHint("a folder is written %s/", clip(sd.DestPath))
	}
	if c.Chmod != "" {
		if n, err := strconv.ParseUint(c.Chmod, 8, 32); err != nil || n > 0o7777 {
			if strings.Trim(c.Chmod, "0123456789") == "" {
				return e.f.errorf(line, c.Chmod, "--chmod=%s is not a mode", clip(c.Chmod)).WithHint("a mode is octal: 0755, 644")
			}
			s.Needs = append(s.Needs, Need{Line: line, Text: src, Reason: "its --chmod is symbolic; an octal one (0755) needs no executor"})
			return nil
		}
	}
	if from != "" {
		if err := e.copyFrom(ctx, s, &c, line, from); err != nil {
			return err
		}
	}
	s.Ops = append(s.Ops, Op{Line: line, Text: src, Copy: &c})
	return nil
}

// copyFrom finds the stage or image of --from.
func (e *evaluation) copyFrom(ctx context.Context, s *Stage, c *Copy, line int, from string) error {
	if strings.Contains(from, "$") {
		return e.f.errorf(line, from, "--from takes no variables").WithHint("FROM %s AS name makes a stage of it, with an ARG before the first FROM", clip(from))
	}
	index := -1
	if n, err := strconv.Atoi(from); err == nil {
		if n < 0 || n >= len(e.stages) {
			return e.f.errorf(line, from, "there is no stage %d", n).WithHint("stages are numbered from 0 to %d", len(e.stages)-1)
		}
		index = n
	}
	for i := range e.stages {
		if index < 0 || i < s.Index {
			if n := e.stages[i].Name; n != "" && strings.EqualFold(n, from) {
				index = i
			}
		}
	}
	if index >= s.Index {
		return e.f.errorf(line, from, "the stage %s comes after this one", clip(from)).WithHint("a stage copies from stages above it")
	}
	var err error
	if index >= 0 {
		c.Stage, err = e.stage(ctx, index)
		return err
	}
	if c.Image, err = e.base(ctx, from, s.Platform); err != nil {
		return e.baseError(err, line, from, s.Index)
	}
	return nil
}

// withShell gives a command line its shell where it is written as text.
func withShell(i *Image, c instructions.ShellDependantCmdLine) []string {
	if !c.PrependShell {
		return c.CmdLine
	}
	sh := []string{"/bin/sh", "-c"}
	if len(i.Config.Shell) > 0 {
		sh = append([]string(nil), i.Config.Shell...)
	}
	return append(sh, strings.Join(c.CmdLine, " "))
}

func setEnv(env []string, k, v string) []string {
	for i, kv := range env {
		if name, _, _ := strings.Cut(kv, "="); name == k {
			env[i] = k + "=" + v
			return env
		}
	}
	return append(env, k+"="+v)
}

// absolute makes p a clean absolute path below dir.
func absolute(dir, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join("/", dir, p)
}

// text is the instruction as written, on one line.
func text(c fmt.Stringer) string {
	t := strings.Join(strings.Fields(c.String()), " ")
	return clip(t)
}

// heredocBody is the script of RUN <<EOF.
func heredocBody(x *instructions.RunCommand) (string, bool) {
	if len(x.Files) == 0 {
		return "", false
	}
	if len(x.Files) > 1 || len(x.CmdLine) != 1 || parser.MustParseHeredoc(x.CmdLine[0]) == nil {
		return "", true
	}
	data := x.Files[0].Data
	if x.Files[0].Chomp {
		data = parser.ChompHeredocContent(data)
	}
	return data, true
}
