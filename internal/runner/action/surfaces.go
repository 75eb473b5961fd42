package action

// What the originals' action.yml say, by major version: names, defaults, and since
// and until when. internal/runner/action/testdata/originals.txt holds the same,
// written down from the originals, and a test compares the two.

func checkoutSurface() *surface {
	return &surface{
		inputs: join(
			since(1, "repository=${{ github.repository }}", "ref", "path", "clean=true"),
			between(1, 1, "token", "fetch-depth", "lfs", "submodules"),
			since(2, "token=${{ github.token }}", "ssh-key", "ssh-known-hosts", "ssh-strict=true", "persist-credentials=true", "fetch-depth=1",
				"lfs=false", "submodules=false", "set-safe-directory=true"),
			since(3, "sparse-checkout", "sparse-checkout-cone-mode=true", "fetch-tags=false", "github-server-url"),
			since(4, "ssh-user=git", "filter", "show-progress=true"),
			since(5, "allow-unsafe-pr-checkout=false"),
		),
		outputs: since(4, "ref", "commit"),
		fill:    true,
	}
}

func setupPythonSurface() *surface {
	return &surface{
		inputs: join(
			between(1, 3, "python-version=3.x"), since(4, "python-version"),
			between(1, 1, "architecture=x64"), since(2, "architecture"),
			since(2, "cache", "cache-dependency-path", "token=${{ github.server_url == 'https://github.com' && github.token || '' }}"),
			since(4, "python-version-file", "check-latest=false", "update-environment=true", "allow-prereleases=false"),
			since(5, "freethreaded=false"),
			since(6, "pip-version", "pip-install", "mirror", "mirror-token"),
		),
		outputs: join(since(1, "python-version"), since(3, "cache-hit"), since(4, "python-path")),
		fill:    true,
	}
}

func setupNodeSurface() *surface {
	return &surface{
		inputs: join(
			since(1, "node-version", "registry-url", "scope"), between(1, 5, "always-auth=false"),
			[]field{{name: "version", from: 1, to: 2, old: "The version property will not be supported after October 1, 2019. Use node-version instead"}},
			between(2, 3, "token=${{ github.token }}"), since(4, "token=${{ github.server_url == 'https://github.com' && github.token || '' }}"),
			since(2, "node-version-file", "architecture", "check-latest=false", "cache", "cache-dependency-path"),
			since(4, "mirror", "mirror-token"),
			since(5, "package-manager-cache=true"),
		),
		outputs: join(since(2, "cache-hit"), since(3, "node-version")),
		fill:    true,
	}
}

func githubScriptSurface() *surface {
	return &surface{
		inputs: join(
			since(1, "script", "github-token=${{ github.token }}", "user-agent=actions/github-script", "previews", "result-encoding=json"),
			between(1, 5, "debug=false"), since(6, "debug=${{ runner.debug == '1' }}"),
			since(6, "retries=0", "retry-exempt-status-codes=400,401,403,404,422"),
			since(7, "base-url"),
		),
		outputs: since(1, "result"),
		fill:    true,
	}
}

func azureLoginSurface() *surface {
	return &surface{inputs: since(1, "username", "password", "login-server=https://index.docker.io/v1/")}
}

func azureSurface() *surface {
	return &surface{inputs: since(1, "creds", "client-id", "tenant-id", "subscription-id", "enable-AzPSSession=false", "environment=azurecloud",
		"allow-no-subscriptions=false", "audience=api://AzureADTokenExchange", "auth-type=SERVICE_PRINCIPAL")}
}

func azureCLISurface() *surface {
	return &surface{inputs: since(1, "inlineScript", "azcliversion=agentazcliversion")}
}

func buildPushSurface() *surface {
	return &surface{
		inputs: join(
			[]field{{name: "repository", from: 1, to: 1, old: "v2 is now available through docker/build-push-action@v2"}},
			between(1, 1, "username", "password", "registry", "tags", "tag_with_ref=false", "tag_with_sha=false", "path=.", "dockerfile",
				"target", "always_pull=false", "build_args", "cache_froms", "labels", "add_git_labels=false", "push=true"),
			since(2, "add-hosts", "allow", "build-args", "build-contexts", "builder", "cache-from", "cache-to", "cgroup-parent", "context", "file",
				"labels", "load=false", "network", "no-cache=false", "outputs", "platforms", "pull=false", "push=false", "secrets", "secret-files",
				"shm-size", "ssh", "tags", "target", "ulimit", "github-token=${{ github.token }}"),
			since(3, "attests", "no-cache-filters", "provenance", "sbom"),
			since(5, "annotations", "secret-envs"),
			since(6, "call"),
		),
		outputs: since(2, "imageid", "digest", "metadata"),
	}
}

func loginSurface() *surface {
	return &surface{inputs: join(since(1, "registry", "username", "password", "ecr=auto", "logout=true"), since(3, "scope", "registry-auth"))}
}

func metadataSurface() *surface {
	return &surface{
		inputs: join(
			since(1, "images", "sep-tags=\\n", "sep-labels=\\n"), between(1, 3, "github-token"), since(4, "github-token=${{ github.token }}"),
			between(1, 1, "tag-sha=false", "tag-edge=false", "tag-edge-branch", "tag-semver", "tag-match", "tag-match-group=0", "tag-match-latest=true",
				"tag-latest=true", "tag-schedule=nightly", "tag-custom", "tag-custom-only=false", "label-custom"),
			since(2, "tags", "flavor", "labels", "bake-target=docker-metadata-action"),
			since(4, "context=workflow"),
			since(5, "annotations", "sep-annotations=\\n"),
		),
		outputs: join(since(1, "version", "tags", "labels", "bake-file"), since(3, "json"),
			since(5, "annotations", "bake-file-tags", "bake-file-labels", "bake-file-annotations", "tag-names")),
	}
}

func buildxSurface() *surface {
	return &surface{
		inputs: join(
			since(1, "version", "driver=docker-container", "driver-opts", "use=true", "endpoint",
				"buildkitd-flags=--allow-insecure-entitlement security.insecure --allow-insecure-entitlement network.host"),
			between(1, 3, "install=false"), between(1, 2, "config", "config-inline"),
			[]field{{name: "config", from: 3, to: 3, old: "Use buildkitd-config instead"}, {name: "config-inline", from: 3, to: 3, old: "Use buildkitd-config-inline instead"}},
			since(2, "platforms", "append", "cleanup=true"),
			since(3, "name", "buildkitd-config", "buildkitd-config-inline", "cache-binary=true", "keep-state=false"),
		),
		outputs: join(since(1, "name", "driver", "platforms", "endpoint", "status", "flags"), since(2, "nodes")),
	}
}

func qemuSurface() *surface {
	return &surface{
		inputs:  join(since(1, "image=docker.io/tonistiigi/binfmt:latest", "platforms=all"), since(3, "cache-image=true")),
		outputs: since(1, "platforms"),
	}
}

func join(lists ...[]field) []field {
	var out []field
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}
