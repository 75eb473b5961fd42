package python

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/azureml"
)

// azureWheels looks for packages of the retired SDK of Azure Machine Learning in what pip
// is asked for, and writes a file with a line for the wheel that stands in for each; ""
// where there is none. said is for the log. there, unless
// nil, tells what pip counts as installed.
func azureWheels(cache string, requirements, constraints []string, there func() map[string]string) (file, said string, err error) {
	got, err := azureml.Satisfy(filepath.Join(cache, "azureml"), requirements, constraints)
	if err != nil || len(got) == 0 {
		return "", "", err
	}
	var held map[string]string
	if there != nil {
		held = there()
	}
	if file, err = azureml.Lines(got, held); err != nil {
		return "", "", err
	}
	return file, fmt.Sprintf("azureml-core %s: Cairn's own package in its place (azure: original in config.yaml leaves it alone)", got[0].Version), nil
}

// AzureOverrides is such a file for a list of requirements.
func AzureOverrides(cache string, requirements []string) (file, said string, err error) {
	return azureWheels(cache, requirements, nil, nil)
}

const (
	maxRequirements = 10_000 // lines that are looked at
	maxNested       = 8      // files that name files
)

// standIn is the wheel of Cairn's azureml that a URL names; nil for any other. It is recorded
// by its name and hash: the folder of this machine says nothing, and the same packages have to
// give the same bytes everywhere.
func standIn(address string) *wheelRef {
	p := azureml.Made(address)
	if p == "" {
		return nil
	}
	b, err := os.ReadFile(p)
	if err != nil {
		return nil // as what came from any other place
	}
	return &wheelRef{path: filepath.Base(p), sha256: cairn.SumBytes(b).Hex(), size: int64(len(b))}
}

// versionsIn are the versions of what is installed in a venv, where pip looks at that: not
// where it is told to install all anew.
func versionsIn(venv string, args []string) func() map[string]string {
	for _, a := range args {
		name, _, _ := strings.Cut(a, "=")
		for j := 1; j < len(a) && a[0] == '-' && a[1] != '-'; j++ {
			if name = pipShort[a[j]]; pipFlags[name].value || name == "--ignore-installed" {
				break // what follows is its value
			}
		}
		if name == "--force-reinstall" || name == "--ignore-installed" || name == "--target" {
			return nil
		}
	}
	return func() map[string]string {
		out := map[string]string{}
		pkgs, err := installed(venv)
		if err != nil {
			return nil // pip says it
		}
		for _, p := range pkgs {
			out[p.name] = p.version
		}
		return out
	}
}

// asked are the requirements of a command line of pip's with those of its files, and what
// bounds them.
func asked(args []string) (requirements, constraints []string) {
	r := &requirementFiles{}
	for i := 0; i < len(args); i++ {
		name, value, has := args[i], "", false
		switch {
		case name == "--":
			r.requirements = append(r.requirements, args[i+1:]...)
			return r.requirements, r.constraints
		case strings.HasPrefix(name, "--"):
			if name, value, has = strings.Cut(name, "="); name == "--requirements" {
				name = "--requirement"
			}
		case len(name) > 1 && name[0] == '-': // letters may be joined, the last one with its value
			letters := name
			for j := 1; j < len(letters); j++ {
				if name = pipShort[letters[j]]; pipFlags[name].value {
					value = strings.TrimPrefix(letters[j+1:], "=")
					has = value != ""
					break
				}
			}
		default:
			r.requirements = append(r.requirements, name)
			continue
		}
		if pipFlags[name].value && !has && i+1 < len(args) {
			i++
			value = args[i]
		}
		switch name {
		case "--requirement":
			r.read(value, false, 0)
		case "--constraint":
			r.read(value, true, 0)
		}
	}
	return r.requirements, r.constraints
}

// requirementFiles are lines of files that name each other.
type requirementFiles struct{ requirements, constraints []string }

// read reads a file; one that cannot be read is pip's to complain of.
func (r *requirementFiles) read(name string, bounds bool, depth int) {
	if depth > maxNested {
		return
	}
	f, err := os.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	lines, whole := bufio.NewScanner(f), ""
	for lines.Scan() && len(r.requirements)+len(r.constraints) < maxRequirements {
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if rest, goesOn := strings.CutSuffix(text, `\`); goesOn {
			whole += rest + " "
			continue
		}
		line := strings.TrimSpace(whole + text)
		whole = ""
		if file, of := fileOption(line); file != "" {
			if !filepath.IsAbs(file) {
				file = filepath.Join(filepath.Dir(name), file)
			}
			r.read(file, bounds || of == "-c", depth+1)
			continue
		}
		switch {
		case line == "" || line[0] == '-' || line[0] == '#':
		case bounds:
			r.constraints = append(r.constraints, line)
		default:
			r.requirements = append(r.requirements, line)
		}
	}
}

// fileOption is the file that a line of a file names, as more requirements (-r) or as
// constraints (-c).
func fileOption(line string) (file, of string) {
	for _, o := range []struct{ of, long string }{{"-r", "--requirement"}, {"-c", "--constraint"}} {
		rest, ok := strings.CutPrefix(line, o.long)
		if !ok {
			rest, ok = strings.CutPrefix(line, o.of)
		}
		if !ok {
			continue
		}
		rest, _, _ = strings.Cut(rest, " #")
		return strings.Trim(strings.TrimLeft(rest, "= \t"), ` "'`), o.of
	}
	return "", ""
}
