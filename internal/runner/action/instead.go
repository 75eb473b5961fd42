package action

import "strings"

// Instead says what does the work of a well-known action that is not built in, for
// machines without a place to fetch it from; "" of others.
func Instead(name string) string {
	const (
		tool   = "what is installed on this machine is on PATH: where it is, the step can go"
		pages  = "Cairn serves no pages: upload the folder with actions/upload-artifact, or push it with git"
		issues = "it works on issues and pull requests of GitHub, which Cairn does not keep"
		cloud  = "give its credentials to the steps as secrets, in env; with permissions: {id-token: write} a step can ask for a token of the job"
		chat   = "a run step with curl can send a message"
	)
	return map[string]string{
		"actions/setup-go": tool, "actions/setup-java": tool, "actions/setup-dotnet": tool, "ruby/setup-ruby": tool, "actions/setup-ruby": tool,
		"dtolnay/rust-toolchain": tool, "actions-rs/toolchain": tool, "actions-rust-lang/setup-rust-toolchain": tool, "swatinem/rust-cache": tool,
		"hashicorp/setup-terraform": tool, "azure/setup-kubectl": tool, "azure/setup-helm": tool, "oven-sh/setup-bun": tool, "denoland/setup-deno": tool,
		"r-lib/actions/setup-r": tool, "julia-actions/setup-julia": tool, "docker/setup-docker-action": tool, "docker/setup-compose-action": tool,
		"actions-rs/cargo":                      "run cargo in a run step",
		"docker/bake-action":                    "docker/build-push-action builds one target a step; or run docker buildx bake",
		"docker/scout-action":                   "run docker scout in a run step",
		"aws-actions/configure-aws-credentials": cloud, "aws-actions/amazon-ecr-login": cloud, "google-github-actions/auth": cloud,
		"google-github-actions/setup-gcloud": tool,
		"actions/labeler":                    issues, "actions/stale": issues, "actions/first-interaction": issues, "actions/add-to-project": issues,
		"actions/dependency-review-action": issues, "peter-evans/create-pull-request": issues, "peter-evans/create-or-update-comment": issues,
		"marocchino/sticky-pull-request-comment": issues, "amannn/action-semantic-pull-request": issues,
		"actions/create-release":        "with a token of GitHub: gh release create, in a run step",
		"softprops/action-gh-release":   "with a token of GitHub: gh release create, in a run step",
		"ncipollo/release-action":       "with a token of GitHub: gh release create, in a run step",
		"actions/upload-pages-artifact": pages, "actions/deploy-pages": pages, "actions/configure-pages": pages, "peaceiris/actions-gh-pages": pages,
		"jamesives/github-pages-deploy-action": pages,
		"stefanzweifel/git-auto-commit-action": "git commit and git push in a run step, with permissions: {contents: write}",
		"ad-m/github-push-action":              "git push in a run step, with permissions: {contents: write}",
		"pypa/gh-action-pypi-publish":          "run: pip install twine && twine upload dist/*, with TWINE_PASSWORD from a secret",
		"astral-sh/setup-uv":                   "after actions/setup-python: pip install uv",
		"snok/install-poetry":                  "after actions/setup-python: pip install poetry",
		"abatilo/actions-poetry":               "after actions/setup-python: pip install poetry",
		"pre-commit/action":                    "after actions/setup-python: pip install pre-commit && pre-commit run --all-files",
		"psf/black":                            "after actions/setup-python: pip install black && black --check .",
		"chartboost/ruff-action":               "after actions/setup-python: pip install ruff && ruff check",
		"astral-sh/ruff-action":                "after actions/setup-python: pip install ruff && ruff check",
		"conda-incubator/setup-miniconda":      "actions/setup-python makes an environment for the job; conda of this machine is on PATH",
		"mamba-org/setup-micromamba":           "actions/setup-python makes an environment for the job; micromamba of this machine is on PATH",
		"pnpm/action-setup":                    "after actions/setup-node: corepack enable, or npm install --global pnpm",
		"codecov/codecov-action":               "after actions/setup-python: pip install codecov-cli && codecovcli upload-process",
		"golangci/golangci-lint-action":        "run golangci-lint in a run step",
		"dorny/paths-filter":                   "git diff --name-only in a run step; or paths under on.push",
		"tj-actions/changed-files":             "git diff --name-only in a run step; or paths under on.push",
		"slackapi/slack-github-action":         chat, "8398a7/action-slack": chat, "rtcamp/action-slack-notify": chat,
		"iterative/setup-dvc":       "after actions/setup-python: pip install dvc",
		"iterative/setup-cml":       "after actions/setup-node: npm install --global @dvcorg/cml; a report can go to $GITHUB_STEP_SUMMARY",
		"github/codeql-action/init": "it needs GitHub's own service", "github/codeql-action/analyze": "it needs GitHub's own service",
		"github/codeql-action/upload-sarif": "it needs GitHub's own service",
		"aquasecurity/trivy-action":         "run trivy in a run step",
	}[strings.ToLower(name)]
}
