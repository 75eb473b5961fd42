package asset

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
)

// Lengths are looked at beside the patterns: a pattern that counts to 255 takes a
// quarter of a megabyte in every process.
var (
	namePattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	labelPattern  = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*$`)
	numberedLabel = regexp.MustCompile(`^[vV]?[0-9]+$`)
)

// Latest is the label that nobody moves: the newest live version.
const Latest = "latest"

func kinds() []cairn.AssetKind {
	return []cairn.AssetKind{cairn.AssetData, cairn.AssetModel, cairn.AssetEnvironment, cairn.AssetComponent, cairn.AssetCode}
}

func checkKind(k cairn.AssetKind) error {
	if slices.Contains(kinds(), k) {
		return nil
	}
	return cairn.Errorf(cairn.CodeInvalid, "%q is not a kind of asset", clip(string(k))).
		WithHint("allowed are data, model, environment, component and code")
}

// CheckName refuses what is not the name of an asset of a kind.
func CheckName(kind cairn.AssetKind, name string) error {
	if err := checkKind(kind); err != nil {
		return err
	}
	if kind != cairn.AssetModel {
		if len(name) <= 255 && namePattern.MatchString(name) {
			return nil
		}
		return cairn.Errorf(cairn.CodeInvalid, "%q is not a name", clip(name)).
			WithHint("a name has 1 to 255 letters, digits, _ . and -, and starts with a letter or digit")
	}
	bad := name == "" || len(name) > 255 || !utf8.ValidString(name) || strings.TrimSpace(name) != name || name == "." || name == ".."
	for _, r := range name {
		bad = bad || r == '/' || r == ':' || unicode.IsControl(r)
	}
	if bad {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not the name of a model", clip(name)).
			WithHint("a model's name has 1 to 255 bytes, no / and no :, and no space at its ends")
	}
	return nil
}

func checkVersion(v string) error {
	if len(v) <= 64 && namePattern.MatchString(v) && !strings.EqualFold(v, Latest) {
		return nil
	}
	return cairn.Errorf(cairn.CodeInvalid, "%q is not a version", clip(v)).
		WithHint("a version has 1 to 64 letters, digits, _ . and -; %q is a label: write @%s", Latest, Latest)
}

func isLabel(l string) bool { return len(l) <= 255 && labelPattern.MatchString(l) }

// checkLabel refuses labels that cannot be moved or that look like versions.
func checkLabel(l string) error {
	switch {
	case strings.EqualFold(l, Latest):
		return cairn.Errorf(cairn.CodeInvalid, "the label %q is not set: it is always the newest version", l)
	case numberedLabel.MatchString(l):
		return cairn.Errorf(cairn.CodeInvalid, "the label %q would be taken for a version", clip(l)).WithHint("choose a word, such as champion")
	case !isLabel(l):
		return cairn.Errorf(cairn.CodeInvalid, "%q is not a label", clip(l)).WithHint("a label has 1 to 255 letters, digits, _ . and -")
	}
	return nil
}

// Reference is what somebody wrote for a version: one of Version and Label is
// set.
type Reference struct {
	Kind           cairn.AssetKind
	Name           string
	Version, Label string
}

// String is the canonical spelling: "data/digits@latest", "data/digits:3".
func (r Reference) String() string {
	if r.Version != "" {
		return string(r.Kind) + "/" + r.Name + ":" + r.Version
	}
	return string(r.Kind) + "/" + r.Name + "@" + r.Label
}

// ParseReference reads kind/name:version, kind/name@label, kind/name (its
// latest), the same without a kind where kind says it, and the spellings of
// Azure ML (azureml:name:version, azureml:name@label) and MLflow
// (models:/name/version, models:/name@alias).
func ParseReference(kind cairn.AssetKind, asked string) (Reference, error) {
	r := Reference{Kind: kind}
	s := strings.TrimSpace(asked)
	if len(s) > 600 || !utf8.ValidString(s) {
		return r, cairn.Errorf(cairn.CodeInvalid, "%q is not a reference to an asset", clip(s))
	}
	if rest, ok := strings.CutPrefix(s, "models:/"); ok {
		name, version, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		switch s = "model/" + name; version {
		case "":
		case Latest:
			s += "@" + Latest
		default:
			s += ":" + version
		}
	}
	if full, ok, err := fullAddress(s); err != nil {
		return r, err
	} else if ok {
		s = full
	}
	s = strings.TrimPrefix(s, "azureml:")
	if prefix, rest, ok := strings.Cut(s, "/"); ok {
		if err := checkKind(cairn.AssetKind(prefix)); err != nil {
			return r, cairn.Errorf(cairn.CodeInvalid, "%q does not name an asset: %q is not a kind", clip(asked), clip(prefix)).
				WithHint("write kind/name:version or kind/name@label; kinds are data, model, environment, component and code")
		}
		if kind != "" && kind != cairn.AssetKind(prefix) {
			return r, cairn.Errorf(cairn.CodeInvalid, "%q is a %s; a %s is expected here", clip(asked), prefix, kind)
		}
		r.Kind, s = cairn.AssetKind(prefix), rest
	}
	if r.Kind == "" {
		return r, cairn.Errorf(cairn.CodeInvalid, "%q does not say which kind of asset it is", clip(asked)).
			WithHint("write data/%s or model/%s", clip(s), clip(s))
	}
	r.Name, r.Label = s, Latest
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		r.Name, r.Version, r.Label = s[:i], s[i+1:], ""
		if err := checkVersion(r.Version); err != nil {
			return r, err
		}
	} else if i := strings.LastIndexByte(s, '@'); i >= 0 {
		r.Name, r.Label = s[:i], s[i+1:]
		if !isLabel(r.Label) {
			return r, cairn.Errorf(cairn.CodeInvalid, "%q is not a label", clip(r.Label)).WithHint("such as @latest or @champion")
		}
	}
	return r, checkReadName(r.Kind, r.Name)
}

// checkReadName lets the names of a registry pass, too: "registry/name".
func checkReadName(kind cairn.AssetKind, name string) error {
	registry, rest, shared := strings.Cut(name, "/")
	if !shared {
		return CheckName(kind, name)
	}
	if err := CheckRegistry(registry); err != nil {
		return err
	}
	return CheckName(kind, rest)
}

// CheckRegistry refuses what is not the name of a registry.
func CheckRegistry(name string) error {
	if len(name) <= 64 && namePattern.MatchString(name) {
		return nil
	}
	return cairn.Errorf(cairn.CodeInvalid, "%q is not the name of a registry", clip(name)).
		WithHint("a registry's name has 1 to 64 letters, digits, _ . and -, and starts with a letter or digit")
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
