package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
)

// layout names the files of a stage's folder, $CAIRN_HOME/stages/ID.
type layout string

func (l layout) file(name string) string { return filepath.Join(string(l), name) }

func (l layout) stage() string       { return l.file("stage.json") }
func (l layout) lock() string        { return l.file("lock") }
func (l layout) pid() string         { return l.file("pid") }
func (l layout) state() string       { return l.file("state.json") }
func (l layout) logs() string        { return l.file("logs") }
func (l layout) predictions() string { return l.file("predictions") }

func (l layout) log(d cairn.DeploymentID) string {
	return filepath.Join(l.logs(), strconv.FormatInt(int64(d), 10)+".log")
}

// markBase is how the marks of a stage's programs begin. It follows from the
// folder alone, so that programs are found even where state.json is lost.
func (l layout) markBase() string {
	sum := sha256.Sum256([]byte(l))
	return "stage-" + hex.EncodeToString(sum[:12]) + "."
}

// state is state.json: which programs there are.
type state struct {
	Schema int       `json:"schema"` // 1
	Live   *resident `json:"live,omitempty"`
	Warm   *resident `json:"warm,omitempty"`
	// Coming is what is being brought up. The next process does not go on with it; it
	// ends what of it signals do not reach.
	Coming *cairn.StageInstance `json:"coming,omitempty"`
	// WarmUntil is when the warm one is ended.
	WarmUntil time.Time `json:"warm_until,omitzero"`
	// Past are the deployments that were live, the newest last: none is live twice.
	Past []cairn.DeploymentID `json:"past,omitempty"`
}

// resident is an instance as state.json has it.
type resident struct {
	Instance cairn.StageInstance `json:"instance"`
	Process  *process            `json:"process,omitempty"`
	Health   string              `json:"health"`
	Restarts int                 `json:"restarts"`
	Since    time.Time           `json:"since"`
}

// process is a running program.
type process struct {
	proc.Identity
	Port   int      `json:"port"`
	Mark   string   `json:"mark"`
	Groups []string `json:"groups,omitempty"` // control groups made for it
}

const stateSchema = 1

// readState gives an empty state where there is none.
func (l layout) readState() (*state, error) {
	var s state
	err := readJSON(l.state(), &s)
	if errors.Is(err, fs.ErrNotExist) {
		return &state{Schema: stateSchema}, nil
	}
	if err == nil && s.Schema != stateSchema {
		err = cairn.Errorf(cairn.CodeUnsupported, "%s has schema %d; this program knows %d", l.state(), s.Schema, stateSchema).
			WithHint("a newer Cairn wrote it: use that one")
	}
	return &s, err
}

func readJSON(path string, to any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s is damaged: %w", path, err)
	}
	return nil
}

// writeJSON writes a file that is either whole or not there, and is on the disk.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := path + "." + rand.Text()
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return diskError(err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return diskError(err)
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return diskError(err)
	}
	return diskError(errors.Join(d.Sync(), d.Close()))
}

func diskError(err error) error {
	if err == nil {
		return nil
	}
	return cairn.Errorf(cairn.CodeUnavailable, "the folder of the stage cannot be written: %w", err).
		WithHint("look for room and rights on the disk of CAIRN_HOME")
}

// readStage reads and checks stage.json.
func (l layout) readStage() (*cairn.StageFile, error) {
	var s cairn.StageFile
	if err := readJSON(l.stage(), &s); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, cairn.Errorf(cairn.CodeNotFound, "%s is not the folder of a stage: it has no stage.json", string(l))
		}
		return nil, err
	}
	switch {
	case s.Schema != 1:
		return nil, cairn.Errorf(cairn.CodeUnsupported, "%s has schema %d; this program knows 1", l.stage(), s.Schema)
	case s.ID <= 0:
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s names no stage: id is %d", l.stage(), s.ID)
	case s.Listen == "" || s.Socket == "":
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s needs listen and socket", l.stage())
	case len(s.Socket) > maxSocket:
		return nil, cairn.Errorf(cairn.CodeInvalid, "the path of the control socket is %d bytes long, more than %d: %s", len(s.Socket), maxSocket, s.Socket).
			WithHint("choose a shorter CAIRN_HOME")
	}
	return &s, nil
}

// maxSocket is what the address of a Unix socket holds on every system, less the
// suffix that it is made under.
const maxSocket = 100
