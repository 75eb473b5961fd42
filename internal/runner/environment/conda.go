// Package environment prepares what tasks run in on this machine: the packages of a conda
// file, of a curated environment, or none, once for each content; each job then works in
// a layer of its own above it.
package environment

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"go.yaml.in/yaml/v3"
)

// Conda is a conda environment file.
type Conda struct {
	Name     string
	Channels []string
	// Python is the version that is asked for, as conda writes it: "3.10", ">=3.8,<3.11".
	Python   string
	Packages []CondaPackage
	// Pip are the lines of the pip section: requirements and options.
	Pip []string
	Raw string
}

// CondaPackage is one package of conda's.
type CondaPackage struct {
	Name string
	Spec string // "=1.21", ">=1,<2", ""
	Line int
}

const maxCondaFile = 1 << 20

// maxDependencies bounds a file.
const maxDependencies = 2000

// "channel::name =1.2=build", "name>=1,<2", "name 1.2.*", "name[version='>1']".
var condaPackage = regexp.MustCompile(`^(?:[A-Za-z0-9_./:-]+::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*((?:[=<>!~].*)|(?:\[.*\])|(?:\s+\S.*))?$`)

// ParseConda reads a conda file.
func ParseConda(text string) (*Conda, error) {
	bad := func(n *yaml.Node, format string, args ...any) error {
		line := 1
		if n != nil {
			line = n.Line
		}
		return cairn.Errorf(cairn.CodeInvalid, "the conda file, line %d: %s", line, fmt.Sprintf(format, args...)).
			WithHint("dependencies is a list such as [python=3.11, numpy=2.1, {pip: [mlflow==3.1]}]")
	}
	if len(text) > maxCondaFile {
		return nil, bad(nil, "it has more than %d bytes", maxCondaFile)
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return nil, bad(nil, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	c := &Conda{Raw: text}
	if len(root.Content) == 0 {
		return nil, bad(nil, "it is empty")
	}
	m := root.Content[0]
	if m.Kind != yaml.MappingNode {
		return nil, bad(m, "it has to be a map with name, channels and dependencies")
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		switch k.Value {
		case "name":
			c.Name = v.Value
		case "channels":
			for _, ch := range v.Content {
				c.Channels = append(c.Channels, ch.Value)
			}
		case "dependencies":
			if v.Kind != yaml.SequenceNode {
				return nil, bad(v, "dependencies has to be a list")
			}
			if len(v.Content) > maxDependencies {
				return nil, bad(v, "it has more than %d dependencies", maxDependencies)
			}
			if err := c.dependencies(v, bad); err != nil {
				return nil, err
			}
		case "prefix", "variables", "platforms", "category":
		default:
			return nil, bad(k, "the key %q is not known", k.Value)
		}
	}
	return c, nil
}

func (c *Conda) dependencies(list *yaml.Node, bad func(*yaml.Node, string, ...any) error) error {
	for _, n := range list.Content {
		switch n.Kind {
		case yaml.ScalarNode:
			m := condaPackage.FindStringSubmatch(strings.TrimSpace(n.Value))
			if m == nil {
				return bad(n, "%q is no package", n.Value)
			}
			name, spec := strings.ToLower(m[1]), strings.TrimSpace(m[2])
			if s, ok := strings.CutPrefix(spec, "["); ok {
				s = strings.TrimSuffix(s, "]")
				spec = ""
				for _, part := range strings.Split(s, ",") {
					if k, v, ok := strings.Cut(part, "="); ok && strings.TrimSpace(k) == "version" {
						spec = strings.Trim(strings.TrimSpace(v), `'"`)
					}
				}
			}
			if name == "python" {
				c.Python = spec
				continue
			}
			c.Packages = append(c.Packages, CondaPackage{name, spec, n.Line})
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value != "pip" || n.Content[i+1].Kind != yaml.SequenceNode {
					return bad(n.Content[i], "%q: only pip has a list of its own", n.Content[i].Value)
				}
				for _, r := range n.Content[i+1].Content {
					if r.Kind != yaml.ScalarNode {
						return bad(r, "a requirement of pip is text")
					}
					if strings.ContainsAny(r.Value, "\n\r\x00") {
						return bad(r, "a requirement of pip is one line")
					}
					if line := strings.TrimSpace(r.Value); line != "" {
						c.Pip = append(c.Pip, line)
					}
				}
			}
		default:
			return bad(n, "a dependency is text, or {pip: [...]}")
		}
	}
	return nil
}

// pipSpec turns a version of conda's into one of pip's: "=1.21" is 1.21 and all that begins
// with 1.21., "==1.21" is exactly that, "=1.21=py38_0" has a build that pip knows nothing of.
func pipSpec(spec string) (string, error) {
	spec = strings.ReplaceAll(strings.TrimSpace(spec), " ", "")
	if spec == "" || spec == "*" {
		return "", nil
	}
	var out []string
	for _, part := range strings.Split(spec, ",") {
		if strings.Contains(part, "|") {
			return "", fmt.Errorf("%q: pip has no word for | (or)", part)
		}
		switch {
		case strings.HasPrefix(part, "=="):
			version, _, _ := strings.Cut(part[2:], "=")
			out = append(out, "=="+version)
		case strings.HasPrefix(part, "="):
			version, _, _ := strings.Cut(part[1:], "=")
			out = append(out, prefixOf(version))
		case strings.HasPrefix(part, ">"), strings.HasPrefix(part, "<"), strings.HasPrefix(part, "!"), strings.HasPrefix(part, "~"):
			out = append(out, part)
		default:
			version, _, _ := strings.Cut(part, "=")
			if strings.HasSuffix(version, "*") {
				out = append(out, prefixOf(version))
			} else {
				out = append(out, "=="+version)
			}
		}
	}
	return strings.Join(out, ","), nil
}

func prefixOf(version string) string {
	version = strings.TrimSuffix(strings.TrimSuffix(version, "*"), ".")
	return "==" + version + ".*"
}

// pythonSpec is the same for the interpreter, in the words of the rooms that find one.
func pythonSpec(spec string) string {
	spec = strings.ReplaceAll(strings.TrimSpace(spec), " ", "")
	switch {
	case spec == "" || spec == "*":
		return ""
	case strings.HasPrefix(spec, "="):
		v := strings.TrimLeft(spec, "=")
		v, _, _ = strings.Cut(v, "=")
		return strings.TrimSuffix(strings.TrimSuffix(v, "*"), ".")
	}
	return strings.TrimSuffix(strings.TrimSuffix(spec, "*"), ".")
}

// other are packages of conda's that are called otherwise at PyPI.
func other() map[string]string {
	return map[string]string{
		"pytorch": "torch", "pytorch-cpu": "torch", "pytorch-gpu": "torch", "opencv": "opencv-python-headless", "py-opencv": "opencv-python-headless",
		"matplotlib-base": "matplotlib", "pytables": "tables", "py-xgboost": "xgboost", "py-xgboost-cpu": "xgboost", "msgpack-python": "msgpack",
		"pillow-simd": "pillow", "tensorflow-gpu": "tensorflow", "tensorflow-base": "tensorflow", "keras-gpu": "keras", "lightgbm-cpu": "lightgbm",
		"python-dateutil": "python-dateutil", "pyarrow-core": "pyarrow", "seaborn-base": "seaborn", "dask-core": "dask", "ipython_genutils": "ipython-genutils",
		"pyyaml": "pyyaml", "ruamel.yaml": "ruamel.yaml", "psycopg2": "psycopg2-binary", "sentencepiece-python": "sentencepiece", "faiss-cpu": "faiss-cpu",
		"pytorch-lightning": "pytorch-lightning", "importlib_metadata": "importlib-metadata", "typing_extensions": "typing-extensions", "jupyter_core": "jupyter-core",
		"gym": "gym", "scikit-image": "scikit-image", "pycocotools": "pycocotools", "azureml-mlflow": "azureml-mlflow",
	}
}

// dropped are packages of conda's that a Python environment from PyPI has no need of: they
// are of the system, or come inside of wheels.
func dropped() []string {
	return []string{
		"pip", "setuptools", "wheel", "cudatoolkit", "cudnn", "cuda", "cuda-toolkit", "pytorch-cuda", "cpuonly", "mkl", "mkl-service", "blas", "libblas",
		"openblas", "libopenblas", "nccl", "nomkl", "libgcc-ng", "libgcc", "libstdcxx-ng", "libgomp", "openssl", "ca-certificates", "certifi-conda", "zlib", "xz",
		"sqlite", "readline", "tk", "ncurses", "libffi", "bzip2", "libpng", "libjpeg", "jpeg", "freetype", "libtiff", "intel-openmp", "llvm-openmp", "cxx-compiler",
		"gcc", "gxx", "gcc_linux-64", "gxx_linux-64", "make", "cmake", "git", "gfortran", "glib", "ffmpeg", "libiconv", "conda", "tzdata", "python_abi", "_libgcc_mutex", "_openmp_mutex",
	}
}

// onlyConda are packages that PyPI does not have under any name.
func onlyConda() []string {
	return []string{"r-base", "r-essentials", "rdkit-postgresql", "graphviz-bin", "openjdk", "nodejs", "bioconda", "samtools", "bwa", "gdal-bin", "proj", "geos", "hdf5", "netcdf4-bin", "mpich", "openmpi", "pythonocc-core", "openmm", "ambertools", "blast"}
}

// requirements is what pip has to install for a conda file; notes say what was left out.
func (c *Conda) requirements() (reqs, notes []string, err error) {
	names, drop, never := other(), dropped(), onlyConda()
	var lost []string
	for _, p := range c.Packages {
		switch {
		case slices.Contains(drop, p.Name):
			if p.Name != "pip" && p.Name != "setuptools" && p.Name != "wheel" {
				notes = append(notes, p.Name+" is not installed: packages from PyPI bring what they need of it, or the machine has it")
			}
			continue
		case slices.Contains(never, p.Name) || strings.HasPrefix(p.Name, "r-"):
			lost = append(lost, p.Name)
			continue
		}
		name := p.Name
		if n, ok := names[name]; ok {
			name = n
		}
		spec, serr := pipSpec(p.Spec)
		if serr != nil {
			return nil, nil, cairn.Errorf(cairn.CodeInvalid, "the conda file, line %d: %s: %w", p.Line, p.Name, serr).WithHint("put the package into the pip section, in pip's words")
		}
		reqs = append(reqs, name+spec)
	}
	if len(lost) > 0 {
		return nil, nil, cairn.Errorf(cairn.CodeUnsupported, "the conda file needs %s, which PyPI does not have", strings.Join(lost, ", ")).
			WithHint("install micromamba, which Cairn then uses; or map the environment to a Python that has them: cairn environment map NAME --python PATH")
	}
	for _, line := range c.Pip {
		if bad := localOption(line); bad != "" {
			return nil, nil, cairn.Errorf(cairn.CodeUnsupported, "the conda file: %q names a file beside it, and an environment is built without those", bad).
				WithHint("write the requirements into the pip section themselves")
		}
		reqs = append(reqs, line)
	}
	return reqs, notes, nil
}

// localOption is a line of pip's that leads to a file.
func localOption(line string) string {
	for _, p := range []string{"-r", "--requirement", "-c", "--constraint", "-e .", "--editable .", "-e/", "./", "../", "file:"} {
		if strings.HasPrefix(line, p) && !strings.HasPrefix(line, "-e git+") {
			return line
		}
	}
	return ""
}
