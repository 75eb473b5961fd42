// Package ref reads image references: "nginx", "ghcr.io/acme/api:main",
// "127.0.0.1:7077/api@sha256:…". It is pure; nothing is looked up.
package ref

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
)

// The limits of the distribution specification.
const (
	maxName = 255
	maxTag  = 128
	// maxReference bounds what is looked at at all: name, tag, digest, separators.
	maxReference = maxName + 1 + maxTag + 1 + 71
)

const (
	hub     = "docker.io"
	library = "library/"
	latest  = "latest"
)

// Reference is a name of an image in full.
type Reference struct {
	// Name is the repository with its registry, "docker.io/library/nginx". Only a
	// name of Cairn's own registry has none: "api".
	Name string
	// Tag is "latest" where neither tag nor digest was given, and "" beside a
	// digest that was given without one.
	Tag    string
	Digest cairn.Digest
}

// Parse reads a reference as docker does: a name without a registry belongs to
// Docker Hub.
func Parse(s string) (Reference, error) {
	r, err := split(s)
	if err != nil {
		return Reference{}, err
	}
	host, rest := splitHost(r.Name)
	if host == "" {
		host = hub
	}
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		host = hub
	}
	if host == hub && !strings.Contains(rest, "/") {
		rest = library + rest
	}
	return r.named(s, host, rest)
}

// ParseLocal reads a reference like Parse, except that one whose registry is one
// of own ("127.0.0.1:7077") is a name of Cairn's own registry and loses it.
// localhost and 127.0.0.1 mean the same machine.
func ParseLocal(s string, own []string) (Reference, error) {
	r, err := split(s)
	if err != nil {
		return Reference{}, err
	}
	host, rest := splitHost(r.Name)
	for _, o := range own {
		if host != "" && sameHost(host, o) {
			return r.named(s, "", rest)
		}
	}
	return Parse(s)
}

// ParseOwn reads a name as it stands in Cairn's own registry: "api:main" is not
// looked for on Docker Hub.
func ParseOwn(s string) (Reference, error) {
	r, err := split(s)
	if err != nil {
		return Reference{}, err
	}
	host, rest := splitHost(r.Name)
	return r.named(s, host, rest)
}

// String is the reference in full.
func (r Reference) String() string { return r.suffixed(r.Name) }

// Familiar is the short form for people: "nginx:latest" for
// "docker.io/library/nginx:latest".
func (r Reference) Familiar() string {
	name := r.Name
	if rest, ok := strings.CutPrefix(name, hub+"/"); ok {
		// "docker.io/localhost/x" stays: without the registry it would be read as one.
		short := rest
		if s, ok := strings.CutPrefix(rest, library); ok && !strings.Contains(s, "/") {
			short = s
		}
		if host, _ := splitHost(short); host == "" {
			name = short
		}
	}
	return r.suffixed(name)
}

// Registry is the host part, with its port; "" for a name of Cairn's own registry.
func (r Reference) Registry() string {
	host, _ := splitHost(r.Name)
	return host
}

// Repository is the name without the registry.
func (r Reference) Repository() string {
	_, rest := splitHost(r.Name)
	return rest
}

// Last is the last part of the name: "api" of "ghcr.io/acme/api".
func (r Reference) Last() string { return r.Name[strings.LastIndexByte(r.Name, '/')+1:] }

// IsZero reports whether r names nothing.
func (r Reference) IsZero() bool { return r.Name == "" }

// Path is the name as a path of the registry protocol, which has no room for
// the colon of a port: "localhost_5000/x".
func (r Reference) Path() string { return strings.Replace(r.Name, ":", "_", 1) }

// FromPath undoes Path: a first part that looks like a host with "_" and digits
// gets its colon back. No host name has an underscore, so nothing is mistaken.
func FromPath(path string) string {
	first, rest, ok := strings.Cut(path, "/")
	i := strings.LastIndexByte(first, '_')
	if !ok || i < 1 {
		return path
	}
	host, port := first[:i], first[i+1:]
	if !isPort(port) || !isDomain(host) || (host != "localhost" && !strings.Contains(host, ".")) {
		return path
	}
	return host + ":" + port + "/" + rest
}

func (r Reference) suffixed(name string) string {
	if r.Tag != "" {
		name += ":" + r.Tag
	}
	if r.Digest != "" {
		name += "@" + string(r.Digest)
	}
	return name
}

// named finishes a reference that split took apart.
func (r Reference) named(s, host, rest string) (Reference, error) {
	if err := checkRepository(s, rest); err != nil {
		return Reference{}, err
	}
	r.Name = rest
	if host != "" {
		if err := checkHost(s, host); err != nil {
			return Reference{}, err
		}
		r.Name = host + "/" + rest
	}
	if len(r.Name) > maxName {
		return Reference{}, bad(s, "the name has %d bytes", len(r.Name)).WithHint("a name has at most %d bytes", maxName)
	}
	if r.Tag == "" && r.Digest == "" {
		r.Tag = latest
	}
	return r, nil
}

// split takes tag and digest off. The name stays as written.
func split(s string) (Reference, error) {
	if s == "" {
		return Reference{}, cairn.Errorf(cairn.CodeInvalid, "an image reference is empty").
			WithHint("a reference looks like ghcr.io/acme/api:main")
	}
	if len(s) > maxReference {
		return Reference{}, bad(s, "it has %d bytes", len(s)).WithHint("a reference has at most %d bytes", maxReference)
	}
	if strings.Contains(s, "://") {
		_, rest, _ := strings.Cut(s, "://")
		return Reference{}, bad(s, "it is an address with a scheme").WithHint("write it without: %s", rest)
	}
	var r Reference
	name, digest, ok := strings.Cut(s, "@")
	if ok {
		d := cairn.Digest(digest)
		if !d.Valid() {
			return Reference{}, bad(s, "%q is not a digest", clip(digest)).
				WithHint("a digest is sha256: followed by 64 lower-case hex digits")
		}
		r.Digest = d
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		tag := name[i+1:]
		if err := CheckTag(tag); err != nil {
			return Reference{}, bad(s, "%s", cairn.AsError(err).Message).WithHint("%s", cairn.AsError(err).Hint)
		}
		r.Tag, name = tag, name[:i]
	}
	r.Name = name
	if cairn.Digest("sha256:" + name).Valid() {
		return Reference{}, bad(s, "64 hex digits are an id, not a name").WithHint("write sha256:%s for a digest", name)
	}
	return r, nil
}

// CheckTag says what is wrong with a tag.
func CheckTag(tag string) error {
	const allowed = "a tag has 1 to 128 letters, digits, underscores, dots and hyphens, and starts with no dot and no hyphen"
	if tag == "" {
		return cairn.Errorf(cairn.CodeInvalid, "the tag is empty").WithHint("%s", allowed)
	}
	if len(tag) > maxTag {
		return cairn.Errorf(cairn.CodeInvalid, "the tag has %d bytes", len(tag)).WithHint("%s", allowed)
	}
	for i := 0; i < len(tag); i++ {
		c := tag[i]
		if alnum(c) || c >= 'A' && c <= 'Z' || c == '_' || i > 0 && (c == '.' || c == '-') {
			continue
		}
		return cairn.Errorf(cairn.CodeInvalid, "the tag %q holds %s", clip(tag), char(tag[i:])).WithHint("%s", allowed)
	}
	return nil
}

// splitHost splits a name into its registry and the rest; a first part that has
// neither dot nor colon nor an upper-case letter, and is not localhost, is none.
func splitHost(name string) (host, rest string) {
	first, rest, ok := strings.Cut(name, "/")
	if !ok || (!strings.ContainsAny(first, ".:") && first != "localhost" && strings.ToLower(first) == first) {
		return "", name
	}
	return first, rest
}

func checkHost(s, host string) error {
	name, port := host, ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 2 || !isIPv6(host[1:end]) {
			return bad(s, "%q is not a registry", clip(host)).WithHint("an IPv6 address stands in brackets: [::1]:5000/name")
		}
		if name, port = host[:end+1], host[end+1:]; port == "" {
			return nil
		}
		if port[0] != ':' || !isPort(port[1:]) {
			return bad(s, "%q is not a port", clip(port)).WithHint("a registry is a host name and, where needed, a port: localhost:5000")
		}
		return nil
	}
	if i := strings.IndexByte(host, ':'); i >= 0 {
		name, port = host[:i], host[i+1:]
		if !isPort(port) {
			return bad(s, "%q is not a port", clip(port)).WithHint("a registry is a host name and, where needed, a port: localhost:5000")
		}
	}
	if !isDomain(name) {
		return bad(s, "%q is not a registry", clip(host)).WithHint("a registry is a host name and, where needed, a port: localhost:5000")
	}
	return nil
}

func checkRepository(s, path string) error {
	const allowed = "the parts of a name are lower-case letters and digits, with single dots, one or two underscores or hyphens between them"
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			return bad(s, "a part of the name is empty").WithHint("%s", allowed)
		}
		if isPart(part) {
			continue
		}
		e := bad(s, "%q cannot be a part of a name", clip(part))
		if lower := strings.ToLower(s); lower != s && isPart(strings.ToLower(part)) {
			return e.WithHint("names are lower-case: %s", clip(strings.ToLower(part)))
		}
		return e.WithHint("%s", allowed)
	}
	return nil
}

// isPart reports whether s is alphanumerics joined by ".", "_", "__" or hyphens.
func isPart(s string) bool {
	for i := 0; i < len(s); {
		if !alnum(s[i]) {
			return false
		}
		for i < len(s) && alnum(s[i]) {
			i++
		}
		if i == len(s) {
			return true
		}
		start := i
		for i < len(s) && !alnum(s[i]) {
			i++
		}
		switch sep := s[start:i]; {
		case sep == ".", sep == "_", sep == "__", strings.Trim(sep, "-") == "":
		default:
			return false
		}
	}
	return false // empty, or it ends in a separator
}

func isDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; !alnum(c) && !(c >= 'A' && c <= 'Z') && c != '-' {
				return false
			}
		}
	}
	return true
}

func isIPv6(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == ':') {
			return false
		}
	}
	return s != ""
}

func isPort(s string) bool {
	if s == "" || len(s) > 5 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func alnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// sameHost compares two registries; the names of the loopback interface are one.
func sameHost(a, b string) bool { return loopback(a) == loopback(b) }

func loopback(host string) string {
	host = strings.ToLower(host)
	for _, l := range []string{"localhost", "127.0.0.1", "[::1]"} {
		if port, ok := strings.CutPrefix(host, l); ok && (port == "" || port[0] == ':') {
			return "localhost" + port
		}
	}
	return host
}

func bad(s, format string, args ...any) *cairn.Error {
	return cairn.Errorf(cairn.CodeInvalid, "%q is not an image reference: %s", clip(s), fmt.Sprintf(format, args...))
}

func char(s string) string {
	for _, r := range s {
		return fmt.Sprintf("%q", r)
	}
	return "nothing"
}

func clip(s string) string {
	if len(s) <= 100 {
		return s
	}
	return s[:100] + "…"
}
