package server

import (
	"context"
	"path/filepath"

	"github.com/cairn-ml/cairn/internal/oci/wheel"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// WheelOptions are the options of a builder of package layers: the user's own uv
// and pip as jobs get them, and a cache below the home.
func WheelOptions(t python.Tools) wheel.Options {
	command := func(c python.ToolCommand, err error) (wheel.Tool, error) {
		return wheel.Tool{Args: c.Args, Env: c.Env, Version: c.Version, Python: c.Python}, err
	}
	return wheel.Options{
		Cache:    filepath.Join(t.Home, "cache", "oci"),
		Settings: t.IndexSettings(),
		UV:       func(ctx context.Context) (wheel.Tool, error) { return command(t.UVCommand(ctx)) },
		Pip:      func(ctx context.Context, v string) (wheel.Tool, error) { return command(t.PipCommand(ctx, v)) },
	}
}
