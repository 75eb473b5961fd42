package environment

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
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
		tmp := note + fmt.Sprintf(".%d", os.Getpid())
		if os.WriteFile(tmp, text, 0o644) == nil {
			_ = os.Rename(tmp, note) // the next job asks again where this fails
		}
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
