package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/cairn-ml/cairn"
)

// Target is where services run. Its methods may take a while and may be called
// concurrently for different stages.
type Target interface {
	// Deploy puts a release on a stage beside what is live there, waits until it is
	// healthy and answers the smoke request, and switches. It returns when the
	// deployment is live, or with the reason why it is not: then what was live stays.
	// It is idempotent by the number of the deployment: one that is under way is
	// followed, one that is live is reported so. Where ctx ends before, what was
	// begun may go on: the next call takes it up. progress gets the events in order.
	Deploy(ctx context.Context, r TargetRequest, progress func(cairn.StageEvent)) error
	// Stop ends what runs on a stage; one on which nothing runs is no error.
	Stop(ctx context.Context, s cairn.Stage) error
	// Status asks the process of a stage; nil where none runs.
	Status(ctx context.Context, s cairn.Stage) (*cairn.StageStatus, error)
	// Logs writes lines of the service's output.
	Logs(ctx context.Context, s cairn.Stage, r LogRequest, w io.Writer) error
	// Keep adopts, watches and restarts the processes of the stages until ctx ends;
	// stages are those on which something is live.
	Keep(ctx context.Context, stages func(context.Context) ([]cairn.Stage, error))
}

// TargetRequest is all that a target needs to know of a deployment.
type TargetRequest struct {
	Stage      cairn.Stage
	Deployment cairn.Deployment
	Release    cairn.Release
	Config     cairn.StageConfig
	Image      cairn.Image
	Facts      ServiceFacts
}

// ServiceFacts are what a service is told of itself in its environment, unless
// the stage sets the variables.
type ServiceFacts struct {
	APIVersion   string // API_VERSION: the version tag of the release, else r3
	ModelName    string // MODEL_NAME: "digits"; "" without a model
	ModelVersion string // MODEL_VERSION: "1"
	Commit       string // GIT_SHA: 40 hex digits
}

// LogRequest says which lines of a service's output are meant.
type LogRequest struct {
	Deployment cairn.DeploymentID // 0: what is live
	Lines      int                // the last so many; 0: all that is kept
	Follow     bool               // until ctx ends
}

// Program names what runs: two requests with the same one want the same program
// in the same surroundings. A target that names its files by it can go back to an
// instance that is still warm, though the number of the deployment is another.
func (r *TargetRequest) Program() string {
	sum := sha256.Sum256([]byte(r.Release.ID + "\n" + string(r.Image.Digest) + "\n" + string(r.Deployment.Config)))
	return hex.EncodeToString(sum[:])[:16]
}
