package action

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// sshInput are the inputs about SSH.
type sshInput struct {
	key, hosts string
	strict     bool
	user       string
}

// keys are the credentials of one checkout: files in the job's temporary folder
// and lines in .git/config. They are never on a command line.
type keys struct {
	config string // a git configuration with the header; "" without a token
	ssh    string // GIT_SSH_COMMAND; "" without a key
	origin string // whose the header is: scheme://host[:port]
	files  []string
	kept   bool
}

const (
	stateKeyFiles = "key-files"
	stateKeyDirs  = "key-dirs"
	headerPrefix  = "AUTHORIZATION: basic "
	cairnToken    = "cairn_" // how tokens of Cairn begin
)

// newKeys writes the credentials of a step. To Cairn goes the job's own token, or
// another of Cairn's that the step gives; the job's own goes nowhere else.
func newKeys(c *runner.StepContext, in checkoutInput) (*keys, error) {
	k := &keys{}
	token, origin := in.token, in.server
	if own := c.Env["CAIRN_TOKEN"]; origin == "" && c.Env["CAIRN_URL"] != "" {
		origin = c.Env["CAIRN_URL"]
		if !strings.HasPrefix(token, cairnToken) {
			token = own
		}
	} else if token == own || strings.HasPrefix(token, cairnToken) {
		token = ""
	}
	if token != "" && origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return k, cairn.Errorf(cairn.CodeInvalid, "github-server-url %q is not an address", origin).WithHint("for example https://github.com")
		}
		k.origin = u.Scheme + "://" + u.Host
		if k.config, err = k.write(c, "git-credentials-"+rand.Text()+".config", k.section(c, token)); err != nil {
			return k, err
		}
	}
	return k, k.addSSH(c, in.ssh)
}

// section is the part of a git configuration that shows a token.
func (k *keys) section(c *runner.StepContext, token string) string {
	basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
	c.Mask(token)
	c.Mask(basic)
	return "[http \"" + k.origin + "/\"]\n\textraheader = " + headerPrefix + basic + "\n"
}

// write makes a file that only its owner reads.
func (k *keys) write(c *runner.StepContext, name, text string) (string, error) {
	p := filepath.Join(c.Dirs.Temp, name)
	k.files = append(k.files, p)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "credentials cannot be kept: %w", err)
	}
	return p, nil
}

func (k *keys) addSSH(c *runner.StepContext, in sshInput) error {
	if in.key == "" {
		return nil
	}
	c.Mask(in.key)
	id := rand.Text()
	if _, err := k.write(c, id, in.key+"\n"); err != nil {
		return err
	}
	known, err := os.ReadFile(filepath.Join(c.Dirs.Home, ".ssh", "known_hosts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cairn.Errorf(cairn.CodeFailed, "known_hosts cannot be read: %w", err)
	}
	hosts := string(known) + "\n" + in.hosts + "\n"
	if _, err := k.write(c, id+"_known_hosts", hosts); err != nil {
		return err
	}
	k.ssh = `ssh -i "$RUNNER_TEMP/` + id + `"`
	if in.strict {
		k.ssh += " -o StrictHostKeyChecking=yes -o CheckHostIP=no"
	}
	k.ssh += ` -o "UserKnownHostsFile=$RUNNER_TEMP/` + id + `_known_hosts"`
	return nil
}

// env is what a git process of the step gets, with further settings.
func (k *keys) env(c *runner.StepContext, settings ...string) map[string]string {
	env := map[string]string{}
	for n, v := range c.Env {
		if !strings.HasPrefix(n, "GIT_") || n == "GIT_SSL_CAINFO" || n == "GIT_SSL_NO_VERIFY" {
			env[n] = v
		}
	}
	env["GIT_TERMINAL_PROMPT"], env["GCM_INTERACTIVE"], env["LC_ALL"] = "0", "Never", "C"
	if k.ssh != "" {
		env["GIT_SSH_COMMAND"], env["RUNNER_TEMP"] = k.ssh, c.Dirs.Temp
	}
	if k.config != "" {
		settings = append([]string{"include.path=" + k.config}, settings...)
	}
	n := 0
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		i := itoa(n)
		env["GIT_CONFIG_KEY_"+i], env["GIT_CONFIG_VALUE_"+i] = name, value
		n++
	}
	env["GIT_CONFIG_COUNT"] = itoa(n)
	return env
}

// persist lets later steps use the credentials: in .git/config, or since version 6
// in a file of its own that .git/config includes.
func (k *keys) persist(c *runner.StepContext, dir, remote string, major int) error {
	if k.config == "" && k.ssh == "" {
		return nil
	}
	text, err := k.lines(c, dir, ".git", major)
	if err == nil {
		err = appendTo(dir, ".git/config", text)
	}
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "credentials for %s cannot be kept: %w", remote, err)
	}
	k.keep(c, dir)
	return nil
}

// lines are what the configuration of a repository gets; gitDir is relative to dir.
func (k *keys) lines(c *runner.StepContext, dir, gitDir string, major int) (string, error) {
	text := ""
	switch {
	case k.config == "":
	case major < 6:
		b, err := os.ReadFile(k.config)
		if err != nil {
			return "", err
		}
		text = string(b)
	default:
		include := func(at, file string) {
			text += "[includeIf " + quoteGit("gitdir:"+at) + "]\n\tpath = " + quoteGit(file) + "\n"
		}
		own := filepath.Join(dir, gitDir)
		include(own, k.config)
		include(own+"/worktrees/*", k.config)
		// The same folders as actions in containers see them.
		if rel, err := filepath.Rel(c.Dirs.Workspace, own); err == nil {
			inside, file := path.Join("/github/workspace", filepath.ToSlash(rel)), "/github/runner_temp/"+filepath.Base(k.config)
			include(inside, file)
			include(inside+"/worktrees/*", file)
		}
	}
	if k.ssh != "" {
		text += "[core]\n\tsshCommand = " + quoteGit(k.ssh) + "\n"
	}
	return text, nil
}

// persistModules does the same for the submodules of a work tree.
func (k *keys) persistModules(c *runner.StepContext, dir string, major int) error {
	if k.config == "" && k.ssh == "" {
		return nil
	}
	return eachModule(dir, func(gitDir string) error {
		text, err := k.lines(c, dir, gitDir, major)
		if err != nil {
			return err
		}
		return appendTo(dir, gitDir+"/config", text)
	})
}

// eachModule visits the repositories of submodules, nested ones too.
func eachModule(dir string, visit func(gitDir string) error) error {
	base := filepath.Join(dir, ".git", "modules")
	err := filepath.WalkDir(base, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || p == base {
			return err
		}
		if fi, err := os.Lstat(filepath.Join(p, "config")); err != nil || !fi.Mode().IsRegular() {
			return nil
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		return visit(rel)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// keep notes what Post has to take away.
func (k *keys) keep(c *runner.StepContext, dir string) {
	k.kept = true
	c.SaveState(stateKeyFiles, strings.Join(k.files, "\n"))
	c.SaveState(stateKeyDirs, dir)
}

// end removes what is not kept for later steps.
func (k *keys) end(c *runner.StepContext, persist bool) {
	if persist && k.kept {
		return
	}
	for _, f := range k.files {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.Warn("%s cannot be removed: %v", filepath.Base(f), err)
		}
	}
}

// dropKeys removes files and lines that a checkout left for later steps.
func dropKeys(c *runner.StepContext) error {
	dir := c.State[stateKeyDirs]
	if dir == "" {
		return nil
	}
	files := lines(c.State[stateKeyFiles])
	var errs []error
	clean := func(gitDir string) error { return withoutKeys(dir, gitDir+"/config", files) }
	if _, err := os.Lstat(filepath.Join(dir, ".git", "config")); err == nil {
		errs = append(errs, clean(".git"), eachModule(dir, clean))
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// withoutKeys rewrites a configuration without the lines that show or name credentials.
func withoutKeys(dir, name string, files []string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(f, 16<<20))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for l := range strings.Lines(string(b)) {
		secret := strings.Contains(l, headerPrefix)
		for _, file := range files {
			secret = secret || strings.Contains(l, filepath.Base(file))
		}
		if !secret {
			out.WriteString(l)
		}
	}
	if out.Len() == len(b) {
		return nil
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(out.Bytes(), 0)
	return err
}

// appendTo adds to a file below dir and follows no link out of it.
func appendTo(dir, name, text string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_APPEND|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// quoteGit writes a value of a git configuration file.
func quoteGit(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
