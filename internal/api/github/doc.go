// Package github is the dialect of GitHub's REST interface below /api/v3, so that
// its stock clients (gh api, octokit, curl lines of published workflows) work
// against hosted repositories. Routes that are not there are answered with 404 and
// their name.
package github
