package server

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/cairn-ml/cairn/internal/oci/wheel"
	"github.com/cairn-ml/cairn/internal/runner/environment"
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

// imageLayers lays the packages of environments out for images of jobs.
type imageLayers struct{ tools python.Tools }

func (l imageLayers) Layer(ctx context.Context, r environment.LayerRequest) (string, error) {
	t := l.tools
	t.Log = r.Log
	res, err := wheel.New(WheelOptions(t)).Layer(ctx, wheel.Request{
		Requirements: r.Requirements, File: "requirements.txt", ContextDir: r.Dir, Python: r.Python, Platform: r.Platform, Libc: r.Libc,
		SitePackages: r.SitePackages, ScriptsDir: r.ScriptsDir, Prefix: r.Prefix, Interpreter: r.Interpreter, Dir: r.Dir, Log: r.Log,
	})
	if err != nil {
		return "", err
	}
	for _, w := range res.Warnings {
		fmt.Fprintf(r.Log, "note: %s\n", w)
	}
	fmt.Fprintln(r.Log, res.Note())
	return res.Layer.Path, nil
}
