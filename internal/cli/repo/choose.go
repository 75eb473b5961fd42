package repo

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Ambiguous says that several workflows could have been meant.
type Ambiguous struct {
	Asked string
	Files []*File
}

// Error is for the log; commands show the list.
func (a *Ambiguous) Error() string {
	if a.Asked == "" {
		return fmt.Sprintf("this repository has %d workflows: say which with --workflow", len(a.Files))
	}
	return fmt.Sprintf("%d workflows are called %q: say which by its file", len(a.Files), a.Asked)
}

// Choose finds the workflow that asked means: nothing where there is one, its
// name, its file name, or any path that ends like its own, even one from
// another machine. note says what was taken where that is not obvious. dir is
// where asked was typed.
func Choose(root, dir, asked string, files []*File) (f *File, note string, err error) {
	if asked == "" {
		return theOnly(files)
	}
	if f, ok, err := existing(root, dir, asked, files); ok || err != nil {
		return f, "", err
	}
	tests := []func(*File) bool{
		func(f *File) bool { return f.Path == asked },
		func(f *File) bool { return path.Base(f.Path) == asked },
		func(f *File) bool { return f.Workflow != nil && f.Workflow.Name == asked },
		func(f *File) bool { return stem(path.Base(f.Path)) == asked },
		func(f *File) bool { return f.Workflow != nil && strings.EqualFold(f.Workflow.Name, asked) },
	}
	for _, match := range tests {
		var found []*File
		for _, f := range files {
			if match(f) {
				found = append(found, f)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], "", nil
		default:
			return nil, "", &Ambiguous{asked, found}
		}
	}
	if f := byTail(asked, files); f != nil && outside(root, dir, asked) == "" {
		return f, fmt.Sprintf("%s is not in this repository: taking %s, which ends the same", asked, f.Path), nil
	}
	if name := outside(root, dir, asked); name != "" {
		return nil, "", cairn.Errorf(cairn.CodeInvalid, "%s lies outside of the repository %s", asked, root).
			WithHint("a run is of a commit, its workflow included: copy the file into %s", Folder)
	}
	return nil, "", notFound(asked, files)
}

// outside tells whether asked is a workflow file of this machine that lies in no
// folder of the repository, and gives its path.
func outside(root, dir, asked string) string {
	if ext := path.Ext(asked); ext != ".yml" && ext != ".yaml" {
		return ""
	}
	name := asked
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, filepath.FromSlash(asked))
	}
	if fi, err := os.Stat(name); err != nil || fi.IsDir() {
		return ""
	}
	if rel, err := filepath.Rel(root, name); err == nil && filepath.IsLocal(rel) {
		return ""
	}
	return name
}

func theOnly(files []*File) (*File, string, error) {
	var can []*File
	for _, f := range files {
		if !f.callOnly() {
			can = append(can, f)
		}
	}
	switch {
	case len(files) == 0:
		return nil, "", cairn.Errorf(cairn.CodeNotFound, "this repository has no workflows: there is no .yml file in %s", Folder).
			WithHint("cairn init shows what is there; a workflow anywhere in the repository can be named with --workflow FILE")
	case len(can) == 1:
		return can[0], "", nil
	case len(can) == 0 && len(files) == 1:
		return files[0], "", nil
	case len(can) == 0:
		can = files
	}
	return nil, "", &Ambiguous{"", can}
}

// existing takes asked as a path of this machine, from dir or from the root.
func existing(root, dir, asked string, files []*File) (*File, bool, error) {
	if ext := path.Ext(asked); ext != ".yml" && ext != ".yaml" {
		return nil, false, nil
	}
	for _, base := range []string{dir, root} {
		name := asked
		if !filepath.IsAbs(name) {
			name = filepath.Join(base, filepath.FromSlash(asked))
		}
		rel, err := filepath.Rel(root, name)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		rel = filepath.ToSlash(rel)
		for _, f := range files {
			if f.Path == rel {
				return f, true, nil
			}
		}
		f, err := Read(root, rel)
		if err == nil {
			return f, true, nil
		}
		if cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, false, err
		}
	}
	return nil, false, nil
}

// byTail finds the file that shares the most last path elements with asked.
func byTail(asked string, files []*File) *File {
	if !strings.ContainsAny(asked, `/\`) {
		return nil
	}
	want := strings.Split(strings.ReplaceAll(asked, `\`, "/"), "/")
	var best *File
	most, same := 0, 0
	for _, f := range files {
		have := strings.Split(f.Path, "/")
		n := 0
		for n < len(have) && n < len(want) && have[len(have)-1-n] == want[len(want)-1-n] {
			n++
		}
		switch {
		case n > most:
			best, most, same = f, n, 1
		case n == most && n > 0:
			same++
		}
	}
	if same != 1 {
		return nil
	}
	return best
}

func notFound(asked string, files []*File) error {
	e := cairn.Errorf(cairn.CodeNotFound, "no workflow of this repository is called %q", asked)
	var names, all []string
	of := map[string]string{} // endings are no likeness: zz.yml is not near a.yml
	for _, f := range files {
		base := path.Base(f.Path)
		of[stem(base)], of[f.Name()] = base, f.Name()
		names = append(names, stem(base), f.Name())
		all = append(all, base)
	}
	if len(files) == 0 {
		return e.WithHint("there is no .yml file in %s", Folder)
	}
	if n := cairn.Nearest(stem(path.Base(strings.ReplaceAll(asked, `\`, "/"))), names); n != "" {
		return e.WithHint("did you mean %q? there are: %s", of[n], strings.Join(all, ", "))
	}
	return e.WithHint("there are: %s", strings.Join(all, ", "))
}

func stem(base string) string { return strings.TrimSuffix(base, path.Ext(base)) }
