package actions

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/cairn-ml/cairn"
)

var blockFile = regexp.MustCompile(`^b-[0-9a-f]{40}$`)

// blockName is the file of a block: ids are any text.
func blockName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "b-" + hex.EncodeToString(sum[:20])
}

// put writes one block; one of the same id before it gives way. A block that does
// not come to its end is as if it had never been sent.
func (up *upload) put(id string, r io.Reader) error {
	up.mu.Lock()
	many, closed := len(up.blocks) >= maxBlocks, up.ending != nil
	up.mu.Unlock()
	if many || closed {
		return cairn.Errorf(cairn.CodeTooLarge, "an upload has at most %d blocks, and none once it is stored", maxBlocks)
	}
	tmp := filepath.Join(up.dir, fmt.Sprintf("tmp-%d", up.seq.Add(1)))
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fileError("store a block", err)
	}
	n, err := io.CopyBuffer(&counted{f, up}, struct{ io.Reader }{r}, make([]byte, 128<<10))
	if err == nil {
		err = f.Sync() // outside of the lock: blocks come side by side
	}
	name := blockName(id)
	up.mu.Lock()
	if err = seal(f, err, filepath.Join(up.dir, name)); err == nil {
		if old, again := up.blocks[name]; again {
			up.size.Add(-old)
		}
		up.blocks[name] = n
	}
	up.mu.Unlock()
	if err != nil {
		up.size.Add(-n)
		os.Remove(tmp) // what is left goes with the upload
		return fileError("store a block", err)
	}
	return nil
}

// counted adds up what is written to an upload and ends it at its limit.
type counted struct {
	w  io.Writer
	up *upload
}

func (c *counted) Write(b []byte) (int, error) {
	if c.up.size.Add(int64(len(b))) > c.up.most {
		c.up.size.Add(int64(-len(b)))
		return 0, cairn.Errorf(cairn.CodeTooLarge, "the upload is larger than %d bytes", c.up.most).
			WithHint("results.max_upload of config.yaml sets the limit")
	}
	n, err := c.w.Write(b)
	c.up.size.Add(int64(n - len(b)))
	return n, err
}
