package run_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/host"
	"github.com/cairn-ml/cairn/internal/store"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "_job" {
		os.Exit(host.SupervisorMain(context.Background(), os.Args[2], os.Stdin, host.Deps{}))
	}
	os.Exit(m.Run())
}

// onHost runs a plan with real supervisors and real processes.
func onHost(t testing.TB, st *store.Store) (submit func(*cairn.Plan) *cairn.RunSnapshot, dir string) {
	t.Helper()
	dir = t.TempDir()
	b, err := host.New(host.Options{Home: dir, Environ: os.Environ(), Labels: []string{"ubuntu-latest"}, Count: 4})
	if err != nil {
		t.Fatal(err)
	}
	x := &bench{t: t, store: st}
	x.engine = run.New(run.Options{Store: st, Backend: b, Resolver: resolver{}, Log: logger()})
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() { defer close(gone); x.engine.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-gone
		b.Close()
	})
	return func(p *cairn.Plan) *cairn.RunSnapshot { return x.ended(x.submit(p).ID) }, dir
}

func TestChainOnHost(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash")
	}
	st := openStore(t, t.TempDir())
	defer st.Close()
	submit, _ := onHost(t, st)
	p := chain(20)
	for i := range p.Nodes {
		p.Nodes[i].Outputs = []cairn.NamedValue{{Name: "n", Value: cairn.Expr("${{ steps.s.outputs.n }}")}}
		p.Nodes[i].Steps = []cairn.Step{{ID: "s", Run: cairn.Str(fmt.Sprintf("echo n=%d >> $GITHUB_OUTPUT", i))}}
		if i > 0 {
			p.Nodes[i].If = fmt.Sprintf("needs.%s.outputs.n == '%d'", name("j", i-1), i-1)
		}
	}
	began := time.Now()
	s := submit(p)
	t.Logf("20 jobs, one after the other: %s", time.Since(began))
	for _, j := range s.Jobs {
		if j.Conclusion != cairn.Success {
			t.Errorf("%s: %s %s", j.Path, j.Conclusion, j.Reason)
		}
	}
	if s.Run.Conclusion != cairn.Success || !strings.HasPrefix(s.Run.Title, "a subject") {
		t.Errorf("%+v", s.Run)
	}
	checkFold(t, st, s.Run.ID)
}

// The chain of `true` that the promise of less than a second is about, and as
// many jobs beside each other.
func BenchmarkHost(b *testing.B) {
	for _, c := range []struct {
		name string
		plan *cairn.Plan
		jobs int
	}{{"chain20", chain(20), 20}, {"wide50", wide(50), 51}} {
		b.Run(c.name, func(b *testing.B) {
			st := openStore(b, b.TempDir())
			defer st.Close()
			submit, _ := onHost(b, st)
			b.ResetTimer()
			for range b.N {
				if s := submit(c.plan); s.Run.Conclusion != cairn.Success {
					b.Fatalf("%+v", s.Run)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*c.jobs), "µs/job")
		})
	}
}
