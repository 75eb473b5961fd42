package azureml

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// core is the distribution that holds the modules; the others only ask for it.
const core = "azureml-core"

// standIns are the distributions of the SDK that wheels of this package satisfy. Those of
// which no module is here are among them as well: the real ones would lie behind this
// package, where nothing finds them, and importing them says what there is instead.
// azureml-mlflow and azureml-inference-server-http work by themselves and are left alone.
func standIns() []string {
	return []string{
		core, "azureml-sdk", "azureml-defaults", "azureml-dataset-runtime", "azureml-dataprep", "azureml-dataprep-native", "azureml-dataprep-rslex",
		"azureml-pipeline", "azureml-pipeline-core", "azureml-pipeline-steps", "azureml-telemetry", "azureml-train", "azureml-train-core",
		"azureml-train-restclients-hyperdrive", "azureml-train-automl", "azureml-train-automl-client", "azureml-automl-core", "azureml-widgets",
		"azureml-interpret", "azureml-explain-model", "azureml-opendatasets", "azureml-contrib-services", "azureml-contrib-dataset", "azureml-contrib-notebook",
		"azureml-contrib-pipeline-steps",
	}
}

// alone are those that are numbered for themselves, with the version where none is asked for.
func alone() map[string]string {
	return map[string]string{"azureml-dataprep": "5.1.0", "azureml-dataprep-native": "41.0.0", "azureml-dataprep-rslex": "2.22.0"}
}

// newest is the version of the others where none is asked for: the last of the SDK.
const newest = "1.60.0"

// wheelsFolder begins the names of folders that Satisfy writes into.
const wheelsFolder = "azureml-wheels-"

// Made is the path of a wheel that Satisfy wrote, of the URL that an installer noted down; ""
// where it is another file.
func Made(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "file" || !strings.HasSuffix(u.Path, ".whl") || !strings.HasPrefix(filepath.Base(filepath.Dir(u.Path)), wheelsFolder) {
		return ""
	}
	return filepath.FromSlash(u.Path)
}

// Satisfied is a distribution that a wheel stands in for.
type Satisfied struct {
	Name, Version string
	Wheel         string // its path
}

// Satisfy writes wheels below dir for all distributions of the SDK, where one of them is
// among requirements (lines of pip's, each may be anything), in the version that is asked
// for; constraints (such lines too) bound it. None are written and returned where none is.
func Satisfy(dir string, requirements, constraints []string) ([]Satisfied, error) {
	all := asks(requirements)
	if len(all) == 0 {
		return nil, nil
	}
	all = append(all, asks(constraints)...)
	wanted, err := versions(all)
	if err != nil {
		return nil, err
	}
	mods, err := read()
	if err != nil {
		return nil, err
	}
	return wheels(filepath.Join(dir, wheelsFolder+mods.Digest().Short()), wanted, mods)
}

// Wheels writes the wheels of all distributions into a folder, those that the SDK numbers
// alike in one version; "" is its last.
func Wheels(dir, version string) ([]Satisfied, error) {
	line := core
	if version != "" {
		line += "==" + version
	}
	all := asks([]string{line})
	if len(all) == 0 || strings.ContainsAny(version, ", *") {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is no version", version).WithHint("such as 1.36.0")
	}
	wanted, err := versions(all)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is no version", version).WithHint("such as 1.36.0")
	}
	mods, err := read()
	if err != nil {
		return nil, err
	}
	return wheels(dir, wanted, mods)
}

// wheels writes those that are not there yet.
func wheels(dir string, wanted map[string]string, mods map[string][]byte) ([]Satisfied, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "no place for the wheels of azureml: %w", err)
	}
	var out []Satisfied
	for _, name := range standIns() {
		version := wanted[name]
		p := filepath.Join(dir, strings.ReplaceAll(name, "-", "_")+"-"+version+"-py3-none-any.whl")
		b, err := wheel(name, version, mods)
		if err != nil {
			return nil, err
		}
		// One of the same name in a folder of somebody's may hold other modules.
		if old, err := os.ReadFile(p); err != nil || !bytes.Equal(old, b) {
			if err := place(p, b); err != nil {
				return nil, cairn.Errorf(cairn.CodeFailed, "%s cannot be written: %w", p, err)
			}
		}
		out = append(out, Satisfied{Name: name, Version: version, Wheel: p})
	}
	return out, nil
}

// Lines writes a file of pip's beside the wheels that leads from each name to its wheel: for
// uv's --overrides and pip's --constraint. Its name is that of its content, so that
// another job which asks for other versions does not change it. Those that are installed
// already (versions by name) are only held there: pip takes a wheel that is named and the
// same one installed for two, which exclude each other.
func Lines(got []Satisfied, installed map[string]string) (file string, err error) {
	var b strings.Builder
	for _, s := range got {
		if installed[s.Name] == s.Version {
			fmt.Fprintf(&b, "%s==%s\n", s.Name, s.Version)
			continue
		}
		at := url.URL{Scheme: "file", Path: filepath.ToSlash(s.Wheel)}
		fmt.Fprintf(&b, "%s @ %s\n", s.Name, at.String())
	}
	text := []byte(b.String())
	file = filepath.Join(filepath.Dir(got[0].Wheel), "lines-"+cairn.SumBytes(text).Short()+".txt")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := place(file, text); err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "%s cannot be written: %w", file, err)
	}
	return file, nil
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

// wheel is a distribution as a file, the same bytes each time.
func wheel(name, version string, mods map[string][]byte) ([]byte, error) {
	info := strings.ReplaceAll(name, "-", "_") + "-" + version + ".dist-info"
	meta := "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version +
		"\nSummary: Cairn's own package in the place of this one of the Azure Machine Learning SDK\nRequires-Python: >=3.6\n"
	in := map[string][]byte{}
	if name == core {
		maps.Copy(in, mods)
	} else {
		if _, ok := alone()[name]; ok {
			meta += "Requires-Dist: " + core + "\n"
		} else { // with releases after the release, which notebooks pin for some of them only
			meta += "Requires-Dist: " + core + " (==" + post.ReplaceAllString(version, "") + ".*)\n"
		}
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
