package action

import "github.com/cairn-ml/cairn/internal/runner"

// What upload-artifact, download-artifact and cache say of themselves in their
// action.yml, by major version.

func uploadSurface() *surface {
	return &surface{
		inputs: join(
			between(1, 1, "name"), since(2, "name=artifact"), since(1, "path"),
			since(2, "if-no-files-found=warn", "retention-days"),
			since(3, "include-hidden-files=false"),
			since(4, "compression-level=6", "overwrite=false"),
			since(7, "archive=true"),
		),
		outputs: since(4, "artifact-id", "artifact-url", "artifact-digest"),
	}
}

func mergeSurface() *surface {
	return &surface{
		inputs: since(4, "name=merged-artifacts", "pattern=*", "separate-directories=false", "retention-days", "compression-level=6",
			"delete-merged=false", "include-hidden-files=false", "if-no-files-found=error"),
		outputs: since(4, "artifact-id", "artifact-url", "artifact-digest"),
	}
}

func downloadSurface() *surface {
	return &surface{
		inputs: join(
			since(1, "name", "path"),
			since(4, "artifact-ids", "pattern", "merge-multiple=false", "github-token", "repository=${{ github.repository }}", "run-id=${{ github.run_id }}"),
			since(8, "skip-decompress=false", "digest-mismatch=error"),
		),
		outputs: since(4, "download-path"),
	}
}

func cacheSurface() *surface {
	return &surface{
		inputs: join(
			since(1, "path", "key", "restore-keys"), since(2, "upload-chunk-size"),
			since(3, "enablecrossosarchive=false", "fail-on-cache-miss=false", "lookup-only=false"),
			[]field{{name: "save-always", def: "false", from: 4, old: "save-always does not work as intended and will be removed in a future release. A separate `actions/cache/restore` step should be used instead."}},
		),
		outputs: since(1, "cache-hit"),
	}
}

func cacheRestoreSurface() *surface {
	return &surface{
		inputs:  since(3, "path", "key", "restore-keys", "enablecrossosarchive=false", "fail-on-cache-miss=false", "lookup-only=false"),
		outputs: since(3, "cache-hit", "cache-primary-key", "cache-matched-key"),
	}
}

func cacheSaveSurface() *surface {
	return &surface{inputs: since(3, "path", "key", "upload-chunk-size", "enablecrossosarchive=false")}
}

// keeping are the actions that keep files and bring them back.
func keeping() []definition {
	versions := func(from, to int) (out []int) {
		for v := from; v <= to; v++ {
			out = append(out, v)
		}
		return out
	}
	ranged := func(name string, from, to int, s *surface, make func(major int) runner.Action) definition {
		d := shown(name, to, s, nil)
		d.Versions = versions(from, to)
		d.make = func(_ Deps, major int) runner.Action { return make(major) }
		return d
	}
	return []definition{
		ranged("actions/cache", 1, 5, cacheSurface(), func(int) runner.Action { return &cacheBoth{} }),
		ranged("actions/cache/restore", 3, 5, cacheRestoreSurface(), func(int) runner.Action { return &cacheRestore{} }),
		ranged("actions/cache/save", 3, 5, cacheSaveSurface(), func(int) runner.Action { return &cacheSave{} }),
		ranged("actions/download-artifact", 1, 8, downloadSurface(), func(major int) runner.Action { return &download{major} }),
		ranged("actions/upload-artifact", 1, 7, uploadSurface(), func(major int) runner.Action { return &upload{major} }),
		ranged("actions/upload-artifact/merge", 4, 7, mergeSurface(), func(major int) runner.Action { return &merge{} }),
	}
}
