package host

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
)

// layout names the files of one job's folder.
type layout string

// jobLayout is the folder of one lease of a job: $CAIRN_HOME/jobs/<id>.<epoch>.
func jobLayout(home string, id cairn.JobID, epoch int64) layout {
	return layout(filepath.Join(home, "jobs", fmt.Sprintf("%d.%d", id, epoch)))
}

func (l layout) file(name string) string { return filepath.Join(string(l), name) }

func (l layout) spec() string    { return l.file("spec.json") }
func (l layout) pid() string     { return l.file("pid") }
func (l layout) lock() string    { return l.file("lock") }
func (l layout) events() string  { return l.file("events.jsonl") }
func (l layout) result() string  { return l.file("result") }
func (l layout) cancel() string  { return l.file("cancel") }
func (l layout) reserve() string { return l.file("reserve") }
func (l layout) hold() string    { return l.file("hold.json") }
func (l layout) control() string { return l.file("control") }
func (l layout) env() string     { return l.file("env.sh") }
func (l layout) output() string  { return l.file("supervisor.log") }

// containers is there as long as the job may have something at a container engine.
func (l layout) containers() string { return l.file("containers") }

func (l layout) log(step int) string {
	return filepath.Join(string(l), "logs", strconv.Itoa(step)+".log")
}

// scratch lists the folders that go when the job is over.
func (l layout) scratch() []string {
	return []string{l.file("work"), l.file("home"), l.file("tmp"), l.file("temp"), l.file("files"), l.file("bin")}
}

// identity is the pid file: who supervises the job, and the mark that all its
// processes carry in their environment.
type identity struct {
	proc.Identity
	Mark string `json:"mark"`
}

// readIdentity returns nil when no supervisor was ever started.
func (l layout) readIdentity() (*identity, error) {
	b, err := os.ReadFile(l.pid())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var id identity
	if err := json.Unmarshal(b, &id); err != nil || id.PID <= 0 || id.Mark == "" {
		return nil, cairn.Errorf(cairn.CodeInternal, "%s is damaged", l.pid())
	}
	return &id, nil
}

func (l layout) finished() bool {
	_, err := os.Stat(l.result())
	return err == nil
}

// cancelled reports whether somebody asked the supervisor to end the job.
func (l layout) cancelled() bool {
	_, err := os.Stat(l.cancel())
	return err == nil
}

// finishes is finished for a supervisor that may be writing its result just now.
func (l layout) finishes() bool {
	for range 50 {
		if l.finished() {
			return true
		}
		time.Sleep(2 * time.Millisecond)
	}
	return false
}

// writeFile writes a file that is either whole or not there.
func writeFile(path string, b []byte) error {
	tmp := path + "." + rand.Text() // two owners may be at it
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}

// handover is what the owner gives to a new supervisor through its stdin.
type handover struct {
	Secrets cairn.JobSecrets `json:"secrets"`
	// Home is $CAIRN_HOME, for the caches that jobs share.
	Home string `json:"home"`
	// UserHome is the home of the user, whose package tools' configuration is used.
	UserHome string `json:"user_home"`
	Keep     bool   `json:"keep"`
	// KeepFailed leaves the workspace of a job that fails; see kept.go.
	KeepFailed bool  `json:"keep_failed,omitempty"`
	Grace      Grace `json:"grace"`
}
