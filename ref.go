package cairn

import (
	"fmt"
	"strconv"
	"strings"
)

// Ref names one thing in the lineage graph as "kind/id". It is canonical: two
// refs are the same thing if and only if they are the same string.
//
//	commit/<40 hex>          tree/sha256:…           run/42
//	job/108                  data/digits:3           model/digits:1
//	artifact/42.1/name       environment/name:4      component/name:1
//	mlrun/<32 hex>           user/<name>             file/sha256:…
type Ref string

// The kinds of refs.
const (
	KindCommit      = "commit"
	KindTree        = "tree" // a code tree: the dirty tree of a run
	KindRun         = "run"
	KindJob         = "job"
	KindData        = "data"
	KindModel       = "model"
	KindArtifact    = "artifact"
	KindEnvironment = "environment"
	KindComponent   = "component"
	KindCode        = "code"
	KindMLRun       = "mlrun" // a run of the tracking API
	KindUser        = "user"
	KindFile        = "file" // bytes by digest, inside any version
	KindImage       = "image"
	KindRelease     = "release"
	KindDeployment  = "deployment"
	KindPrediction  = "prediction"
	KindAction      = "action"   // owner/name@<40 hex>
	KindStage       = "stage"    // an environment of a repository: stage/owner/name:staging
	KindPull        = "pull"     // a pull request: pull/owner/name#7
	KindSchedule    = "schedule" // a schedule of jobs
	KindEndpoint    = "endpoint" // an address over deployments of models
	KindCompute     = "compute"  // a compute that jobs may ask for
)

// NewRef joins kind and id.
func NewRef(kind, id string) Ref { return Ref(kind + "/" + id) }

// RunRef, JobRef, CommitRef and AssetRef build the refs used most.
func RunRef(id RunID) Ref { return NewRef(KindRun, strconv.FormatInt(int64(id), 10)) }

// JobRef is the ref of one job of one attempt.
func JobRef(id JobID) Ref { return NewRef(KindJob, strconv.FormatInt(int64(id), 10)) }

// CommitRef is the ref of a commit; sha is 40 lower-case hex digits.
func CommitRef(sha string) Ref { return NewRef(KindCommit, sha) }

// AssetRef is the ref of an asset version.
func AssetRef(kind AssetKind, name, version string) Ref {
	return NewRef(string(kind), name+":"+version)
}

// StageRef is the ref of an environment of a repository.
func StageRef(repository, name string) Ref { return NewRef(KindStage, repository+":"+name) }

// PullRef is the ref of a pull request.
func PullRef(repository string, number int64) Ref {
	return NewRef(KindPull, fmt.Sprintf("%s#%d", repository, number))
}

// ArtifactRef is the ref of a run's artifact: names are unique within an attempt.
func ArtifactRef(run RunID, attempt int, name string) Ref {
	return NewRef(KindArtifact, fmt.Sprintf("%d.%d/%s", run, attempt, name))
}

// Kind returns what stands before the first slash.
func (r Ref) Kind() string {
	k, _, _ := strings.Cut(string(r), "/")
	return k
}

// ID returns what stands behind the first slash.
func (r Ref) ID() string {
	_, id, _ := strings.Cut(string(r), "/")
	return id
}

// NameVersion splits the id of an asset ref at its last colon.
func (r Ref) NameVersion() (name, version string) {
	id := r.ID()
	if i := strings.LastIndexByte(id, ':'); i >= 0 {
		return id[:i], id[i+1:]
	}
	return id, ""
}
