package host

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// A failed job's workspace stays for a while, so that another job can go on in it
// (see runner/resume.go). $CAIRN_HOME/kept holds a mark for each, named like the
// folder of the job that it was made for. Whoever takes a workspace, a job or the
// sweep, renames its mark first: one of them wins. A job that goes on in a workspace
// works where it is, since paths of it are in virtual environments and variables.

// Keeping bounds the workspaces of failed jobs that stay.
type Keeping struct {
	Count int           // 0: none stays
	Age   time.Duration // of the oldest
	Bytes int64         // of all together
}

// DefaultKeeping is what stays unless the configuration says otherwise.
func DefaultKeeping() Keeping { return Keeping{Count: 10, Age: 24 * time.Hour, Bytes: 10 << 30} }

// keptMark is what a mark holds.
type keptMark struct {
	// Owner is the folder of the job that left it last.
	Owner string    `json:"owner"`
	At    time.Time `json:"at"`
	Bytes int64     `json:"bytes,omitempty"` // 0: not counted yet
}

func (l layout) name() string            { return filepath.Base(string(l)) }
func (l layout) home() string            { return filepath.Dir(filepath.Dir(string(l))) }
func (l layout) sibling(n string) layout { return layout(filepath.Join(filepath.Dir(string(l)), n)) }
func (l layout) state() string           { return l.file("state") }

// base is the job's folder whose workspace is used: its own, or that of the first of
// the jobs that went on in each other's.
func (l layout) base() layout {
	b, err := os.ReadFile(l.file("base"))
	if name := strings.TrimSpace(string(b)); err == nil && isLayoutName(name) {
		return l.sibling(name)
	}
	return l
}

// isLayoutName reports whether a name is that of a job's folder: <id>.<epoch>.
func isLayoutName(name string) bool {
	job, epoch, ok := strings.Cut(name, ".")
	return ok && job != "" && epoch != "" && strings.Trim(job+epoch, "0123456789") == ""
}

// mark is where the mark of a workspace is while nobody uses it; taken while the job
// of l does.
func (l layout) mark() string { return filepath.Join(l.home(), "kept", l.base().name()) }
func (l layout) taken() string {
	return l.mark() + ".by." + l.name()
}

// othersTook reports whether some job uses the workspace of l.
func (l layout) othersTook() bool {
	entries, _ := os.ReadDir(filepath.Dir(l.mark())) // none was ever kept: nobody does
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), l.base().name()+".by.") })
}

func readMark(path string) (m keptMark, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil || !isLayoutName(m.Owner) {
		return m, cairn.Errorf(cairn.CodeInternal, "%s is damaged", path)
	}
	return m, nil
}

// keep leaves the workspace of l, with what the job's steps left to each other.
func (l layout) keep(state, key []byte, now time.Time) error {
	sealed, err := seal(state, key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(l.mark()), 0o700); err != nil {
		return err
	}
	if err := writeFile(l.state(), sealed); err != nil {
		return err
	}
	mark, err := json.Marshal(keptMark{Owner: l.name(), At: now.UTC()})
	if err != nil {
		return err
	}
	return writeFile(l.mark(), mark)
}

// isKept reports whether the job of l left its workspace.
func (l layout) isKept() bool {
	m, err := readMark(l.mark())
	return err == nil && m.Owner == l.name()
}

// takeKept gives the workspace that an earlier job left to the job of l. It is
// idempotent for l.
func (l layout) takeKept(r *cairn.Resume) error {
	from := jobLayout(l.home(), r.Job, r.Epoch)
	base := from.base()
	if err := writeFile(l.file("base"), []byte(base.name()+"\n")); err != nil {
		return diskError(err)
	}
	if _, err := os.Stat(l.taken()); err == nil {
		return nil
	}
	if err := from.whyNotKept(); err != nil {
		return err
	}
	err := os.Rename(l.mark(), l.taken())
	if errors.Is(err, fs.ErrNotExist) {
		return workspaceGone(r.Job)
	}
	return err
}

// whyNotKept says why nobody can go on in the workspace of l.
func (l layout) whyNotKept() error {
	job, _, _ := strings.Cut(l.name(), ".")
	m, err := readMark(l.mark())
	switch {
	case err == nil && m.Owner == l.name():
		return nil
	case err == nil:
		return gone("job %s went on in the workspace of job %s since", first(m.Owner), job)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if l.othersTook() {
		return gone("another job goes on in the workspace of job %s", job)
	}
	var spec cairn.JobSpec
	if b, err := os.ReadFile(l.spec()); err == nil && json.Unmarshal(b, &spec) == nil {
		switch {
		case !spec.Container.IsZero() || !spec.Services.IsZero():
			return gone("job %s used containers, which ended with it", job)
		case slices.ContainsFunc(spec.Steps, func(s cairn.Step) bool { return s.Background }):
			return gone("job %s has steps in the background, which ended with it", job)
		}
	}
	return gone("the workspace of job %s is no longer there", job)
}

func first(name string) string {
	job, _, _ := strings.Cut(name, ".")
	return job
}

func workspaceGone(id cairn.JobID) error {
	return gone("the workspace of job %d is no longer there", id)
}

func gone(format string, args ...any) error {
	return cairn.Errorf(cairn.CodeFailed, "it cannot go on from a step: "+format, args...)
}

// drop removes the folders of a job that is over, unless its workspace stays or
// another job uses it.
func (l layout) drop() error {
	base := l.base()
	errs := []error{removeScratch(l.own())}
	_, markErr := os.Stat(l.mark())
	_, mineErr := os.Stat(l.taken())
	others := l.othersTook()
	if m, _ := readMark(l.taken()); mineErr == nil && isLayoutName(m.Owner) {
		_ = os.Remove(l.sibling(m.Owner).state()) // this job has its own by now
	}
	switch {
	case markErr == nil: // it stays
		_ = os.Remove(l.taken())
	case mineErr == nil:
		errs = append(errs, removeScratch(base.scratch()), os.Remove(l.taken()))
	case base == l && !others:
		errs = append(errs, removeScratch(l.scratch()))
	}
	return errors.Join(errs...)
}

// own are the folders that no later job needs.
func (l layout) own() []string { return []string{l.file("files"), l.file("bin"), l.file("lines")} }

// seal encrypts what a job leaves: variables and outputs may hold secrets.
func seal(state, key []byte) ([]byte, error) {
	aead, err := aeadOf(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	return aead.Seal(nonce, nonce, state, nil), nil
}

// unseal is the reverse of seal.
func unseal(sealed, key []byte) ([]byte, error) {
	aead, err := aeadOf(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("it is cut short")
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
}

func aeadOf(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("the key of a job's state: %w", err)
	}
	return cipher.NewGCM(block)
}

// Resumable says why a job cannot be gone on with from one of its steps; nil: it can.
func (b *Backend) Resumable(job cairn.Job) error {
	return jobLayout(b.o.Home, job.ID, job.Epoch).whyNotKept()
}

// sweepKept removes workspaces of failed jobs beyond what is kept: the oldest first.
func (b *Backend) sweepKept() {
	if b.o.Keep {
		return
	}
	b.sweeping.Lock()
	defer b.sweeping.Unlock()
	dir := filepath.Join(b.o.Home, "kept")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // nothing was ever kept
	}
	type kept struct {
		l layout
		m keptMark
	}
	var all []kept
	for _, e := range entries {
		name, suffix, _ := strings.Cut(e.Name(), ".gone")
		if !isLayoutName(name) {
			continue // one that is used
		}
		k := kept{l: layout(filepath.Join(b.o.Home, "jobs", name))}
		if k.m, err = readMark(filepath.Join(dir, e.Name())); err != nil || suffix != "" || e.Name() != name {
			b.discard(k.l, k.m) // half removed
			continue
		}
		if k.m.Bytes == 0 {
			k.m.Bytes = max(treeBytes(k.l.scratch()), 1)
			b.counted(k.l, k.m)
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(x, y kept) int { return y.m.At.Compare(x.m.At) })
	total, now := int64(0), b.o.Now()
	for i, k := range all {
		total += k.m.Bytes
		if i >= b.o.Keeping.Count || now.Sub(k.m.At) > b.o.Keeping.Age || total > b.o.Keeping.Bytes {
			total -= k.m.Bytes
			b.discard(k.l, k.m)
		}
	}
}

// counted notes down how large a kept workspace is, unless a job took it meanwhile:
// what is in use has no mark.
func (b *Backend) counted(l layout, m keptMark) {
	b.marking.Lock()
	defer b.marking.Unlock()
	if text, err := json.Marshal(m); err == nil && stillThere(l.mark()) {
		_ = writeFile(l.mark(), text) // counted again the next time
	}
}

func stillThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// discard takes a kept workspace away. A job that wants it meanwhile finds no mark.
func (b *Backend) discard(l layout, m keptMark) {
	aside := l.mark() + ".gone"
	if err := os.Rename(l.mark(), aside); err != nil && !stillThere(aside) {
		return
	}
	err := removeScratch(l.scratch())
	if isLayoutName(m.Owner) {
		_ = os.Remove(l.sibling(m.Owner).state())
	}
	if err == nil {
		err = os.Remove(aside)
	}
	if err != nil {
		b.o.Logger.Warn("the workspace of a failed job is left", "job", l.name(), "err", err)
	}
}

// treeBytes counts what folders hold.
func treeBytes(dirs []string) int64 {
	var n int64
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if fi, err := d.Info(); err == nil {
					n += fi.Size()
				}
			}
			return nil
		})
	}
	return n
}
