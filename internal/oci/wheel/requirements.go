package wheel

import (
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// requirements are what a pip command asks for, in full: no line of it includes
// another file. Text goes to uv and pip as a file, so that no credentials of an
// index are seen in a list of processes.
type requirements struct {
	lines       []string // of packages, as pip reads them
	constraints []string
	options     []string // "--index-url URL", "--pre", …; sorted, each once, where their order is not theirs
	indexes     []string // those options that name places, in their order
	pre, noDeps bool
	hashes      bool // --require-hashes
	warnings    []string
}

const (
	maxRequirements = 20_000
	maxReqFile      = 4 << 20
	maxIncludes     = 50
)

// text is the requirements as a file for a tool.
func (q *requirements) text() string {
	return strings.Join(slices.Concat(q.indexes, q.options, q.lines), "\n") + "\n"
}

// key is the part of a lock's key that the requirements are: without
// credentials, and for a package list in which order is not meant.
func (q *requirements) key() []string {
	lines := slices.Clone(q.lines)
	slices.Sort(lines)
	out := slices.Compact(lines)
	for _, i := range q.indexes {
		out = append(out, stripUser(i))
	}
	out = append(out, q.options...)
	for _, c := range q.constraints {
		out = append(out, "constraint "+c)
	}
	return append(out, fmt.Sprint("pre ", q.pre, " no-deps ", q.noDeps, " hashes ", q.hashes))
}

type reqReader struct {
	q    *requirements
	root *os.Root // of the context; nil: there is none
	dir  string
	n    int
	seen map[string]bool
}

// readRequirements reads the request's requirements with all that they include,
// and the options of the command.
func readRequirements(r *Request) (*requirements, error) {
	rd := &reqReader{q: &requirements{}, dir: r.ContextDir, seen: map[string]bool{}}
	if r.ContextDir != "" {
		root, err := os.OpenRoot(r.ContextDir)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "the build context cannot be read: %w", err)
		}
		defer root.Close()
		rd.root = root
	}
	if err := rd.env(r.Env); err != nil { // the weakest first: the last index wins
		return nil, err
	}
	if err := rd.args(r.Args); err != nil {
		return nil, err
	}
	file := r.File
	if file == "" {
		file = "requirements"
	}
	if err := rd.file(file, r.Requirements, false); err != nil {
		return nil, err
	}
	q := rd.q
	slices.Sort(q.options)
	q.options = slices.Compact(q.options)
	q.indexes = oneIndex(q.indexes)
	slices.Sort(q.constraints)
	q.constraints = slices.Compact(q.constraints)
	if len(q.lines) == 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s names no package", file)
	}
	return q, nil
}

// oneIndex keeps the last index and of equal others the first.
func oneIndex(all []string) []string {
	var out []string
	last := ""
	for _, i := range all {
		if strings.HasPrefix(i, "--index-url") {
			last = i
		} else if !slices.Contains(out, i) {
			out = append(out, i)
		}
	}
	if last != "" {
		out = append([]string{last}, out...)
	}
	return out
}

// file reads one requirements or constraints file.
func (rd *reqReader) file(name string, text []byte, constraint bool) error {
	if len(text) > maxReqFile {
		return cairn.Errorf(cairn.CodeTooLarge, "%s has %d bytes; at most %d are read", name, len(text), maxReqFile)
	}
	lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
	for i := 0; i < len(lines); i++ {
		at := cairn.Position{File: name, Line: i + 1}
		line := strings.TrimRight(lines[i], "\r")
		for strings.HasSuffix(line, `\`) && !strings.HasPrefix(strings.TrimSpace(line), "#") && i+1 < len(lines) {
			i++
			line = strings.TrimSuffix(line, `\`) + " " + strings.TrimSpace(strings.TrimRight(lines[i], "\r"))
		}
		line = comment.ReplaceAllString(line, "")
		line = strings.Join(strings.Fields(line), " ")
		if line == "" {
			continue
		}
		if rd.n++; rd.n > maxRequirements {
			return cairn.Errorf(cairn.CodeTooLarge, "there are more than %d requirements", maxRequirements)
		}
		if err := rd.line(line, at, constraint); err != nil {
			return err
		}
	}
	return nil
}

var (
	comment  = regexp.MustCompile(`(^|\s)#.*$`)
	nameRE   = regexp.MustCompile(`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[A-Za-z0-9._,\s-]*\])?\s*(.*)$`)
	hashOpt  = regexp.MustCompile(`^--hash[= ](sha256|sha384|sha512):[0-9a-fA-F]+$`)
	vcsRE    = regexp.MustCompile(`^(git|hg|svn|bzr)\+`)
	optionRE = regexp.MustCompile(`^(--?[A-Za-z][A-Za-z-]*)(?:[= ]\s*(.*))?$`)
)

func (rd *reqReader) line(line string, at cairn.Position, constraint bool) error {
	if strings.HasPrefix(line, "-") {
		m := optionRE.FindStringSubmatch(line)
		if m == nil {
			if len(line) > 2 && line[1] != '-' { // -rfile
				m = []string{line, line[:2], line[2:]}
			} else {
				return cairn.Errorf(cairn.CodeInvalid, "%q is neither a requirement nor an option", line).At(at)
			}
		} else if len(m[1]) > 2 && m[1][1] != '-' {
			m = []string{line, line[:2], strings.TrimPrefix(line[2:], "=")}
		}
		_, err := rd.option(m[1], strings.Trim(m[2], `"'`), m[2] != "", at, constraint)
		return err
	}
	if err := checkRequirement(line, at); err != nil {
		return err
	}
	if constraint {
		rd.q.constraints = append(rd.q.constraints, line)
	} else {
		rd.q.lines = append(rd.q.lines, line)
	}
	return nil
}

// checkRequirement refuses what is not a wheel of an index or of a URL.
func checkRequirement(line string, at cairn.Position) error {
	unsupported := func(what string) error {
		return cairn.Errorf(cairn.CodeUnsupported, "%q is %s: it has to be built, which is not done without an executor", redact(line), what).At(at).
			WithHint("name a package of an index or the URL of a wheel; Docker or buildah build the rest where one is there")
	}
	lower := strings.ToLower(line)
	if vcsRE.MatchString(lower) {
		return unsupported("a version control URL")
	}
	m := nameRE.FindStringSubmatch(line)
	if m == nil || strings.HasPrefix(line, ".") || strings.HasPrefix(line, "/") || strings.HasPrefix(lower, "file:") {
		return unsupported("a local path")
	}
	rest := m[3]
	if strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, `\`) || strings.HasSuffix(lower, ".whl") && !strings.Contains(line, "://") {
		return unsupported("a local path")
	}
	if scheme, _, ok := strings.Cut(lower, "://"); ok && (scheme == "http" || scheme == "https") {
		return unsupported("a URL without a name (write: name @ URL)")
	}
	for i, o := range strings.Split(" "+rest, " --") {
		if i > 0 && !hashOpt.MatchString("--"+strings.TrimSpace(o)) {
			return cairn.Errorf(cairn.CodeUnsupported, "the option --%s of a requirement is not supported without an executor", strings.TrimSpace(o)).At(at)
		}
	}
	if u, ok := strings.CutPrefix(rest, "@"); ok {
		u, _, _ = strings.Cut(strings.TrimSpace(u), " ")
		lu := strings.ToLower(u)
		switch {
		case vcsRE.MatchString(lu):
			return unsupported("a version control URL")
		case !strings.HasPrefix(lu, "https://") && !strings.HasPrefix(lu, "http://"):
			return unsupported("a local path")
		case !strings.HasSuffix(strings.SplitN(lu, "#", 2)[0], ".whl"):
			return unsupported("a URL of something that is no wheel")
		}
		return nil
	}
	if rest != "" && !strings.ContainsAny(rest[:1], "=<>!~;(-") {
		return cairn.Errorf(cairn.CodeInvalid, "%q is no requirement", redact(line)).At(at).WithHint(`a requirement is a name with versions: fastapi>=0.110,<1; python_version < "3.13"`)
	}
	return nil
}

// option applies one option of a file or of the command; used says whether the
// value was wanted.
func (rd *reqReader) option(name, value string, has bool, at cairn.Position, constraint bool) (used bool, err error) {
	o, known := pipOptions[name]
	if !known {
		e := cairn.Errorf(cairn.CodeUnsupported, "pip's option %s is not supported without an executor", name)
		if near := cairn.Nearest(name, sortedKeys(pipOptions)); near != "" {
			e = e.WithHint("did you mean %s?", near)
		}
		return false, e.At(at)
	}
	if o.value && !has {
		return false, cairn.Errorf(cairn.CodeInvalid, "pip's option %s needs a value", name).At(at)
	}
	if strings.ContainsAny(value, "\n\r\x00") {
		return o.value, cairn.Errorf(cairn.CodeInvalid, "the value of %s has a line break", name).At(at)
	}
	q := rd.q
	switch o.as {
	case "":
	case "include":
		return true, rd.include(value, at, constraint)
	case "constrain":
		return true, rd.include(value, at, true)
	case "index":
		if o.long == "--find-links" && !strings.Contains(value, "://") {
			if value, err = rd.inside(value, at); err != nil {
				return true, err
			}
		}
		q.indexes = append(q.indexes, strings.TrimSpace(o.long+" "+value))
	case "pre":
		q.pre = true
	case "no-deps":
		q.noDeps = true
	case "hashes":
		q.hashes = true
	case "host":
		q.options = append(q.options, "--trusted-host "+value)
	default:
		return o.value, cairn.Errorf(cairn.CodeUnsupported, "pip's option %s is not supported without an executor: %s", name, o.as).At(at)
	}
	return o.value, nil
}

// inside makes a folder of the context absolute.
func (rd *reqReader) inside(p string, at cairn.Position) (string, error) {
	if rd.root == nil || path.IsAbs(p) {
		return "", cairn.Errorf(cairn.CodeUnsupported, "the folder %q lies in the image, where nothing is executed", p).At(at)
	}
	p = path.Join(path.Dir(at.File), p)
	if fi, err := rd.root.Stat(p); err != nil || !fi.IsDir() {
		return "", cairn.Errorf(cairn.CodeInvalid, "%q is no folder of the build context", p).At(at)
	}
	return path.Join(rd.dir, p), nil
}

func (rd *reqReader) include(name string, at cairn.Position, constraint bool) error {
	if strings.Contains(name, "://") {
		return cairn.Errorf(cairn.CodeUnsupported, "requirements from a URL are not supported: %s", redact(name)).At(at)
	}
	if rd.root == nil {
		return cairn.Errorf(cairn.CodeInvalid, "%q cannot be included: there is no build context", name).At(at)
	}
	p := path.Join(path.Dir(at.File), name)
	if path.IsAbs(name) {
		return cairn.Errorf(cairn.CodeUnsupported, "%q lies in the image, where nothing is executed", name).At(at).
			WithHint("include it by its path beside this file")
	}
	if rd.seen[p] {
		return nil
	}
	if rd.seen[p] = true; len(rd.seen) > maxIncludes {
		return cairn.Errorf(cairn.CodeTooLarge, "more than %d files are included", maxIncludes).At(at)
	}
	f, err := rd.root.Open(p)
	if err != nil {
		return cairn.Errorf(cairn.CodeNotFound, "%s cannot be included: %w", p, err).At(at)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxReqFile+1))
	if err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "%s cannot be read: %w", p, err).At(at)
	}
	return rd.file(p, text, constraint)
}

// redact hides credentials in what is shown.
func redact(s string) string { return urlUserRE.ReplaceAllString(s, "${1}***@") }
