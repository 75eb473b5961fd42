package host

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

// BenchmarkSteps is a job of 100 steps of `true` through a supervisor, beside
// BenchmarkBash, the same in a bare loop.
func BenchmarkSteps(b *testing.B) {
	home := newHome(b)
	be := open(b, home)
	spec := runnertest.Spec(0, strings.Split(strings.Repeat("true\n", 99)+"true", "\n")...)
	id := cairn.JobID(0)
	for b.Loop() {
		id++
		spec.Job = id
		runnertest.Wait(b, be, runnertest.Start(b, be, spec, cairn.JobSecrets{}), nil)
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/100, "ms/step")
}

func BenchmarkBash(b *testing.B) {
	script := b.TempDir() + "/true.sh"
	if err := os.WriteFile(script, []byte("true\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for range 100 {
			if err := exec.Command("bash", "-e", script).Run(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/100, "ms/step")
}

// BenchmarkChain starts 20 one-step jobs, each when the one before it is done.
func BenchmarkChain(b *testing.B) {
	be := open(b, newHome(b))
	id := cairn.JobID(0)
	for b.Loop() {
		for range 20 {
			id++
			runnertest.Wait(b, be, runnertest.Start(b, be, runnertest.Spec(id, "true"), cairn.JobSecrets{}), nil)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/20, "ms/job")
}

// BenchmarkReportLatency is the time from a report's write to its reading.
func BenchmarkReportLatency(b *testing.B) {
	be := open(b, newHome(b))
	var total time.Duration
	n := 0
	id := cairn.JobID(0)
	for b.Loop() {
		id++
		spec := runnertest.Spec(id, "true", "true")
		rs := runnertest.Wait(b, be, runnertest.Start(b, be, spec, cairn.JobSecrets{}), nil)
		total += time.Since(rs[len(rs)-1].At)
		n++
	}
	b.ReportMetric(float64(total.Microseconds())/float64(n), "us/report")
}
