package environment

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// interpreterBase is an interpreter as it is. What it answered is remembered for as long as
// its file stays the same: starting it takes longer than all else here.
func (h *Host) interpreterBase(ctx context.Context, program string) (*base, error) {
	fi, err := os.Stat(program)
	if err != nil || fi.IsDir() {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no Python at %s", program).WithHint("cairn environment map shows what is mapped")
	}
	key := cairn.SumBytes([]byte(fmt.Sprintf("%s\x00%d\x00%d", program, fi.Size(), fi.ModTime().UnixNano())))
	note := filepath.Join(h.Dir, "python-"+strings.TrimPrefix(string(key), "sha256:")[:24]+".json")
	if text, err := os.ReadFile(note); err == nil {
		var b base
		if json.Unmarshal(text, &b) == nil && b.Python == program && b.there() {
			return &b, nil
		}
	}
	b, err := describe(ctx, program)
	if err != nil {
		return nil, err
	}
	if text, err := json.Marshal(b); err == nil && os.MkdirAll(h.Dir, 0o755) == nil {
		keepNote(note, text)
	}
	return b, nil
}

// describe asks an interpreter where its packages are.
func describe(ctx context.Context, program string) (*base, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	const ask = `import json,os,site,sys,sysconfig
paths=[p for p in {sysconfig.get_path("purelib"):1,sysconfig.get_path("platlib"):1,**{p:1 for p in (site.getsitepackages() if hasattr(site,"getsitepackages") else [])}} if os.path.isdir(p)]
base=getattr(sys,"_base_executable",sys.executable) or sys.executable
print(json.dumps({"python":sys.executable,"home":os.path.dirname(base),"real":os.path.realpath(base),"version":"%d.%d.%d"%sys.version_info[:3],"site":paths}))`
	out, err := exec.CommandContext(ctx, program, "-I", "-c", ask).Output()
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "%s does not answer as a Python: %w", program, err)
	}
	var b base
	if err := json.Unmarshal(out, &b); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "%s does not answer as a Python", program)
	}
	b.Python = program
	return &b, nil
}

// there reports whether the interpreter can still be started, by both of its names.
func (b *base) there() bool {
	for _, p := range []string{b.Python, b.Real} {
		if fi, err := os.Stat(p); err != nil || fi.IsDir() {
			return false
		}
	}
	return true
}

// record notes down which packages there are.
func (h *Host) record(ctx context.Context, b *base) {
	spec := python.Interpreter{Path: b.Python}
	if v, ok := python.ParseVersion(b.Ver); ok {
		spec.Version = v
	}
	uv, err := h.Tools.UVCommand(ctx)
	v := python.Venv{Dir: b.Dir, Python: b.Python}
	if err == nil {
		v.UV = python.UV{Path: uv.Args[0], Version: uv.Version}
	}
	l, err := h.Tools.Lock(ctx, v, spec)
	if err != nil {
		return // the environment is good without
	}
	b.Lock, b.Props = string(l.Text), map[string]any{}
	for k, val := range l.Props {
		b.Props[k] = val
	}
}

// askPackages lists what a Python has, in the words of pip freeze.
const askPackages = `import sys
print("# Python %d.%d.%d" % sys.version_info[:3])
try:
    from importlib.metadata import distributions
except ImportError:
    sys.exit()
print("\n".join(sorted({"%s==%s" % (d.metadata["Name"], d.version) for d in distributions() if d.metadata["Name"]}, key=str.lower)))`

// inImage notes down which packages a job in a container has.
func (h *Host) inImage(ctx context.Context, c *runner.StepContext, env cairn.TaskEnvironment) error {
	list, err := h.imagePackages(ctx, c)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(list), "\n")
	if !strings.HasPrefix(first, "# Python ") {
		c.Logf("the image has no program python; the command runs all the same")
		return nil
	}
	c.Logf("%s, in the image", strings.TrimPrefix(first, "# "))
	if c.Server == nil {
		return nil
	}
	name := env.Name
	if name == "" {
		name = "task"
	}
	props := map[string]string{"python": strings.TrimPrefix(first, "# Python ")}
	if env.Image != "" {
		props["image"] = env.Image
	}
	if ref, err := c.Server.RecordEnvironment(ctx, name+".packages", list, props); err != nil {
		c.Warn("the packages of the environment are not recorded: %v", err)
	} else {
		c.Logf("packages: %s", ref)
	}
	return nil
}

// imagePackages asks the container's Python what it has. What an image that was built here
// answers is remembered: its name is its content.
func (h *Host) imagePackages(ctx context.Context, c *runner.StepContext) ([]byte, error) {
	note := ""
	if strings.HasPrefix(c.Image, runner.BuiltPrefix) {
		note = filepath.Join(h.Dir, "packages-"+strings.TrimPrefix(string(cairn.SumBytes([]byte(c.Image))), "sha256:")[:24]+".txt")
		if text, err := os.ReadFile(note); err == nil {
			return text, nil
		}
	}
	var out bytes.Buffer
	code, err := c.Exec(ctx, runner.Process{Args: []string{"python", "-c", askPackages}, Stdout: &bounded{&out, maxPackages}, Stderr: io.Discard})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil || code != 0:
		return nil, nil // there is none
	}
	if note != "" {
		keepNote(note, out.Bytes())
	}
	return out.Bytes(), nil
}

// keepNote writes a note at once or not at all; whoever misses it asks again.
func keepNote(path string, text []byte) {
	tmp := path + fmt.Sprintf(".%d", os.Getpid())
	if os.WriteFile(tmp, text, 0o644) == nil {
		_ = os.Rename(tmp, path)
	}
}

// maxPackages bounds the list of an image's packages.
const maxPackages = 1 << 20
