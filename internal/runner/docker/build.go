package docker

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

const (
	builtPrefix = runner.BuiltPrefix
	maxContext  = 1 << 30  // bytes of an action's folder
	maxLayers   = 64 << 30 // bytes of an environment's, with its packages
	maxIgnore   = 1 << 20
)

// BuildImage builds the image of an action or of an environment from its Dockerfile.
// The image is named by what it is built from, so that the next job with the same has it
// at once.
func (s *Session) BuildImage(ctx context.Context, b runner.BuildContainer) (string, error) {
	if b.Log == nil {
		b.Log = io.Discard
	}
	file, what, limit := b.Dockerfile, "action", int64(maxContext)
	if b.Environment {
		what, limit = "environment", maxLayers
	}
	if file == "" {
		file = "Dockerfile"
	}
	if !filepath.IsLocal(file) {
		return "", cairn.Errorf(cairn.CodeInvalid, "the Dockerfile %q is not in the folder of its %s", file, what)
	}
	path := filepath.Join(b.Dir, file)
	if fi, err := os.Stat(path); err != nil || !fi.Mode().IsRegular() {
		return "", cairn.Errorf(cairn.CodeNotFound, "the %s has no file %s", what, file)
	}
	dir, name := filepath.Split(path)
	if b.Environment {
		dir, name = b.Dir, filepath.ToSlash(filepath.Clean(file))
	}
	e, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	pack := func(w io.Writer) error {
		err := packContext(dir, name, limit, w)
		if cairn.CodeOf(err) == cairn.CodeTooLarge {
			return cairn.Errorf(cairn.CodeTooLarge, "the folder of the %s has more than %d MiB", what, limit>>20)
		}
		return err
	}
	sum := sha256.New()
	if b.Environment {
		fmt.Fprintf(sum, "%s\x00", name)
	}
	if err := pack(sum); err != nil {
		return "", err
	}
	image := builtPrefix + what + ":" + hex.EncodeToString(sum.Sum(nil))[:32]
	if _, err := e.ImageInspect(ctx, image); err == nil {
		fmt.Fprintf(b.Log, "The image of this very %s is there: %s\n", what, image)
		return image, nil
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(pack(w)) }()
	defer r.Close()
	res, err := e.ImageBuild(ctx, r, client.ImageBuildOptions{
		Tags: []string{image}, Dockerfile: name, Remove: true, ForceRemove: true, Version: build.BuilderV1,
		Labels: map[string]string{labelPrefix + what: "1"},
	})
	if err != nil {
		return "", failed("the image of the "+what+" cannot be built", err)
	}
	defer res.Body.Close()
	return image, showBuild(res.Body, b.Log)
}

// showBuild shows what a build says, to its end.
func showBuild(r io.Reader, log io.Writer) error {
	for d := json.NewDecoder(r); ; {
		var m jsonstream.Message
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return failed("the build was cut off", err)
		case m.Error != nil:
			return cairn.Errorf(cairn.CodeFailed, "Docker build failed: %s", strings.TrimSpace(m.Error.Message)).
				WithHint("its output is above")
		case m.Stream != "":
			if _, err := io.WriteString(log, m.Stream); err != nil {
				return err
			}
		case m.Status != "" && m.Progress == nil:
			fmt.Fprintln(log, strings.TrimSpace(m.ID+" "+m.Status))
		}
	}
}

// packContext writes a folder as a tar, the same for the same files:
// without times and owners, and without what .dockerignore names.
func packContext(dir, dockerfile string, limit int64, w io.Writer) error {
	skip, err := ignored(dir, dockerfile)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	// A step may change the folder meanwhile: nothing outside of it is read.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var total int64
	err = fs.WalkDir(root.FS(), ".", func(rel string, d fs.DirEntry, err error) error {
		if err != nil || rel == "." {
			return err
		}
		if drop, err := skip(rel); err != nil || drop {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		h := &tar.Header{Name: rel, Mode: int64(fi.Mode().Perm()), Format: tar.FormatPAX}
		switch {
		case fi.IsDir():
			h.Typeflag, h.Name = tar.TypeDir, rel+"/"
		case fi.Mode().IsRegular():
			h.Typeflag, h.Size = tar.TypeReg, fi.Size()
		case fi.Mode()&fs.ModeSymlink != 0:
			h.Typeflag = tar.TypeSymlink
			if h.Linkname, err = root.Readlink(rel); err != nil {
				return err
			}
		default:
			return nil // sockets and pipes are no part of an action
		}
		if total += h.Size; total > limit {
			return cairn.Errorf(cairn.CodeTooLarge, "the folder has more than %d MiB", limit>>20)
		}
		if err := tw.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
			return err
		}
		f, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.CopyN(tw, f, h.Size)
		return err
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

// ignored reads .dockerignore.
func ignored(dir, dockerfile string) (func(rel string) (bool, error), error) {
	f, err := os.Open(filepath.Join(dir, ".dockerignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return func(string) (bool, error) { return false, nil }, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(io.LimitReader(f, maxIgnore))
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, ".dockerignore: %w", err)
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, ".dockerignore: %w", err)
	}
	always := []string{dockerfile, ".dockerignore"}
	return func(rel string) (bool, error) {
		if slices.Contains(always, rel) {
			return false, nil
		}
		return m.MatchesOrParentMatches(rel)
	}, nil
}
