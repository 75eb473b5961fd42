package source

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// Sent is what a file names on this machine, as a request carries it: texts, and
// digests of what was stored.
type Sent struct {
	Files []client.JobFile
	Local []client.LocalData
	// Told are lines for people: what code was taken, how large.
	Told []string
}

// The types of data.
const (
	typeFolder = "folder"
	typeFile   = "file"
)

// Send stores what a document names by path. With a nil store nothing is read beyond
// the texts: paths are told without digests, for questions that need only their names.
func (f *Folder) Send(ctx context.Context, doc *pipeline.Document, to Store) (*Sent, error) {
	more, err := gather(doc)
	if err != nil {
		return nil, err
	}
	s := &sender{f: f, to: to, more: more, out: &Sent{}, texts: map[string]bool{}, done: map[string]bool{}}
	for _, src := range doc.Sources {
		if err := s.text(src.Path, src.Bytes); err != nil {
			return nil, err
		}
	}
	for i := range doc.References {
		if err := s.reference(ctx, &doc.References[i]); err != nil {
			return nil, err
		}
	}
	return s.out, nil
}

type sender struct {
	f     *Folder
	to    Store
	more  includes
	out   *Sent
	texts map[string]bool
	done  map[string]bool // use and path
}

func (s *sender) text(name string, b []byte) error {
	if s.texts[name] {
		return nil
	}
	s.texts[name] = true
	if !utf8.Valid(b) {
		return cairn.Errorf(cairn.CodeInvalid, "%s is not UTF-8 text", s.f.Shown(name))
	}
	s.out.Files = append(s.out.Files, client.JobFile{Path: name, Text: string(b)})
	return nil
}

func (s *sender) reference(ctx context.Context, r *pipeline.Reference) error {
	if r.Kind != pipeline.RefLocal || s.done[r.Use+" "+r.Path] {
		return nil
	}
	s.done[r.Use+" "+r.Path] = true
	switch r.Use {
	case "code":
		return at(r, s.code(ctx, r))
	case "data", "model":
		return at(r, s.data(ctx, r))
	case "build", "include":
		return at(r, s.all(ctx, r))
	case "conda", "component", "job":
		if s.texts[r.Path] {
			return nil
		}
		b, err := s.f.ReadFile(r.Path)
		if err != nil {
			return at(r, cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", s.f.Shown(r.Path), err))
		}
		return s.text(r.Path, b)
	}
	return nil
}

// at says which line named what could not be sent.
func at(r *pipeline.Reference, err error) error {
	if err == nil || r.Pos.IsZero() {
		return err
	}
	e := *cairn.AsError(err)
	if e.Position == nil {
		e.Message = fmt.Sprintf("%s (%s at %s)", e.Message, r.JSONPath, r.Pos)
	}
	return &e
}

func (s *sender) code(ctx context.Context, r *pipeline.Reference) error {
	if s.to == nil {
		return s.name(r, typeFolder)
	}
	snap, err := s.f.take(ctx, r.Path)
	if err != nil {
		return err
	}
	if err := s.f.lay(ctx, snap, s.more[r.Path]); err != nil {
		return err
	}
	return s.keep(ctx, r.Path, r.Text, snap)
}

// patience is how long something is stored without a word.
const patience = time.Second

// slow says what is going on where it takes long enough that people wonder.
func (f *Folder) slow(format string, args ...any) (done func()) {
	if f.k.JSONWanted() {
		return func() {}
	}
	t := time.AfterFunc(patience, func() { fmt.Fprintf(f.k.Term.Err, format+"\n", args...) })
	return func() { t.Stop() }
}

func (s *sender) keep(ctx context.Context, name, shown string, snap *snapshot) error {
	defer s.f.slow("storing code %s: %s, %s", term.Clean(s.f.Shown(name)), term.Count(int64(len(snap.files)), "file"), term.Size(snap.size))()
	if len(snap.files) == 0 {
		return cairn.Errorf(cairn.CodeInvalid, "the code %s holds no files", s.f.Shown(name)).
			WithHint("all of them may be ignored: look at .gitignore and .amlignore")
	}
	info, err := snap.send(ctx, s.to)
	if err != nil {
		return err
	}
	s.out.Told = append(s.out.Told, snap.told(s.f.Shown(name))...)
	s.out.Local = append(s.out.Local, client.LocalData{Path: name, Data: cairn.DataValue{
		Type: typeFolder, Digest: info.Root, Size: info.Size, Files: info.Files, URI: shown}})
	return nil
}

func (s *sender) data(ctx context.Context, r *pipeline.Reference) error {
	if slices.ContainsFunc(s.out.Local, func(l client.LocalData) bool { return l.Path == r.Path }) {
		return nil
	}
	full := s.f.Path(r.Path)
	fi, err := os.Stat(full)
	if err != nil {
		return cairn.Errorf(cairn.CodeNotFound, "there is no %s", s.f.Shown(r.Path))
	}
	v := cairn.DataValue{Type: typeFile, Files: 1, Name: path.Base(filepath.ToSlash(full)), URI: r.Text}
	if fi.IsDir() {
		v.Type, v.Name = typeFolder, ""
	}
	if s.to == nil {
		return s.name(r, v.Type)
	}
	defer s.f.slow("storing %s %s", r.Use, term.Clean(s.f.Shown(r.Path)))()
	if fi.IsDir() {
		v.Digest, v.Size, v.Files, err = s.to.UploadTree(ctx, full, nil)
		if err == nil && v.Files == 0 {
			return cairn.Errorf(cairn.CodeInvalid, "%s holds no files", s.f.Shown(r.Path))
		}
	} else {
		v.Digest, v.Size, err = s.to.UploadFile(ctx, full)
	}
	if err != nil {
		return err
	}
	s.out.Told = append(s.out.Told, fmt.Sprintf("%s %s: %s, %s", r.Use, term.Clean(s.f.Shown(r.Path)), term.Count(v.Files, "file"), term.Size(v.Size)))
	s.out.Local = append(s.out.Local, client.LocalData{Path: r.Path, Data: v})
	return nil
}

// all sends a build context, or what additional_includes name: whatever lies there.
func (s *sender) all(ctx context.Context, r *pipeline.Reference) error {
	if s.to == nil {
		dir, err := s.f.Stat(r.Path)
		if err == nil && !dir {
			return s.name(r, typeFile)
		}
		return s.name(r, typeFolder)
	}
	snap, err := s.f.whole(ctx, r.Path)
	if err != nil {
		return err
	}
	info, err := snap.send(ctx, s.to)
	if err != nil {
		return err
	}
	s.out.Local = append(s.out.Local, client.LocalData{Path: r.Path, Data: cairn.DataValue{
		Type: typeFolder, Digest: info.Root, Size: info.Size, Files: info.Files, URI: r.Text}})
	return nil
}

// name tells of a path without its bytes.
func (s *sender) name(r *pipeline.Reference, kind string) error {
	v := cairn.DataValue{Type: kind, Digest: cairn.SumBytes(nil), URI: r.Text}
	if kind == typeFile {
		v.Name = path.Base(r.Path)
	}
	s.out.Local = append(s.out.Local, client.LocalData{Path: r.Path, Data: v})
	return nil
}
