package az

import (
	"context"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/ignore"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// takeCode copies the code, without what ignore files leave out, and the server.
func (p *packing) takeCode(ctx context.Context) error {
	if err := p.write("server.py", scoringServer); err != nil {
		return err
	}
	p.lines = append(p.lines, "COPY server.py "+serverFile, "WORKDIR "+appDir)
	if p.tools.SDK != nil {
		if err := p.tools.SDK(filepath.Join(p.dir, "sdk")); err != nil {
			return err
		}
		p.lines = append(p.lines, "COPY sdk/ "+sdkDir+"/", "ENV PYTHONPATH="+sdkDir)
	}
	p.lines = append(p.lines, `CMD ["python3", "-u", "`+serverFile+`"]`)
	r := p.reference("code_configuration.code")
	if r == nil || p.flavor {
		return nil
	}
	if r.Kind != pipeline.RefLocal {
		return p.at(cairn.Errorf(cairn.CodeUnsupported, "code_configuration.code: %s is not on this machine", r.Text), r)
	}
	from := p.folder.Path(r.Path)
	script := path.Clean(filepath.ToSlash(p.spec.CodeScript))
	if strings.ContainsFunc(script, unicode.IsControl) || !filepath.IsLocal(filepath.FromSlash(script)) {
		return p.at(cairn.Errorf(cairn.CodeInvalid, "scoring_script %q leads out of %s", p.spec.CodeScript, r.Text), r)
	}
	if fi, err := os.Stat(filepath.Join(from, filepath.FromSlash(script))); err != nil || fi.IsDir() {
		return p.at(cairn.Errorf(cairn.CodeNotFound, "there is no file %s in %s", p.spec.CodeScript, r.Text), r)
	}
	found, err := ignore.Walk(ctx, from, ignore.Options{})
	if err != nil {
		return err
	}
	base := filepath.Base(from)
	if !plainName.MatchString(base) {
		base = "code" // a Dockerfile has no word for it
	}
	for _, f := range found.Files {
		if err := copyFile(f.Name, filepath.Join(p.dir, "code", filepath.FromSlash(f.Path)), f.Exec); err != nil {
			return err
		}
	}
	in := path.Join(appDir, base)
	p.lines = append(p.lines, "COPY code/ "+in+"/", environ("AZUREML_ENTRY_SCRIPT", path.Join(in, script)))
	return nil
}

// plainName is a name that stands in a Dockerfile as it is.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// environ is a line of a Dockerfile, in which nothing of the value means more than itself.
func environ(name, value string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value)
	return "ENV " + name + `="` + quoted + `"`
}

func copyFile(from, to string, exec bool) error {
	fail := func(err error) error { return cairn.Errorf(cairn.CodeFailed, "cannot copy %s: %w", from, err) }
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fail(err)
	}
	in, err := os.Open(from)
	if err != nil {
		return fail(err)
	}
	defer in.Close()
	mode := os.FileMode(0o644)
	if exec {
		mode = 0o755
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fail(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return fail(err)
	}
	if err := out.Close(); err != nil {
		return fail(err)
	}
	return nil
}
