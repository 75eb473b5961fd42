package action

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/node"
)

// packageManager is what caches of one are made of.
type packageManager struct {
	locks []string
	// env names what tells it where its cache is.
	env map[string]string // variable -> folder below the cache
}

func packageManagers() map[string]packageManager {
	return map[string]packageManager{
		"npm":  {[]string{"package-lock.json", "npm-shrinkwrap.json", "yarn.lock"}, map[string]string{"npm_config_cache": "npm"}},
		"yarn": {[]string{"yarn.lock"}, map[string]string{"YARN_CACHE_FOLDER": "yarn", "YARN_GLOBAL_FOLDER": "yarn-berry"}},
		"pnpm": {[]string{"pnpm-lock.yaml"}, map[string]string{"npm_config_store_dir": "pnpm"}},
	}
}

// cache lets the package manager keep what it downloads beside the job, by
// repository: nothing is packed and unpacked, and what is there is checked by the
// hashes of the lock file, as by the original.
func (a *setupNode) cache(c *runner.StepContext) error {
	name := c.Input("cache")
	asked := name != ""
	if !asked && a.major >= 5 {
		auto, err := boolInput(c, "package-manager-cache", true)
		if err != nil {
			return err
		}
		if auto {
			name = automatic(c, a.major)
		}
	}
	if name == "" {
		return nil
	}
	m, ok := packageManagers()[name]
	if !ok {
		return cairn.Errorf(cairn.CodeInvalid, "Caching for '%s' is not supported", name).WithHint("allowed are npm, yarn and pnpm")
	}
	if asked {
		if err := lockFile(c, m); err != nil {
			return err
		}
		if !c.InContainer && lookPath(name, c.Env["PATH"]) == "" {
			return cairn.Errorf(cairn.CodeNotFound, "Unable to locate executable file: %s", name).
				WithHint("%s has to be there before this step: for example run corepack enable, or pnpm/action-setup", name)
		}
	}
	if foreign(c) {
		c.Logf("cache: %s starts empty: the code of a fork shares no cache", name)
		a.hit(c, false)
		return nil
	}
	hit := false
	for variable, folder := range m.env {
		if c.Env[variable] != "" {
			continue // the job says itself where
		}
		dir := filepath.Join(c.Dirs.Cache, folder, filepath.FromSlash(strings.ToLower(c.Spec.Code.Repository)))
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			hit = true
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "the cache cannot be made: %w", err)
		}
		c.SetEnv(variable, dir)
	}
	c.Logf("cache: %s keeps its downloads between the jobs of %s", name, c.Spec.Code.Repository)
	a.hit(c, hit)
	return nil
}

func (a *setupNode) hit(c *runner.StepContext, hit bool) {
	if a.major >= 2 {
		c.SetOutput("cache-hit", map[bool]string{true: "true", false: "false"}[hit])
	}
}

// automatic is the package manager that package.json names; since version 6 only npm.
func automatic(c *runner.StepContext, major int) string {
	b, err := readJobFile(c, filepath.Join(c.Dirs.Workspace, "package.json"))
	if err != nil {
		return ""
	}
	name := node.PackageManager(b)
	if _, known := packageManagers()[name]; !known || major >= 6 && name != "npm" {
		return ""
	}
	return name
}

// lockFile fails where nothing says which packages there are, as the original does.
func lockFile(c *runner.StepContext, m packageManager) error {
	patterns := lines(c.Input("cache-dependency-path"))
	if len(patterns) == 0 {
		for _, f := range m.locks {
			if _, err := os.Stat(filepath.Join(c.Dirs.Workspace, f)); err == nil {
				return nil
			}
		}
		return cairn.Errorf(cairn.CodeNotFound, "Dependencies lock file is not found in %s. Supported file patterns: %s", c.Dirs.Workspace, strings.Join(m.locks, ",")).
			WithHint("cache-dependency-path names one elsewhere; is there a checkout before this step?")
	}
	for _, p := range patterns {
		if strings.HasPrefix(p, "!") || !doublestar.ValidatePattern(p) {
			continue
		}
		found, err := doublestar.Glob(os.DirFS(c.Dirs.Workspace), strings.TrimPrefix(filepath.ToSlash(filepath.Clean(p)), c.Dirs.Workspace+"/"), doublestar.WithFilesOnly())
		if err == nil && len(found) > 0 {
			return nil
		}
	}
	return cairn.Errorf(cairn.CodeNotFound, "Some specified paths were not resolved, unable to cache dependencies.").
		WithHint("cache-dependency-path is %s", strings.Join(patterns, ", "))
}
