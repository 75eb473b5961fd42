package internal_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maxBinary is the largest default build, in bytes.
const maxBinary = 60 << 20

// modules are the modules that the default build links, with the reason each is
// there. A new one costs every user compile time and size: measure it first
// (make bench COLD=1) and say why in the commit that adds it here.
var modules = map[string]string{
	"cel.dev/cel-go":                                                "fixed checks of stages",
	"cel.dev/expr":                                                  "of cel-go",
	"filippo.io/age":                                                "secrets at rest",
	"filippo.io/hpke":                                               "of age",
	"github.com/agext/levenshtein":                                  "of buildkit's reader of Dockerfiles",
	"github.com/antlr4-go/antlr/v4":                                 "of cel-go",
	"github.com/bmatcuk/doublestar/v4":                              "globs with **",
	"github.com/cespare/xxhash/v2":                                  "of OpenTelemetry",
	"github.com/clipperhouse/uax29/v2":                              "of actionlint",
	"github.com/containerd/errdefs":                                 "kinds of the engine's errors",
	"github.com/containerd/errdefs/pkg":                             "of errdefs",
	"github.com/containerd/typeurl/v2":                              "of buildkit's reader of Dockerfiles",
	"github.com/danielgtaylor/huma/v2":                              "OpenAPI 3.1 from types",
	"github.com/distribution/reference":                             "names of images, as the engine reads them",
	"github.com/dlclark/regexp2/v2":                                 "expressions of problem matchers, which are .NET's",
	"github.com/docker/cli":                                         "credentials of docker login, of go-containerregistry",
	"github.com/docker/docker-credential-helpers":                   "of docker/cli",
	"github.com/docker/go-connections":                              "of the engine's client",
	"github.com/docker/go-units":                                    "of buildkit's reader of Dockerfiles",
	"github.com/dustin/go-humanize":                                 "of sqlite",
	"github.com/fatih/color":                                        "of actionlint",
	"github.com/felixge/httpsnoop":                                  "of the engine's client",
	"github.com/go-jose/go-jose/v4":                                 "signed tokens: identity tokens of jobs",
	"github.com/go-logr/logr":                                       "of OpenTelemetry",
	"github.com/go-logr/stdr":                                       "of OpenTelemetry",
	"github.com/google/go-containerregistry":                        "registries outside",
	"github.com/google/uuid":                                        "of sqlite's libc",
	"github.com/itchyny/gojq":                                       "--jq",
	"github.com/itchyny/timefmt-go":                                 "of gojq",
	"github.com/klauspost/compress":                                 "zstd layers",
	"github.com/mattn/go-colorable":                                 "of actionlint",
	"github.com/mattn/go-isatty":                                    "of sqlite's libc, actionlint",
	"github.com/mattn/go-runewidth":                                 "of actionlint",
	"github.com/mattn/go-shellwords":                                "of actionlint",
	"github.com/mfridman/interpolate":                               "of goose",
	"github.com/moby/buildkit":                                      "the reader of Dockerfiles, as docker has it",
	"github.com/moby/docker-image-spec":                             "of buildkit's reader of Dockerfiles",
	"github.com/moby/moby/api":                                      "what the engine of Docker and Podman takes and gives",
	"github.com/moby/moby/client":                                   "containers, services and actions that are images",
	"github.com/moby/patternmatcher":                                ".dockerignore",
	"github.com/opencontainers/go-digest":                           "of go-containerregistry",
	"github.com/opencontainers/image-spec":                          "of buildkit's reader of Dockerfiles",
	"github.com/pkg/errors":                                         "of buildkit's reader of Dockerfiles",
	"github.com/planetscale/vtprotobuf":                             "of buildkit's reader of Dockerfiles",
	"github.com/pressly/goose/v3":                                   "migrations",
	"github.com/remyoudompheng/bigfft":                              "of sqlite's libc",
	"github.com/rhysd/actionlint":                                   "lint warnings",
	"github.com/robfig/cron/v3":                                     "cron syntax",
	"github.com/sethvargo/go-retry":                                 "of goose",
	"github.com/sirupsen/logrus":                                    "of docker/cli",
	"github.com/spf13/cobra":                                        "commands, completion",
	"github.com/spf13/pflag":                                        "of cobra",
	"github.com/tonistiigi/go-csvvalue":                             "of buildkit's reader of Dockerfiles",
	"go.opentelemetry.io/auto/sdk":                                  "of the engine's client",
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp": "of the engine's client, which asks for it; nothing is sent",
	"go.opentelemetry.io/otel":                                      "of the engine's client",
	"go.opentelemetry.io/otel/log":                                  "of the engine's client",
	"go.opentelemetry.io/otel/metric":                               "of the engine's client",
	"go.opentelemetry.io/otel/trace":                                "of the engine's client",
	"go.uber.org/multierr":                                          "of goose",
	"go.yaml.in/yaml/v3":                                            "YAML with positions",
	"go.yaml.in/yaml/v4":                                            "of actionlint",
	"golang.org/x/crypto":                                           "of age",
	"golang.org/x/exp":                                              "of cel-go",
	"golang.org/x/sync":                                             "bounded groups",
	"golang.org/x/sys":                                              "processes, reflinks, inotify",
	"golang.org/x/term":                                             "the terminal",
	"google.golang.org/genproto/googleapis/api":                     "of cel-go",
	"google.golang.org/genproto/googleapis/rpc":                     "of cel-go",
	"google.golang.org/protobuf":                                    "of cel-go",
	"modernc.org/libc":                                              "of sqlite",
	"modernc.org/mathutil":                                          "of sqlite",
	"modernc.org/memory":                                            "of sqlite",
	"modernc.org/sqlite":                                            "the database, without cgo",
}

func TestBudget(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "cairn")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, module+"/cmd/cairn")
	// One platform, so that the table is the same wherever the test runs.
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	info, err := os.Stat(bin)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxBinary {
		t.Errorf("the binary has %d bytes; the budget is %d", info.Size(), maxBinary)
	}
	out, err := exec.Command("go", "version", "-m", bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	var linked []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "dep" {
			linked = append(linked, f[1])
		}
	}
	for _, m := range linked {
		if modules[m] == "" {
			t.Errorf("%s is linked but not in the table: say why it is worth its cost", m)
		}
	}
	for m := range modules {
		if !slices.Contains(linked, m) {
			t.Errorf("%s is in the table but no longer linked", m)
		}
	}
}
