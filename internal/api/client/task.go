package client

import (
	"context"
	"io"
	"os"

	"github.com/cairn-ml/cairn"
)

// DownloadBlob writes a stored file to a path that does not exist yet.
func (c *Client) DownloadBlob(ctx context.Context, d cairn.Digest, path string) (err error) {
	body, size, err := c.GetBlob(ctx, d)
	if err != nil {
		return err
	}
	defer body.Close()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be written: %w", path, err)
	}
	n, err := io.Copy(f, body)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && size >= 0 && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return cairn.Errorf(cairn.CodeUnavailable, "%s was cut short: %w", path, err)
	}
	return nil
}

// RegisterOutput makes a version of an asset of what a task made.
func (c *Client) RegisterOutput(ctx context.Context, r cairn.Registration, v cairn.DataValue, tags map[string]string) (*cairn.AssetVersion, error) {
	props := map[string]string{"type": r.Type}
	if v.Type == "file" && v.Name != "" {
		props["file"] = v.Name // jobs find it under its own name
	}
	return c.CreateAsset(ctx, NewAsset{
		Kind: r.Kind, Name: r.Name, Version: r.Version, Type: v.Type, Digest: v.Digest, Tags: tags, Properties: props, SourceURI: string(v.Ref),
	})
}
