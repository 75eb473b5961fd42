package azureml

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// core is the distribution that holds the modules; the others only ask for it.
const core = "azureml-core"

// standIns are the distributions of the SDK that wheels of this package satisfy. Those of
// the second SDK (azure-ai-ml, azureml-mlflow) work by themselves and are not among them.
var standIns = []string{core, "azureml-sdk", "azureml-defaults", "azureml-dataset-runtime", "azureml-dataprep", "azureml-dataprep-native", "azureml-dataprep-rslex",
	"azureml-pipeline", "azureml-pipeline-core", "azureml-pipeline-steps", "azureml-telemetry", "azureml-train", "azureml-train-core",
	"azureml-train-restclients-hyperdrive", "azureml-widgets", "azureml-inference-server-http"}

// newest is the version where none is asked for: the last of the SDK.
const newest = "1.60.0"

// requirement is a line that names one of them, with its versions.
var requirement = regexp.MustCompile(`(?i)^\s*(azureml(?:[-_.][a-z0-9]+)+)\s*(?:\[[^\]]*\])?\s*((?:(?:===?|~=|!=|<=?|>=?)[^;#]*)?)`)

var (
	clause  = regexp.MustCompile(`^(===?|~=|!=|<=?|>=?)\s*([0-9]+(?:\.[0-9]+)*)(\.\*)?`)
	dashes  = regexp.MustCompile(`[-_.]+`)
	numbers = regexp.MustCompile(`[0-9]+`)
)

// Satisfied is a distribution that a wheel stands in for.
type Satisfied struct {
	Name, Version string
	Wheel         string // its path
}

// Satisfy writes wheels below dir for all distributions of the SDK, where one of them is
// among requirements (lines of pip's, each may be anything), in the version that is asked
// for. None are written and returned where none is.
func Satisfy(dir string, requirements []string) ([]Satisfied, error) {
	version := ""
	for _, line := range requirements {
		m := requirement.FindStringSubmatch(line)
		if m == nil || !slices.Contains(standIns, strings.ToLower(dashes.ReplaceAllString(m[1], "-"))) {
			continue
		}
		v, err := versionFor(strings.TrimSpace(m[2]))
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s: %w", strings.TrimSpace(line), err)
		}
		if version == "" || strings.Contains(m[2], "==") {
			version = v
		}
	}
	if version == "" {
		return nil, nil
	}
	mods, err := modules()
	if err != nil {
		return nil, err
	}
	at := filepath.Join(dir, "azureml-wheels-"+digest(mods).Short(), version)
	if err := os.MkdirAll(at, 0o755); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "no place for the wheels of azureml: %w", err)
	}
	var out []Satisfied
	for _, name := range standIns {
		p := filepath.Join(at, strings.ReplaceAll(name, "-", "_")+"-"+version+"-py3-none-any.whl")
		if _, err := os.Stat(p); err != nil {
			b, err := wheel(name, version, mods)
			if err != nil {
				return nil, err
			}
			if err := place(p, b); err != nil {
				return nil, cairn.Errorf(cairn.CodeFailed, "%s cannot be written: %w", p, err)
			}
		}
		out = append(out, Satisfied{Name: name, Version: version, Wheel: p})
	}
	return out, nil
}

func place(p string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(p), ".wheel-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), p)
}

// versionFor is a version that a specifier admits: what it pins, else the last of the SDK,
// else its lower or upper bound.
func versionFor(spec string) (string, error) {
	var tries []string
	var clauses [][]string
	for part := range strings.SplitSeq(spec, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		m := clause.FindStringSubmatch(part)
		if m == nil {
			return "", fmt.Errorf("the version %q is none", part)
		}
		clauses = append(clauses, m)
		v := m[2]
		switch {
		case strings.HasPrefix(m[1], "==") && m[3] == "":
			tries = slices.Insert(tries, 0, v)
		case m[1] == "<" || m[1] == "!=":
		case m[3] != "":
			tries = append(tries, v+".0")
		default:
			tries = append(tries, v)
		}
		if m[1] == ">" || m[1] == "<" {
			tries = append(tries, beside(v, m[1]))
		}
	}
	tries = append(tries, newest)
	if len(tries) > 1 && !strings.Contains(spec, "==") {
		tries = slices.Insert(tries, 0, newest)
	}
	for _, t := range tries {
		if t != "" && !slices.ContainsFunc(clauses, func(m []string) bool { return !admits(m, t) }) {
			return t, nil
		}
	}
	return "", fmt.Errorf("no version is %s", spec)
}

// beside is a version just above or below another.
func beside(v, op string) string {
	n := parts(v)
	if op == ">" {
		n[len(n)-1]++
	} else {
		i := len(n) - 1
		for i >= 0 && n[i] == 0 {
			i--
		}
		if i < 0 {
			return ""
		}
		n[i]--
		n = append(n[:i+1], 99)
	}
	out := make([]string, len(n))
	for i, x := range n {
		out[i] = strconv.Itoa(x)
	}
	return strings.Join(out, ".")
}

func parts(v string) []int {
	var out []int
	for _, t := range numbers.FindAllString(v, -1) {
		n, err := strconv.Atoi(t)
		if err != nil {
			n = 1 << 30
		}
		out = append(out, n)
	}
	return out
}

func compare(a, b string) int {
	x, y := parts(a), parts(b)
	for i := range max(len(x), len(y)) {
		var p, q int
		if i < len(x) {
			p = x[i]
		}
		if i < len(y) {
			q = y[i]
		}
		if p != q {
			return p - q
		}
	}
	return 0
}

func admits(m []string, v string) bool {
	op, want, c := m[1], m[2], compare(v, m[2])
	under := v == want || strings.HasPrefix(v, want+".")
	switch op {
	case "==", "===":
		return c == 0 || m[3] != "" && under
	case "!=":
		return !(c == 0 || m[3] != "" && under)
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	}
	head := want[:max(0, strings.LastIndexByte(want, '.'))] // ~=1.36.0 is 1.36.*
	return c >= 0 && (v == head || strings.HasPrefix(v, head+"."))
}

// wheel is a distribution as a file, the same bytes each time.
func wheel(name, version string, mods map[string][]byte) ([]byte, error) {
	info := strings.ReplaceAll(name, "-", "_") + "-" + version + ".dist-info"
	meta := "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version +
		"\nSummary: Cairn's own package in the place of this one of the Azure Machine Learning SDK\nRequires-Python: >=3.6\n"
	in := map[string][]byte{}
	if name == core {
		maps.Copy(in, mods)
	} else {
		meta += "Requires-Dist: " + core + " (==" + version + ")\n"
		if name == "azureml-sdk" {
			for _, extra := range []string{"notebooks", "automl", "explain", "interpret", "contrib", "databricks", "services", "accel-models"} {
				meta += "Provides-Extra: " + extra + "\n"
			}
		}
	}
	in[info+"/METADATA"] = []byte(meta)
	in[info+"/WHEEL"] = []byte("Wheel-Version: 1.0\nGenerator: cairn\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
	var record bytes.Buffer
	for _, f := range sorted(in) {
		sum := sha256.Sum256(in[f])
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", f, base64.RawURLEncoding.EncodeToString(sum[:]), len(in[f]))
	}
	fmt.Fprintf(&record, "%s/RECORD,,\n", info)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	add := func(name string, b []byte) error {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, ExternalAttrs: 0o100644 << 16})
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	}
	for _, f := range sorted(in) {
		if err := add(f, in[f]); err != nil {
			return nil, err
		}
	}
	if err := add(info+"/RECORD", record.Bytes()); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
