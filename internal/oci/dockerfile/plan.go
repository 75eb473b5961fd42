package dockerfile

import (
	"context"
	"fmt"
	"strings"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/cairn-ml/cairn"
)

// Image is the configuration of an image, with docker's own fields.
type Image = dockerspec.DockerOCIImage

// Scratch is the name of the empty base.
const Scratch = "scratch"

// Options are what a build is given besides its Dockerfile.
type Options struct {
	Args   map[string]string // --build-arg
	Target string            // name or number of a stage; "": the last
	// Platform is what is built for, BuildPlatform what builds: "linux/amd64".
	Platform, BuildPlatform string
	// Base finds the image that FROM or COPY --from names, for a platform. It is
	// asked only for stages that the target needs.
	Base func(ctx context.Context, name, platform string) (*Base, error)
}

// Base is an image that a stage stands on or copies from.
type Base struct {
	Name   string
	Config Image
	// Handle is the finder's own; it comes back in the plan.
	Handle any
}

// Plan is what a Dockerfile means.
type Plan struct {
	// Stages are those that the target needs, each behind what it needs itself.
	Stages   []*Stage
	Target   *Stage
	Warnings []string
}

// Needs lists the lines that need an executor, of all stages, in order.
func (p *Plan) Needs() []Need {
	var out []Need
	for _, s := range p.Stages {
		out = append(out, s.Needs...)
	}
	return out
}

// Stage is one evaluated stage.
type Stage struct {
	Index int
	Name  string
	Line  int
	// From is the stage that it stands on, or Base the image; neither for scratch.
	From     *Stage
	Base     *Base
	BaseName string
	Platform string
	Ops      []Op
	// Image is the configuration at its end. RootFS and History are those of the
	// base; Meta are the instructions that made no files.
	Image Image
	Meta  []string
	Needs []Need

	// What evaluation keeps.
	env     *environ
	onBuild []string // its own ONBUILD lines, for stages that stand on it
	cmdSet  bool
	args    map[string]bool
}

// Need is a line that only an executor can carry out.
type Need struct {
	Line   int
	Text   string
	Reason string
}

// Op is something that changes the files of a stage.
type Op struct {
	Line int
	Text string // the instruction, for people
	Copy *Copy
	Dirs []Dir // folders to make, with those above
	Pip  *Pip
}

// Dir is a folder that WORKDIR or mkdir makes where it is not there.
type Dir struct {
	Path  string // absolute
	Owner string // user, as USER says it; "": root
}

// Copy is COPY or ADD.
type Copy struct {
	Add bool
	// Stage or Image is what it copies from; neither: the build context.
	Stage   *Stage
	Image   *Base
	Sources []string
	Inline  []Inline // heredocs
	Dest    string   // absolute; a slash at the end means a folder
	Chown   string
	Chmod   string
	Exclude []string
	Parents bool
	// Unpack says that tar archives of the context are unpacked.
	Unpack bool
}

// Inline is a file whose text stands in the Dockerfile.
type Inline struct{ Name, Data string }

// Pip is a RUN line that installs Python packages.
type Pip struct {
	// Files are requirement files and Constraints constraint files: absolute paths
	// in the image, or of a bind mount.
	Files, Constraints []string
	Packages           []string // "uvicorn==0.30"
	Args               []string // flags that choose where and what: --index-url …
	Env                map[string]string
	Mounts             []Mount
	// Python is the version that the command names, as pip3.11 does; "" for none.
	Python string
	// Path and VirtualEnv are PATH and VIRTUAL_ENV at the line: the first Python on
	// them is installed for.
	Path, VirtualEnv string
}

// Mount is a folder or file of the context that a RUN line sees.
type Mount struct {
	Source string // in the context
	Target string // absolute
}

// ParsePlatform checks a platform and gives it its usual spelling: "arm64" and
// "linux/arm64/v8" are "linux/arm64".
func ParsePlatform(s string) (string, error) {
	bad := func() error {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not a platform", clip(s)).
			WithHint("a platform is an operating system and an architecture: linux/amd64, linux/arm64")
	}
	if s == "" || len(s) > 100 {
		return "", bad()
	}
	parts := strings.Split(strings.ToLower(s), "/")
	for _, p := range parts {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
			return "", bad()
		}
	}
	if len(parts) == 1 {
		if parts[0] == "linux" || parts[0] == "windows" || parts[0] == "darwin" {
			return "", bad()
		}
		parts = []string{"linux", parts[0]}
	}
	if len(parts) > 3 {
		return "", bad()
	}
	switch parts[1] {
	case "x86_64", "x86-64":
		parts[1] = "amd64"
	case "aarch64":
		parts[1] = "arm64"
	case "armhf":
		parts = []string{parts[0], "arm", "v7"}
	case "i386", "i686", "x86":
		parts[1] = "386"
	}
	if len(parts) == 3 && (parts[1] == "arm64" && parts[2] == "v8" || parts[1] == "amd64" && parts[2] == "v1") {
		parts = parts[:2]
	}
	if parts[1] == "arm" && len(parts) == 2 {
		parts = append(parts, "v7")
	}
	return strings.Join(parts, "/"), nil
}

// splitPlatform gives operating system, architecture and variant.
func splitPlatform(p string) (os, arch, variant string) {
	parts := append(strings.Split(p, "/"), "", "", "")
	return parts[0], parts[1], parts[2]
}

// NeedsError says which lines need an executor.
func (f *File) NeedsError(needs []Need) *cairn.Error {
	noun := "a line"
	if len(needs) > 1 {
		noun = fmt.Sprintf("%d lines", len(needs))
	}
	e := cairn.Errorf(cairn.CodeUnsupported, "%s of %s must run in a container", noun, f.name)
	if len(needs) > 0 {
		e = e.At(f.at(needs[0].Line, ""))
	}
	for _, n := range needs {
		p := cairn.Problem{Position: f.at(n.Line, ""), Severity: cairn.SeverityError, Code: "dockerfile.executor",
			Message: fmt.Sprintf("line %d: %s: %s", n.Line, clip(n.Text), n.Reason)}
		if n.Line >= 1 && n.Line <= len(f.lines) {
			p.Snippet = strings.TrimRight(f.lines[n.Line-1], "\r")
		}
		e.Problems = append(e.Problems, p)
	}
	return e
}
