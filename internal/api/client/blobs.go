package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/cairn-ml/cairn"
)

// BlobsType is the media type of many blobs in one body: for each a line of
// JSON (BlobHead) and then exactly as many bytes as it says.
const BlobsType = "application/vnd.cairn.blobs"

// BlobHead stands before the bytes of a blob in a stream of many.
type BlobHead struct {
	Digest cairn.Digest `json:"digest"`
	Size   int64        `json:"size"`
}

// Blob is bytes to send; Open is called when their turn comes.
type Blob struct {
	Digest cairn.Digest
	Size   int64
	Open   func() (io.ReadCloser, error)
}

// BytesBlob is a blob that is in memory.
func BytesBlob(b []byte) Blob {
	return Blob{Digest: cairn.SumBytes(b), Size: int64(len(b)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b)), nil
	}}
}

// TreeFile is one file of a tree in its flat form: paths are relative and
// slash-separated. A folder is only listed when it is empty.
type TreeFile struct {
	Path   string       `json:"path"`
	Mode   uint32       `json:"mode"` // cairn.ModeFile, ModeExec, ModeSymlink, ModeDir
	Size   int64        `json:"size"`
	Digest cairn.Digest `json:"digest,omitempty"`
}

// TreeInfo says what a tree holds.
type TreeInfo struct {
	Root  cairn.Digest `json:"root"`
	Size  int64        `json:"size"`
	Files int64        `json:"files"`
}

// MissingBlobs returns those digests that the owner does not have.
func (c *Client) MissingBlobs(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error) {
	var missing []cairn.Digest
	for len(ds) > 0 {
		n := min(len(ds), 20_000)
		part, err := call[[]cairn.Digest](ctx, c, http.MethodPost, "/blobs/missing", map[string]any{"digests": ds[:n]}, idempotent)
		if err != nil {
			return nil, err
		}
		missing = append(missing, *part...)
		ds = ds[n:]
	}
	return missing, nil
}

// UploadBlobs sends blobs in one request with one durable point: when it
// returns without error, all of them are on disk.
func (c *Client) UploadBlobs(ctx context.Context, blobs []Blob) error {
	if len(blobs) == 0 {
		return nil
	}
	var source error // why the bytes could not be read, if so
	err := c.do(ctx, http.MethodPost, "/blobs", nil, nil, idempotent, func(o *callOptions) {
		o.kind = BlobsType
		o.body = func() (io.Reader, error) {
			source = nil
			r, w := io.Pipe()
			go func() {
				err := writeBlobs(w, blobs)
				if err != nil && !errors.Is(err, io.ErrClosedPipe) {
					source = err
				}
				w.CloseWithError(err)
			}()
			return r, nil
		}
		o.final = func() error { return source }
	})
	return err
}

func writeBlobs(w io.Writer, blobs []Blob) error {
	bw := bufio.NewWriterSize(w, 256<<10)
	for _, b := range blobs {
		head, err := json.Marshal(BlobHead{b.Digest, b.Size})
		if err != nil {
			return err
		}
		bw.Write(append(head, '\n'))
		if err := copyBlob(bw, b); err != nil {
			return err
		}
	}
	return bw.Flush()
}

func copyBlob(w io.Writer, b Blob) error {
	r, err := b.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(w, io.LimitReader(r, b.Size))
	if err != nil {
		return err
	}
	if n != b.Size {
		return cairn.Errorf(cairn.CodeConflict, "a file changed while it was read: %d bytes instead of %d", n, b.Size)
	}
	return nil
}

// ReadBlobs reads a stream of blobs; each is only valid until visit returns.
func ReadBlobs(r io.Reader, visit func(BlobHead, io.Reader) error) error {
	br := bufio.NewReaderSize(r, 256<<10)
	for {
		line, err := br.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return cairn.Errorf(cairn.CodeInvalid, "the stream of blobs is cut: %w", err)
		}
		var h BlobHead
		if err := json.Unmarshal(line, &h); err != nil || !h.Digest.Valid() || h.Size < 0 {
			return cairn.Errorf(cairn.CodeInvalid, "the stream of blobs has a bad head %q", line[:min(len(line), 100)])
		}
		body := &io.LimitedReader{R: br, N: h.Size}
		if err := visit(h, body); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		if body.N > 0 {
			return cairn.Errorf(cairn.CodeInvalid, "the stream of blobs is cut within %s", h.Digest)
		}
	}
}

// WriteBlob writes one blob into a stream of blobs.
func WriteBlob(w io.Writer, d cairn.Digest, size int64, r io.Reader) error {
	head, err := json.Marshal(BlobHead{d, size})
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return err
	}
	_, err = io.CopyN(w, r, size)
	return err
}

// FetchBlobs reads many blobs in one request, in the order asked for. visit
// gets the bytes; they are checked against the digest after it read them all.
func (c *Client) FetchBlobs(ctx context.Context, ds []cairn.Digest, visit func(cairn.Digest, int64, io.Reader) error) error {
	resp, err := c.send(ctx, http.MethodPost, "/blobs/fetch", map[string]any{"digests": ds}, idempotent)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n := 0
	err = ReadBlobs(resp.Body, func(h BlobHead, r io.Reader) error {
		n++
		sum := sha256.New()
		if err := visit(h.Digest, h.Size, io.TeeReader(r, sum)); err != nil {
			return err
		}
		if got := cairn.DigestOf(sum.Sum(nil)); got != h.Digest {
			return cairn.Errorf(cairn.CodeFailed, "the bytes that are stored as %s are %s: the disk of the server lost them", h.Digest, got).
				WithHint("cairn fsck lists what is hit")
		}
		return nil
	})
	if err == nil && n < len(ds) {
		err = cairn.Errorf(cairn.CodeUnavailable, "the answer was cut after %d of %d blobs", n, len(ds))
	}
	return err
}

// GetBlob opens one blob for reading.
func (c *Client) GetBlob(ctx context.Context, d cairn.Digest) (io.ReadCloser, int64, error) {
	resp, err := c.send(ctx, http.MethodGet, "/blobs/"+string(d), nil)
	if err != nil {
		return nil, 0, err
	}
	return resp.Body, resp.ContentLength, nil
}

// PutTree stores a directory whose files' blobs are there already.
func (c *Client) PutTree(ctx context.Context, files []TreeFile) (*TreeInfo, error) {
	return call[TreeInfo](ctx, c, http.MethodPost, "/trees", map[string]any{"files": files}, idempotent)
}

// ReadTree lists one directory of a tree.
func (c *Client) ReadTree(ctx context.Context, root cairn.Digest) ([]cairn.TreeEntry, error) {
	return list[cairn.TreeEntry](ctx, c, "/trees/"+string(root), nil)
}

// TreeFiles lists everything below a tree.
func (c *Client) TreeFiles(ctx context.Context, root cairn.Digest) ([]TreeFile, error) {
	return list[TreeFile](ctx, c, "/trees/"+string(root)+"/files", nil)
}

// TrackingFiles lists the artifacts of a tracking run.
func (c *Client) TrackingFiles(ctx context.Context, run string) ([]TreeFile, error) {
	return list[TreeFile](ctx, c, "/tracking/runs/"+url.PathEscape(run)+"/files", nil)
}

func fileSum(r io.Reader) (cairn.Digest, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		return "", 0, fmt.Errorf("reading: %w", err)
	}
	return cairn.DigestOf(h.Sum(nil)), n, nil
}
