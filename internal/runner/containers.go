package runner

import (
	"context"
	"io"
)

// ContainerRunner is what a Machine can do besides where containers are to be had:
// steps that name an image, and actions that are one.
type ContainerRunner interface {
	// RunContainer runs a container to its end and removes it. When ctx ends, it is
	// asked to stop as a process is. It joins the network of the job's services.
	RunContainer(ctx context.Context, p ContainerProcess) (code int, err error)
	// BuildImage builds an image from a folder and names it by what it is built from:
	// the next job with the same folder has it at once.
	BuildImage(ctx context.Context, b BuildContainer) (image string, err error)
}

// ImageEngine is where images for whole jobs are made.
type ImageEngine interface {
	ContainerRunner
	// FetchImage makes sure that the engine has an image, as it has it where it has it,
	// and returns its id.
	FetchImage(ctx context.Context, image string, log io.Writer) (id string, err error)
	// HasImage reports whether the engine has an image.
	HasImage(ctx context.Context, image string) (bool, error)
}

// BuiltPrefix begins the names of images that BuildImage made: what follows is the digest of
// what they were made from.
const BuiltPrefix = "cairn.local/"

// ContainerProcess is one container to run to its end.
type ContainerProcess struct {
	// Image is a reference as it stands behind docker://, or what BuildImage named.
	Image string
	// Kept is that of ContainerSpec.
	Kept bool
	// Entrypoint is run instead of that of the image; "" leaves it.
	Entrypoint string
	// Args take the place of the image's command; nil leaves it.
	Args []string
	// Env is the environment of the step, with paths of this host: those below the
	// job's folders become those of the container (/github/workspace, /github/home,
	// /github/file_commands, /github/workflow). PATH and HOME are not passed on.
	Env map[string]string
	// Stdout and Stderr take what it prints; Log how its image is fetched.
	Stdout, Stderr, Log io.Writer
}

// BuildContainer is an action or an environment that is built from a Dockerfile.
type BuildContainer struct {
	Dir        string // on this host
	Dockerfile string // relative to Dir; "" is Dockerfile
	// Environment says that all of Dir is the context, as of an environment; the
	// context of an action is the folder of its Dockerfile, as on GitHub.
	Environment bool
	Log         io.Writer
}

// Containers runs the containers of one job. It reaches an engine when it is first
// asked to, and not before.
type Containers interface {
	ImageEngine
	// Start starts the services of a job and the container that its steps run in.
	// What goes wrong later leaves nothing behind that Stop does not remove.
	Start(ctx context.Context, j JobContainers, log io.Writer) (*StartedContainers, error)
	// Stop shows what the services printed, and removes all that was made for the job.
	Stop(ctx context.Context, log io.Writer) error
}

// JobContainers is what a job says of its containers, evaluated.
type JobContainers struct {
	Container *ContainerSpec // nil: steps run on the host
	Services  []ContainerSpec
}

// ContainerSpec is one container of a job, evaluated.
type ContainerSpec struct {
	ID                 string // of the service
	Image              string
	Username, Password string // for the image's registry
	// Kept says that the image is used as the engine has it, where it has it: its
	// registry is not asked for a newer one.
	Kept                bool
	Env                 map[string]string
	Ports, Volumes      []string
	Options             string // as of `docker create`
	Entrypoint, Command string // of a service; "" leaves that of the image
}

// StartedContainers is what Start made.
type StartedContainers struct {
	// Machine runs the steps from now on; nil: the one that was there.
	Machine Machine
	// Network is that of the job's containers; Container is the id of the one that
	// steps run in.
	Network, Container string
	Services           []StartedService
}

// StartedService is job.services.<id>.
type StartedService struct {
	ID        string // as the workflow names it
	Container string
	Ports     map[string]string // port of the container to port of the host
}

// PathMachine is a Machine whose processes see its folders under other paths. What
// they are given is translated by Exec; this is for what they name themselves.
type PathMachine interface {
	Machine
	// HostPath is where a path of the processes lies on this host; false: it is their
	// own.
	HostPath(path string) (string, bool)
	// Rewrite changes addresses of this host in a text to those that processes reach.
	Rewrite(text string) string
}
