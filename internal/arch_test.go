package internal_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cairn-ml/cairn"

// room is one line of the table in docs/architecture.md: what a room may import
// of ours. A sub-room ("runner/host") may import its own room and whatever that
// room may.
type room struct {
	name  string
	may   []string // rooms, "root"; everything else of ours is banned
	extra []string // further imports that sub-rooms of it need, as full paths below internal/
}

// rooms is the one direction of imports. Tier-2 rooms meet through root types
// and through interfaces that the consumer declares; server plugs them together.
var rooms = []room{
	{name: "expr", may: []string{"root"}},
	{name: "proc"},
	{name: "workflow", may: []string{"root", "expr"}},
	{name: "stages", may: []string{"root"}},
	{name: "pipeline", may: []string{"root"}},
	{name: "sweep", may: []string{"root"}},
	{name: "plan", may: []string{"root", "expr", "workflow", "pipeline"}},
	{name: "cas", may: []string{"root"}},
	{name: "git", may: []string{"root"}},
	{name: "run", may: []string{"root", "expr", "plan", "sweep"}},
	{name: "runner", may: []string{"root", "proc", "expr", "workflow"}},
	{name: "asset", may: []string{"root"}},
	{name: "track", may: []string{"root"}},
	{name: "oci", may: []string{"root"}},
	{name: "deploy", may: []string{"root", "proc", "stages"}},
	{name: "gateway", may: []string{"root", "proc"}},
	{name: "endpoint", may: []string{"root"}},
	{name: "trace", may: []string{"root"}},
	{name: "auth", may: []string{"root"}},
	{name: "trigger", may: []string{"root", "workflow", "pipeline"}},
	{name: "follow", may: []string{"root"}},
	{name: "cache", may: []string{"root"}},
	{name: "store", may: []string{"root"}},
	{name: "api", may: []string{"root", "expr", "workflow", "pipeline", "sweep", "stages", "plan", "cas", "git", "run", "runner", "asset", "track", "oci", "deploy", "gateway", "endpoint", "trace", "auth", "trigger", "follow", "cache"}},
	{name: "web", may: []string{"root", "expr", "workflow", "pipeline", "sweep", "stages", "plan", "cas", "git", "run", "runner", "asset", "track", "oci", "deploy", "gateway", "endpoint", "trace", "auth", "trigger", "follow", "cache"}},
	{name: "cli", may: []string{"root", "expr", "workflow", "pipeline", "sweep", "stages", "plan", "cas", "git", "trigger"}, extra: []string{"api/client"}},
	{name: "server", may: []string{"root", "proc", "expr", "workflow", "pipeline", "sweep", "stages", "plan", "cas", "git", "run", "runner", "asset", "track", "oci", "deploy", "gateway", "endpoint", "trace", "auth", "trigger", "follow", "cache", "store", "api", "web", "cli"}},
}

// ban keeps a package of others inside the rooms that exist to wrap it.
type ban struct {
	pkg    string // an import path, or a prefix that ends in "/"
	only   []string
	reason string
}

var bans = []ban{
	{"database/sql", []string{"store"}, "SQL is written once, for every database; other rooms declare the few methods they need"},
	{"modernc.org/sqlite", []string{"store"}, "the driver is store's choice"},
	{"github.com/pressly/goose/v3", []string{"store"}, "migrations belong to store"},
	{"net/http", []string{"api", "web", "server", "gateway", "endpoint", "oci", "git", "auth", "runner/", "deploy/", "follow", "asset/fetch", "track/webhook", "cas/remote", "scripts/"},
		"HTTP stays at the edge, so that rooms can be driven without a network"},
	{"github.com/danielgtaylor/huma/v2", []string{"api"}, "the HTTP framework is api's choice"},
	{"github.com/spf13/cobra", []string{"cli"}, "only the command line knows flags"},
	{"github.com/rhysd/actionlint", []string{"workflow"}, "its findings are warnings; our own reader decides"},
	{"filippo.io/age", []string{"auth"}, "secrets are sealed in one place"},
	{"golang.org/x/term", []string{"cli"}, "only the command line has a terminal"},
	{"k8s.io/", []string{"deploy/kube", "runner/kube"}, "heavy clients stay in their own sub-rooms"},
	{"github.com/moby/", []string{"oci", "runner/docker"}, "only images need the reader of Dockerfiles, only jobs in containers the engine's client"},
	{"github.com/go-jose/", []string{"auth"}, "tokens are signed in one place"},
	{"github.com/google/go-containerregistry/", []string{"oci"}, "only images talk to registries"},
	{"cel.dev/cel-go/", []string{"stages"}, "checks are read and evaluated in one place"},
	{"math/rand", nil, "randomness comes in through constructors (crypto/rand for tokens)"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func load(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var ps []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return ps
		} else if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
}

// place returns a package's path below internal/: "runner/host", "root", "cmd/cairn".
func place(importPath string) (string, bool) {
	if importPath == module {
		return "root", true
	}
	if p, ok := strings.CutPrefix(importPath, module+"/internal/"); ok {
		return p, true
	}
	if p, ok := strings.CutPrefix(importPath, module+"/"); ok {
		return p, true
	}
	return "", false
}

func roomOf(p string) string {
	head, _, _ := strings.Cut(p, "/")
	return head
}

func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	known := map[string]room{}
	for _, r := range rooms {
		known[r.name] = r
	}
	for _, p := range load(t) {
		at, _ := place(p.ImportPath)
		if at == "root" {
			for _, imp := range p.Imports {
				if strings.Contains(imp, ".") {
					t.Errorf("the root package imports %s: it may import only the standard library", imp)
				}
			}
			continue
		}
		if strings.HasPrefix(at, "cmd/") {
			for _, imp := range p.Imports {
				if to, ours := place(imp); ours && to != "server" {
					t.Errorf("%s imports %s: commands import only server", at, to)
				}
			}
			continue
		}
		if at == "internal" {
			continue // this test
		}
		if strings.HasPrefix(at, "scripts/") {
			for _, imp := range p.Imports {
				if to, ours := place(imp); ours {
					t.Errorf("%s imports %s: scripts drive the built binary and import nothing of ours", at, to)
				}
			}
			continue
		}
		r, ok := known[roomOf(at)]
		if !ok {
			t.Errorf("%s is a new room: give it a line in this table and in docs/architecture.md", at)
			continue
		}
		for _, imp := range p.Imports {
			to, ours := place(imp)
			if !ours || roomOf(to) == r.name && to != "root" {
				continue
			}
			if !slices.Contains(r.may, roomOf(to)) && !slices.Contains(r.extra, to) {
				t.Errorf("%s imports %s: room %s may import only %s%s", at, to, r.name, strings.Join(r.may, ", "), suffix(r.extra))
			}
		}
	}
}

func suffix(extra []string) string {
	if len(extra) == 0 {
		return ""
	}
	return " and " + strings.Join(extra, ", ")
}

func TestBannedImports(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		at, _ := place(p.ImportPath)
		for _, imp := range p.Imports {
			for _, b := range bans {
				if imp != b.pkg && !(strings.HasSuffix(b.pkg, "/") && strings.HasPrefix(imp, b.pkg)) {
					continue
				}
				if !slices.ContainsFunc(b.only, func(o string) bool {
					return at == strings.TrimSuffix(o, "/") || strings.HasPrefix(at, path.Clean(o)+"/")
				}) {
					t.Errorf("%s imports %s: %s", at, imp, b.reason)
				}
			}
		}
	}
}

// TestNoPackageState refuses init functions: registration is done by whoever
// wires, in server.
func TestNoInit(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("grep", "-rnE", "--include=*.go", `^func init\(\)`, "..").CombinedOutput()
	var exit *exec.ExitError
	if err == nil {
		t.Errorf("init functions:\n%s", out)
	} else if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("grep: %v\n%s", err, out)
	}
}
