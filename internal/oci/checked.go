package oci

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"github.com/cairn-ml/cairn"
)

// Checked reads stored bytes and fails at their end where they are not those of d:
// nothing that the disk lost is handed on as an image.
func Checked(r io.ReadCloser, d cairn.Digest) io.ReadCloser {
	return &checked{ReadCloser: r, want: d, sum: sha256.New()}
}

type checked struct {
	io.ReadCloser
	want cairn.Digest
	sum  hash.Hash
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := cairn.DigestOf(c.sum.Sum(nil)); got != c.want {
			return n, cairn.Errorf(cairn.CodeFailed, "%s is damaged in the store: its bytes are %s", c.want, got).
				WithHint("cairn fsck lists what is hit; cairn fsck --repair moves it aside, so that it can be built, pulled or loaded again")
		}
	}
	return n, err
}
