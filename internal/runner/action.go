package runner

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// Server is what steps reach of the owner, with the job's own token. The API
// client satisfies it by shape.
type Server interface {
	// UploadTree stores files of dir and returns the root of their tree. paths are
	// slash-separated and relative to dir; none means everything below it.
	// Missing blobs are sent, known ones are not.
	UploadTree(ctx context.Context, dir string, paths []string) (root cairn.Digest, size, files int64, err error)
	// DownloadTree writes a tree into dir, which is made when it does not exist.
	DownloadTree(ctx context.Context, root cairn.Digest, dir string) error
	// CreateArtifact records a tree under the artifact's Name for the job's run;
	// Run, Attempt and Job are taken from the token.
	CreateArtifact(ctx context.Context, a cairn.Artifact) (cairn.Artifact, error)
	// Artifacts lists what a run has so far, newest attempt first.
	Artifacts(ctx context.Context, run cairn.RunID) ([]cairn.Artifact, error)
	// UseArtifact links the job to an artifact it has taken.
	UseArtifact(ctx context.Context, ref cairn.Ref) error
	// RecordEnvironment keeps the packages a job resolved, with their hashes.
	RecordEnvironment(ctx context.Context, name string, lock []byte, props map[string]string) (cairn.Ref, error)
	// Ping reports whether the owner answers.
	Ping(ctx context.Context) error
}

// Action is a native action: what `uses:` names. One value serves many steps
// at once and keeps no state between them.
type Action interface {
	// Run does the step. An error fails it; its message and hint go to the log.
	Run(ctx context.Context, c *StepContext) error
}

// PostAction is an Action with something to do at the end of the job, in
// reverse order of the steps, whenever its main part was started.
type PostAction interface {
	Action
	Post(ctx context.Context, c *StepContext) error
}

// PostCondition is a PostAction whose Post runs only under a condition, as post-if
// of an action.yml says it; without one it is always().
type PostCondition interface {
	PostIf() string
}

// Registry finds native actions. It is called before the job's first step for
// every `uses`, so that a missing one fails the job before anything ran.
type Registry interface {
	// Action returns the action for a `uses` value as written
	// ("actions/checkout@v4"), or an error that says what there is.
	Action(uses string) (Action, error)
}

// JobHooks is what a Registry may do besides the steps of a job.
type JobHooks interface {
	// Prepare runs while the job is set up; what it leaves in the context holds for
	// all steps. It must cost next to nothing.
	Prepare(ctx context.Context, c *StepContext) error
	// Complete returns what is still to do after all steps, and its name; nil when
	// there is nothing. It gets the context of Prepare.
	Complete(c *StepContext) (PostAction, string)
}

// ImageStep is what the step that makes the image of a job "uses".
const ImageStep = "cairn/task/image"

// ImageHooks is what a Registry may do for jobs whose steps run in an image that is made
// for them.
type ImageHooks interface {
	// JobContainer describes the container that the steps of a job run in, without its
	// image; nil: what the job itself says counts. It costs nothing.
	JobContainer(spec *cairn.JobSpec) *ContainerSpec
	// JobImage makes the image of that container, where it is not there yet, and names
	// it. What it writes to the context's Log is a step of its own.
	JobImage(ctx context.Context, c *StepContext, engine ImageEngine) (image string, err error)
}

// Dirs are the folders of a job, as its steps see them.
type Dirs struct {
	Workspace string // GITHUB_WORKSPACE: the code; empty until something checks it out
	Home      string // HOME, private to the job
	Temp      string // RUNNER_TEMP, emptied with the job
	ToolCache string // RUNNER_TOOL_CACHE, shared by jobs
	Cache     string // Cairn's own cache (packages), shared by jobs
	Files     string // the runner's own: scripts and environment files of steps
}

// Process is one process to run to its end.
type Process struct {
	Args []string // Args[0] is looked up on PATH of Env
	Dir  string   // default: the workspace
	// Env is the whole environment; nil means that of the step.
	Env map[string]string
	// Stdout and Stderr default to the step's log. When both are the same writer
	// the order of lines is kept.
	Stdout, Stderr io.Writer
}

// EnvVar is one variable that a step sets for the steps after it.
type EnvVar struct{ Name, Value string }

// StepContext is all that a native action sees of its step. Tests of actions
// fill in what they need; the zero value of everything else is harmless.
type StepContext struct {
	Spec *cairn.JobSpec
	Uses string // as written
	ID   string // the step's id; generated when the file gives none
	// Inputs are the evaluated `with`, by lower-case name. Use Input.
	Inputs map[string]string
	// Env is the environment of processes of this step; SetEnv changes it too.
	Env  map[string]string
	Dirs Dirs
	// InContainer says that processes run in the job's container, where nothing of
	// this host is but Dirs.
	InContainer bool
	// Image is that of the job's container.
	Image  string
	Server Server
	// Log takes text for the step's log: masked, with a time before each line.
	// Workflow commands in it are text.
	Log io.Writer
	Now func() time.Time
	// Exec runs a process and returns its exit code; an error means that it could
	// not be started or that ctx ended it.
	Exec func(ctx context.Context, p Process) (int, error)
	// LookPath finds a program on the PATH of processes of this step; nil: not known.
	LookPath func(file string) (string, error)
	// Command is Exec of a program that speaks as a script does: what it prints may
	// be workflow commands, and it finds environment files (GITHUB_OUTPUT and so on).
	Command func(ctx context.Context, p Process) (int, error)
	// Masked hides a value in all logs from now on. Use Mask.
	Masked func(string)
	// Clean hides in a text what logs hide; nil: nothing is secret.
	Clean func(string) string
	// Status is what the job came to before this step.
	Status cairn.Conclusion
	// State is kept from Run to Post.
	State map[string]string

	// What the action leaves; read by the executor after Run and Post.
	Outputs     map[string]string
	EnvSet      []EnvVar
	PathsAdded  []string
	Annotations []cairn.Annotation
	Summary     bytes.Buffer
}

// Input returns an input by name in any case, without surrounding white space.
func (c *StepContext) Input(name string) string {
	return strings.TrimSpace(c.Inputs[strings.ToLower(name)])
}

// SetOutput sets steps.<id>.outputs.<name>.
func (c *StepContext) SetOutput(name, value string) {
	if c.Outputs == nil {
		c.Outputs = map[string]string{}
	}
	c.Outputs[name] = value
}

// SetEnv sets a variable for the steps after this one and for processes that
// this one starts from now on.
func (c *StepContext) SetEnv(name, value string) {
	if c.Env == nil {
		c.Env = map[string]string{}
	}
	c.Env[name] = value
	c.EnvSet = append(c.EnvSet, EnvVar{name, value})
}

// AddPath puts a folder first on PATH of the steps after this one and of
// processes that this one starts from now on.
func (c *StepContext) AddPath(dir string) {
	if c.Env == nil {
		c.Env = map[string]string{}
	}
	if old := c.Env["PATH"]; old != "" {
		c.Env["PATH"] = dir + ":" + old
	} else {
		c.Env["PATH"] = dir
	}
	c.PathsAdded = append(c.PathsAdded, dir)
}

// Mask hides a value in all logs from now on.
func (c *StepContext) Mask(value string) {
	if c.Masked != nil {
		c.Masked(value)
	}
}

// SaveState keeps a value for Post.
func (c *StepContext) SaveState(name, value string) {
	if c.State == nil {
		c.State = map[string]string{}
	}
	c.State[name] = value
}

// Logf writes one line to the step's log.
func (c *StepContext) Logf(format string, args ...any) {
	if c.Log != nil {
		fmt.Fprintf(c.Log, format+"\n", args...)
	}
}

// Warn writes a warning to the log and annotates the step with it.
func (c *StepContext) Warn(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	c.Logf("Warning: %s", msg)
	c.Annotations = append(c.Annotations, cairn.Annotation{Severity: AnnotationWarning, Message: msg})
}
