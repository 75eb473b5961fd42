package build

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Executors are those that are usual, in the order in which they are tried.
func Executors() []Executor {
	return []Executor{buildkit{}, buildah{}, engine{"docker"}, engine{"podman"}}
}

// probePatience is how long a daemon may take to say that it is there.
const probePatience = 10 * time.Second

// find looks a program up on the PATH of env.
func find(env []string, name string) string {
	dirs := os.Getenv("PATH")
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			dirs = v
		}
	}
	for _, d := range filepath.SplitList(dirs) {
		p := filepath.Join(d, name)
		if fi, err := os.Stat(p); filepath.IsAbs(p) && err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}

func value(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(env[i], "="); ok && k == name {
			return v
		}
	}
	return ""
}

// answers runs a program quietly and reports whether it went well.
func answers(ctx context.Context, env []string, name string, args ...string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.WaitDelay = env, time.Second
	out, err := cmd.Output()
	return string(out), err == nil
}

// run runs a program whose output goes to log.
func run(ctx context.Context, env []string, log io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(name), args[0], err)
	}
	return nil
}

// common are the flags that docker, podman and buildah share. Values of build
// arguments go through the environment, where a list of processes does not show
// them, unless the name means something to the program itself.
func common(r ExecRequest, env []string) (args, outEnv []string, err error) {
	outEnv = slices.Clone(env)
	for _, k := range slices.Sorted(maps.Keys(r.Args)) {
		if value(env, k) == r.Args[k] || !reserved(k) && !strings.Contains(k, "=") {
			outEnv = append(outEnv, k+"="+r.Args[k])
			args = append(args, "--build-arg", k)
		} else {
			args = append(args, "--build-arg", k+"="+r.Args[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
		args = append(args, "--label", k+"="+r.Labels[k])
	}
	secrets, err := secretFiles(r)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range secrets {
		args = append(args, "--secret", s)
	}
	if r.Target != "" {
		args = append(args, "--target", r.Target)
	}
	if r.Platform != "" {
		args = append(args, "--platform", r.Platform)
	}
	if r.NoCache {
		args = append(args, "--no-cache")
	}
	if r.Pull {
		args = append(args, "--pull")
	}
	return append(args, r.Extra...), outEnv, nil
}

// reserved are variables that programs read for themselves.
func reserved(k string) bool {
	switch k {
	case "PATH", "HOME", "USER", "TMPDIR", "XDG_RUNTIME_DIR":
		return true
	}
	for _, p := range []string{"DOCKER_", "BUILDKIT_", "BUILDAH_", "CONTAINER", "LD_", "STORAGE_", "GO"} {
		if strings.HasPrefix(k, p) {
			return true
		}
	}
	return false
}

// secretFiles writes secrets where only their owner reads them.
func secretFiles(r ExecRequest) ([]string, error) {
	var out []string
	for i, k := range slices.Sorted(maps.Keys(r.Secrets)) {
		if strings.ContainsAny(k, ",=\n") {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q cannot be the id of a secret", clip(k))
		}
		p := filepath.Join(r.Dir, fmt.Sprintf("secret-%d", i))
		if err := os.WriteFile(p, []byte(r.Secrets[k]), 0o600); err != nil {
			return nil, cairn.Errorf(cairn.CodeFailed, "a secret cannot be written: %w", err)
		}
		out = append(out, "id="+k+",src="+p)
	}
	return out, nil
}

// imageID reads what --iidfile left.
func imageID(name string) (string, error) {
	b, err := readFile(name, 200)
	id := string(bytes.TrimSpace(b))
	if err != nil || !cairn.Digest(id).Valid() && !cairn.Digest("sha256:"+id).Valid() {
		return "", cairn.Errorf(cairn.CodeFailed, "the build left no image: its id is %q", clip(id))
	}
	return id, nil
}

// engine is Docker or Podman by way of its command.
type engine struct{ name string }

// Name is what is recorded.
func (e engine) Name() string { return e.name }

// Ready asks the daemon.
func (e engine) Ready(ctx context.Context, env []string) bool {
	p := find(env, e.name)
	if p == "" {
		return false
	}
	out, ok := answers(ctx, env, p, "version", "--format", "{{.Server.Version}}")
	if !ok && e.name == "podman" { // it has no server of its own
		out, ok = answers(ctx, env, p, "info", "--format", "{{.Version.Version}}")
	}
	return ok && strings.TrimSpace(out) != ""
}

// Has looks among its images.
func (e engine) Has(ctx context.Context, env []string, name string) bool {
	_, ok := answers(ctx, env, find(env, e.name), "image", "inspect", "--format", "{{.Id}}", name)
	return ok
}

// Build builds, and saves the image.
func (e engine) Build(ctx context.Context, r ExecRequest) (string, error) {
	p := find(r.Env, e.name)
	for _, b := range r.Bases {
		archive, err := b.Archive(ctx)
		if err != nil {
			return "", err
		}
		if err := run(ctx, r.Env, r.Log, p, "load", "--input", archive); err != nil {
			return "", err
		}
		os.Remove(archive) // loaded: only its place is wanted back
	}
	flags, env, err := common(r, r.Env)
	if err != nil {
		return "", err
	}
	iid := filepath.Join(r.Dir, "iid")
	args := []string{"build", "--iidfile", iid, "--file", r.Dockerfile}
	if e.name == "docker" {
		more, mode := dockerMode(ctx, env, p)
		env, args = append(env, mode), append(args, more...)
	}
	args = append(append(args, flags...), r.Context)
	if err := run(ctx, env, r.Log, p, args...); err != nil {
		return "", err
	}
	id, err := imageID(iid)
	if err != nil {
		return "", err
	}
	out := filepath.Join(r.Dir, "image.tar")
	save := []string{"save", "--output", out, id}
	if e.name == "podman" {
		save = []string{"save", "--format", "docker-archive", "--output", out, id}
	}
	return out, run(ctx, r.Env, r.Log, p, save...)
}

// dockerMode finds out whether this client has BuildKit: old ones have it built in,
// new ones need a plug-in and fail without.
func dockerMode(ctx context.Context, env []string, docker string) (flags []string, mode string) {
	help, ok := answers(ctx, append(slices.Clone(env), "DOCKER_BUILDKIT=1"), docker, "build", "--help")
	if !ok || !strings.Contains(help, "--secret") {
		return nil, "DOCKER_BUILDKIT=0"
	}
	flags = []string{"--progress", "plain"}
	if strings.Contains(help, "--load") {
		flags = append(flags, "--load")
	}
	if strings.Contains(help, "--provenance") {
		flags = append(flags, "--provenance=false") // Cairn records where it comes from; attestations would be images of their own
	}
	return flags, "DOCKER_BUILDKIT=1"
}

// buildah builds without a daemon.
type buildah struct{}

// Name is what is recorded.
func (buildah) Name() string { return "buildah" }

// Ready looks whether it can work as this user.
func (buildah) Ready(ctx context.Context, env []string) bool {
	p := find(env, "buildah")
	if p == "" {
		return false
	}
	_, ok := answers(ctx, env, p, "info")
	return ok
}

// Has looks among its images.
func (buildah) Has(ctx context.Context, env []string, name string) bool {
	_, ok := answers(ctx, env, find(env, "buildah"), "inspect", "--type", "image", "--format", "{{.FromImageID}}", name)
	return ok
}

// Build builds, and writes the image as docker save does.
func (buildah) Build(ctx context.Context, r ExecRequest) (string, error) {
	p := find(r.Env, "buildah")
	for _, b := range r.Bases {
		archive, err := b.Archive(ctx)
		if err != nil {
			return "", err
		}
		if err := run(ctx, r.Env, r.Log, p, "pull", "docker-archive:"+archive); err != nil {
			return "", err
		}
		os.Remove(archive) // loaded: only its place is wanted back
	}
	flags, env, err := common(r, r.Env)
	if err != nil {
		return "", err
	}
	iid := filepath.Join(r.Dir, "iid")
	// OCI's configuration has no HEALTHCHECK, ONBUILD and SHELL; docker's has.
	args := []string{"build", "--iidfile", iid, "--file", r.Dockerfile, "--layers", "--format", "docker"}
	if find(r.Env, "runc") == "" && find(r.Env, "crun") == "" {
		args = append(args, "--isolation", "chroot")
	}
	args = append(append(args, flags...), r.Context)
	if err := run(ctx, env, r.Log, p, args...); err != nil {
		return "", err
	}
	id, err := imageID(iid)
	if err != nil {
		return "", err
	}
	out := filepath.Join(r.Dir, "image.tar")
	return out, run(ctx, r.Env, r.Log, p, "push", "--quiet", id, "docker-archive:"+out)
}

// buildkit is buildctl and the daemon that it talks to.
type buildkit struct{}

const buildkitSocket = "/run/buildkit/buildkitd.sock"

// Name is what is recorded.
func (buildkit) Name() string { return "buildkit" }

// Ready asks the daemon, where one is named or listens at its usual place.
func (buildkit) Ready(ctx context.Context, env []string) bool {
	p := find(env, "buildctl")
	if p == "" {
		return false
	}
	if value(env, "BUILDKIT_HOST") == "" {
		if _, err := os.Stat(buildkitSocket); err != nil {
			return false
		}
	}
	_, ok := answers(ctx, env, p, "debug", "workers")
	return ok
}

// Has is always false: it holds layers, and asks registries for names.
func (buildkit) Has(context.Context, []string, string) bool { return false }

// Build builds into an OCI archive. What buildctl has no word for is refused.
func (buildkit) Build(ctx context.Context, r ExecRequest) (string, error) {
	if len(r.Extra) > 0 {
		return "", cairn.Errorf(cairn.CodeUnsupported, "these options are not passed on to BuildKit: %s", strings.Join(r.Extra, " ")).
			WithHint("leave them away, or unset BUILDKIT_HOST so that docker builds")
	}
	p := find(r.Env, "buildctl")
	out := filepath.Join(r.Dir, "image.tar")
	args := []string{"build", "--frontend", "dockerfile.v0", "--progress", "plain", "--local", "context=" + r.Context,
		"--local", "dockerfile=" + filepath.Dir(r.Dockerfile), "--opt", "filename=" + filepath.Base(r.Dockerfile), "--output", "type=oci,dest=" + out}
	for i, b := range r.Bases {
		dir, d, err := b.Layout(ctx)
		if err != nil {
			return "", err
		}
		id := fmt.Sprintf("cairn%d", i)
		args = append(args, "--oci-layout", id+"="+dir, "--opt", "context:"+b.Name+"=oci-layout://"+id+"@"+string(d))
	}
	for _, k := range slices.Sorted(maps.Keys(r.Args)) {
		args = append(args, "--opt", "build-arg:"+k+"="+r.Args[k])
	}
	for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
		args = append(args, "--opt", "label:"+k+"="+r.Labels[k])
	}
	secrets, err := secretFiles(r)
	if err != nil {
		return "", err
	}
	for _, s := range secrets {
		args = append(args, "--secret", s)
	}
	for opt, v := range map[string]string{"target": r.Target, "platform": r.Platform} {
		if v != "" {
			args = append(args, "--opt", opt+"="+v)
		}
	}
	if r.NoCache {
		args = append(args, "--no-cache")
	}
	if r.Pull {
		args = append(args, "--opt", "image-resolve-mode=pull")
	}
	return out, run(ctx, r.Env, r.Log, p, args...)
}
