package oci

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

// Bounds of looking through the layers of an image that Cairn did not build.
const (
	lookTime    = 60 * time.Second
	lookSize    = 8 << 30   // of one layer, unpacked
	lookFiles   = 500_000   // of one layer
	lookAll     = 2_000_000 // of all layers
	lookPath    = 4096
	lookNames   = 64 << 20 // bytes of the names of one layer
	listingSize = 256 << 20
)

// minHeld is how big a file is that versions are asked for: tiny ones (a line, a
// marker) are the same in many places by chance. Builders hold to the same.
const minHeld = 64

// layerFile is one file of a listing; a whiteout has no digest.
type layerFile struct {
	Path   string       `json:"p"`
	Digest cairn.Digest `json:"d,omitempty"`
	Sum    string       `json:"s,omitempty"` // SHA-1 as a git blob
	Size   int64        `json:"n,omitempty"`
}

// lookThrough finds out what is packed into an image that somebody else built, from
// the files of its layers. That it cannot is no reason to refuse the image: it is
// said in the log.
func (s *Service) lookThrough(ctx context.Context, img *cairn.Image, actor cairn.Principal) {
	if img.Platform == "" {
		return // an index, or no image at all
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	files, err := s.imageFiles(ctx, img)
	if err == nil {
		img.Packed, err = s.packed(ctx, files, img, actor)
	}
	if err != nil {
		s.o.Log.Warn("what is packed into an image could not be found out", "image", img.Digest, "error", err)
	}
}

// imageFiles are the files of all layers as they are seen in the end.
func (s *Service) imageFiles(ctx context.Context, img *cairn.Image) (map[string]layerFile, error) {
	seen := map[string]layerFile{}
	for _, l := range img.Layers {
		fs, err := s.listing(ctx, l)
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			continue // a layer that may not be distributed
		}
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", l.Digest, err)
		}
		// A layer's whiteouts hide what lies below it, not what it brings itself.
		hidden := map[string]bool{}
		for _, f := range fs {
			if f.Digest != "" {
				continue
			}
			if dir, ok := strings.CutSuffix(f.Path, "/"); ok {
				hidden[dir] = true
			} else {
				delete(seen, f.Path)
				hidden[f.Path] = true
			}
		}
		if len(hidden) > 0 {
			for p := range seen {
				if under(p, hidden) {
					delete(seen, p)
				}
			}
		}
		for _, f := range fs {
			if f.Digest != "" {
				seen[f.Path] = f
			}
		}
		if len(seen) > lookAll {
			return nil, cairn.Errorf(cairn.CodeTooLarge, "the image has more than %d files", lookAll)
		}
	}
	return seen, nil
}

// under reports whether a path lies in one of some folders; "." is the root.
func under(p string, dirs map[string]bool) bool {
	for p != "." {
		if p = path.Dir(p); dirs[p] {
			return true
		}
	}
	return false
}

func (s *Service) packed(ctx context.Context, files map[string]layerFile, img *cairn.Image, actor cairn.Principal) ([]cairn.Packed, error) {
	near, code, err := s.origin(ctx, actor)
	if err != nil {
		return nil, err
	}
	if code.tree == "" {
		code = tree{img.Repository, img.Commit} // what its label says
	}
	var qs []cairn.HeldQuery
	for _, f := range files {
		if f.Size < minHeld {
			continue
		}
		qs = append(qs, cairn.HeldQuery{Digest: f.Digest, Sum: f.Sum})
	}
	refs := map[cairn.Digest][]cairn.Ref{}
	for part := range slices.Chunk(qs, MaxHeld) {
		got, err := s.held(ctx, part, near, code)
		if err != nil {
			return nil, err
		}
		for d, r := range got {
			refs[d] = r
		}
	}
	var out []cairn.Packed
	for _, f := range files {
		if r := refs[f.Digest]; len(r) > 0 {
			out = append(out, cairn.Packed{Path: f.Path, Digest: f.Digest, Size: f.Size, Ref: r[0], Others: r[1:]})
		}
	}
	slices.SortFunc(out, func(a, b cairn.Packed) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// listing gives the files of a layer, which is read only the first time.
func (s *Service) listing(ctx context.Context, l cairn.ImageLayer) ([]layerFile, error) {
	d, err := s.o.Store.LayerListing(ctx, l.Digest)
	if err != nil {
		return nil, err
	}
	if d != "" {
		if fs, err := s.readListing(ctx, d); err == nil {
			return fs, nil
		}
		// It can be made again.
	}
	fs, err := s.readLayer(ctx, l)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	enc := json.NewEncoder(z)
	for _, f := range fs {
		if err := enc.Encode(f); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if d, err = s.o.Blobs.PutBytes(ctx, b.Bytes()); err != nil {
		return nil, err
	}
	return fs, s.o.Store.SetLayerListing(ctx, l.Digest, d)
}

func (s *Service) readListing(ctx context.Context, d cairn.Digest) ([]layerFile, error) {
	b, err := s.o.Blobs.ReadBlob(ctx, d, listingSize)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bufio.NewReader(z))
	var out []layerFile
	for {
		var f layerFile
		if err := dec.Decode(&f); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
}

// readLayer hashes every file of a layer.
func (s *Service) readLayer(ctx context.Context, l cairn.ImageLayer) ([]layerFile, error) {
	r, _, err := s.o.Blobs.Get(ctx, l.Digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []layerFile
	buf := make([]byte, 64<<10)
	err = layer.ReadLimited(layer.WithContext(ctx, Checked(r, l.Digest)), l.MediaType, layer.Limits{Size: lookSize, Entries: lookFiles, Names: lookNames}, func(h *tar.Header, content io.Reader) error {
		p := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if len(p) > lookPath {
			return cairn.Errorf(cairn.CodeTooLarge, "the name of a file has %d bytes", len(p))
		}
		if base, ok := strings.CutPrefix(path.Base(p), ".wh."); ok {
			if base == ".wh..opq" {
				out = append(out, layerFile{Path: path.Dir(p) + "/"})
			} else {
				out = append(out, layerFile{Path: path.Join(path.Dir(p), base)})
			}
			return nil
		}
		if h.Typeflag != tar.TypeReg || h.Size == 0 {
			return nil
		}
		sum, git := sha256.New(), sha1.New()
		fmt.Fprintf(git, "blob %d\x00", h.Size)
		if _, err := io.CopyBuffer(io.MultiWriter(sum, git), struct{ io.Reader }{content}, buf); err != nil {
			return err
		}
		out = append(out, layerFile{Path: p, Digest: cairn.DigestOf(sum.Sum(nil)), Sum: hex.EncodeToString(git.Sum(nil)), Size: h.Size})
		return nil
	})
	return out, err
}
