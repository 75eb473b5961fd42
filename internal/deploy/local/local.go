package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/proc"
)

// Blobs reads what images are made of; *cas.Store satisfies it.
type Blobs interface {
	ReadBlob(ctx context.Context, d cairn.Digest, limit int64) ([]byte, error)
	Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error)
}

// Unpacker puts layers, the lowest first, into an empty folder.
type Unpacker interface {
	Unpack(ctx context.Context, layers []cairn.ImageLayer, dir string) error
}

// Serving says how images are executed.
type Serving string

// The ways. Auto takes the first that works here.
const (
	ServeAuto      Serving = "auto"
	ServeContainer Serving = "container" // by Docker or Podman
	ServeRoot      Serving = "root"      // in the image's own root file system
	ServeHost      Serving = "host"      // the application on the interpreter of this machine
)

// Servings are the ways in the order in which they are tried.
var Servings = []string{string(ServeAuto), string(ServeContainer), string(ServeRoot), string(ServeHost)}

// Options plug a Target together.
type Options struct {
	Home string // $CAIRN_HOME
	// Stage starts the process of a stage, Enter goes into a root file system; both
	// get their arguments added. Default: this program with _stage and _enter.
	Stage, Enter []string
	// Environ is the owner's environment: PATH, HOME and what Docker needs.
	Environ []string
	Serving Serving // "": auto
	Blobs   Blobs
	Unpack  Unpacker
	// Image reads the row of one platform's image in an index; it may be nil.
	Image func(ctx context.Context, d cairn.Digest) (*cairn.Image, error)
	// Python finds the interpreter of a version such as "3.11".
	Python func(ctx context.Context, version string) (path string, err error)
	// URL is where services reach Cairn, without a token; it may be nil.
	URL func() string
	Log *slog.Logger
}

// Target serves releases on this machine. It is safe for concurrent use.
type Target struct {
	o       Options
	silence time.Duration // after which the process of a stage that says nothing is given up
	mark    string        // in the environment of all that runs for a stage, before its number
	changed chan struct{}
	enterOK atomic.Bool // a root could be entered once: it is not tried again

	mu     sync.Mutex
	stages map[int64]*keeper
	roots  map[string]*sync.Mutex // unpacking of one image at a time
}

var _ deploy.Target = (*Target)(nil)

// New makes a Target.
func New(o Options) (*Target, error) {
	if o.Home == "" || o.Blobs == nil || o.Unpack == nil {
		return nil, cairn.Errorf(cairn.CodeInternal, "serving on this machine needs a home, blobs and an unpacker")
	}
	if len(o.Stage) == 0 || len(o.Enter) == 0 {
		exe, err := os.Executable()
		if err != nil {
			return nil, err
		}
		if len(o.Stage) == 0 {
			o.Stage = []string{exe, "_stage"}
		}
		if len(o.Enter) == 0 {
			o.Enter = []string{exe, "_enter"}
		}
	}
	if o.Serving == "" {
		o.Serving = ServeAuto
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	sum := sha256.Sum256([]byte(o.Home))
	return &Target{
		o: o, silence: silence, mark: hex.EncodeToString(sum[:6]), changed: make(chan struct{}, 1),
		stages: map[int64]*keeper{}, roots: map[string]*sync.Mutex{},
	}, nil
}

// keeper is what is known of a stage here; all of it can be found out again.
type keeper struct {
	mu      sync.Mutex // held while its process is started or stopped
	watched proc.Identity
	busy    atomic.Int32  // deployments that are being prepared
	wait    time.Duration // before the next start
	next    time.Time
}

func (t *Target) keeper(id int64) *keeper {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.stages[id]
	if k == nil {
		k = &keeper{}
		t.stages[id] = k
	}
	return k
}

func (t *Target) wake() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// folder names the files of a stage.
type folder string

func (t *Target) folder(id int64) folder {
	return folder(filepath.Join(t.o.Home, "stages", strconv.FormatInt(id, 10)))
}

func (f folder) file(name string) string { return filepath.Join(string(f), name) }

func (f folder) stage() string  { return f.file("stage.json") }
func (f folder) pid() string    { return f.file("pid") }
func (f folder) socket() string { return f.file("s") }
func (f folder) output() string { return f.file("stage.log") }

// made holds what Target made for deployments: under the key of an image and a way
// to serve, a record and what programs write to; under the number of a deployment
// its key. Deployments of one image share them, so that what is started for the
// second is the very same, and one that is kept warm can be taken again.
func (f folder) made() string { return f.file("made") }

func (f folder) ref(d cairn.DeploymentID) string {
	return filepath.Join(f.made(), strconv.FormatInt(int64(d), 10)+".ref")
}

func (f folder) record(key string) string  { return filepath.Join(f.made(), key+".json") }
func (f folder) scratch(key string) string { return filepath.Join(f.made(), key) }

// markVariable is in the environment of every process of a stage.
const markVariable = "CAIRN_SERVES"

func (t *Target) markOf(stage int64) string { return t.mark + "-" + strconv.FormatInt(stage, 10) }

// environ looks a variable of the owner up.
func (t *Target) environ(name string) string { return lookup(t.o.Environ, name) }
