package git

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Sink takes a tree's content; the CAS satisfies it.
type Sink interface {
	Put(ctx context.Context, r io.Reader, want cairn.Digest) (cairn.Digest, int64, error)
	PutMany(ctx context.Context, n int, open func(i int) (io.ReadCloser, error)) ([]cairn.Blob, error)
	// PutTrees stores directories that do not hold each other.
	PutTrees(ctx context.Context, dirs [][]cairn.TreeEntry) ([]cairn.Digest, error)
}

// groupBytes and groupFiles bound what ToTree holds in memory between two
// durable points.
const (
	groupBytes = 32 << 20
	groupFiles = 4096
	largeBlob  = 4 << 20
)

// ToTree stores a git tree (or that of a commit) in the sink and returns the
// root. Submodules are left out; symbolic links are kept as they are.
func (h *Host) ToTree(ctx context.Context, repo, tree string, sink Sink) (cairn.Digest, error) {
	dir, _, err := h.inTree(repo, tree, "")
	if err != nil {
		return "", err
	}
	out, err := h.g.run(ctx, hosted(dir, "ls-tree", "-r", "-t", "-z", "-l", "--full-tree", "--end-of-options", tree))
	if exitCode(err) == 128 {
		return "", cairn.Errorf(cairn.CodeNotFound, "there is no tree %s in %s%w", clip(tree), repo, hidden{err})
	}
	if err != nil {
		return "", err
	}
	all, err := lsTree(out)
	if err != nil {
		return "", err
	}
	blobs, err := h.blobs(ctx, dir, all, sink)
	if err != nil {
		return "", err
	}
	return assemble(ctx, all, blobs, sink)
}

// blobs stores every file once and tells what its git id became.
func (h *Host) blobs(ctx context.Context, dir string, all []DirEntry, sink Sink) (map[string]cairn.Blob, error) {
	var ids []string
	seen := map[string]bool{}
	for _, e := range all {
		if e.Mode != GitDir && e.Mode != GitSubmodule && !seen[e.ID] {
			seen[e.ID] = true
			ids = append(ids, e.ID)
		}
	}
	done := make(map[string]cairn.Blob, len(ids))
	if len(ids) == 0 {
		return done, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pr, pw := io.Pipe()
	go func() {
		c := hosted(dir, "cat-file", "--batch", "--buffer")
		c.stdin, c.out = strings.NewReader(strings.Join(ids, "\n")+"\n"), pw
		_, err := h.g.run(ctx, c)
		pw.CloseWithError(err)
	}()
	defer pr.CloseWithError(io.ErrClosedPipe)
	b := &batchReader{r: bufio.NewReaderSize(pr, 64<<10), sink: sink, done: done}
	for range ids {
		if err := b.next(ctx); err != nil {
			return nil, err
		}
	}
	return done, b.flush(ctx)
}

// batchReader reads "id type size\n" + content + "\n" and hands small contents
// to the sink in groups.
type batchReader struct {
	r     *bufio.Reader
	sink  Sink
	done  map[string]cairn.Blob
	ids   []string
	held  [][]byte
	bytes int64
}

func (b *batchReader) next(ctx context.Context) error {
	head, err := b.r.ReadString('\n')
	if err != nil {
		return err
	}
	f := strings.Fields(head)
	if len(f) != 3 || f[1] != "blob" {
		return cairn.Errorf(cairn.CodeInternal, "the hosted repository lacks an object: %s", strings.TrimSpace(head)).
			WithHint("import or push it again")
	}
	size, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil {
		return err
	}
	if size > largeBlob {
		r := io.LimitReader(b.r, size)
		d, n, err := b.sink.Put(ctx, r, "")
		if err != nil {
			return err
		}
		b.done[f[0]] = cairn.Blob{Digest: d, Size: n}
	} else {
		content := make([]byte, size)
		if _, err := io.ReadFull(b.r, content); err != nil {
			return err
		}
		b.ids, b.held, b.bytes = append(b.ids, f[0]), append(b.held, content), b.bytes+size
	}
	if _, err := b.r.Discard(1); err != nil {
		return err
	}
	if b.bytes >= groupBytes || len(b.held) >= groupFiles {
		return b.flush(ctx)
	}
	return nil
}

func (b *batchReader) flush(ctx context.Context) error {
	blobs, err := b.sink.PutMany(ctx, len(b.held), func(i int) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.held[i])), nil
	})
	if err != nil {
		return err
	}
	for i, id := range b.ids {
		b.done[id] = blobs[i]
	}
	b.ids, b.held, b.bytes = nil, nil, 0
	return nil
}

// assemble stores the directories, deepest first.
func assemble(ctx context.Context, all []DirEntry, blobs map[string]cairn.Blob, sink Sink) (cairn.Digest, error) {
	kids := map[string][]cairn.TreeEntry{"": nil} // by path of the folder
	levels := map[int][]string{0: {""}}
	deepest := 0
	for _, e := range all {
		parent := parentOf(e.Name)
		switch e.Mode {
		case GitSubmodule:
			continue
		case GitDir:
			depth := strings.Count(e.Name, "/") + 1
			deepest = max(deepest, depth)
			levels[depth] = append(levels[depth], e.Name)
			kids[e.Name] = nil
			continue
		}
		b, ok := blobs[e.ID]
		if !ok {
			return "", fmt.Errorf("no content for %s", e.Name)
		}
		mode := cairn.ModeFile
		switch e.Mode {
		case GitExec:
			mode = cairn.ModeExec
		case GitSymlink:
			mode = cairn.ModeSymlink
		}
		kids[parent] = append(kids[parent], cairn.TreeEntry{Name: path.Base(e.Name), Mode: mode, Size: b.Size, Digest: b.Digest})
	}
	var root cairn.Digest
	for depth := deepest; depth >= 0; depth-- {
		names := levels[depth]
		dirs := make([][]cairn.TreeEntry, len(names))
		for i, n := range names {
			slices.SortFunc(kids[n], func(a, b cairn.TreeEntry) int { return strings.Compare(a.Name, b.Name) })
			dirs[i] = kids[n]
		}
		digests, err := sink.PutTrees(ctx, dirs)
		if err != nil {
			return "", err
		}
		for i, n := range names {
			if n == "" {
				root = digests[i]
				continue
			}
			size, files := sum(dirs[i])
			kids[parentOf(n)] = append(kids[parentOf(n)], cairn.TreeEntry{Name: path.Base(n), Mode: cairn.ModeDir, Size: size, Files: files, Digest: digests[i]})
		}
	}
	return root, nil
}

func parentOf(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

func sum(es []cairn.TreeEntry) (size, files int64) {
	for _, e := range es {
		size += e.Size
		if e.Mode == cairn.ModeDir {
			files += e.Files
		} else {
			files++
		}
	}
	return size, files
}
