package job

import (
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

func newKit() (*kit.Kit, *term.Buffers) {
	tm, b := term.Test()
	return &kit.Kit{Term: tm, Env: func(string) string { return "" }, Now: func() time.Time { return at(60) }}, b
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		node, path string
		want       bool
	}{
		{"", "train", true}, {"train", "train", true}, {"train", "train/fit", true}, {"train", "train[2]", true}, {"train", "training", false}, {"train/fit", "train", false},
	} {
		if got := within(tc.node, tc.path); got != tc.want {
			t.Errorf("%q in %q: %v", tc.path, tc.node, got)
		}
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	d := cairn.SumBytes(nil)
	folder := cairn.DataValue{Type: "folder", Digest: d, Size: 2000, Files: 3, Ref: "data/digits:1"}.Encode()
	file := cairn.DataValue{Type: "file", Digest: d, Size: 10, URI: "./a.csv"}.Encode()
	for text, want := range map[string]string{
		"3": "3", "a\x1b[2Jb": "ab", folder: "data/digits:1 (3 files, 2.0 kB)", file: "./a.csv (10 B)",
		cairn.DataValue{Type: "file", Digest: d}.Encode():       "e3b0c44298fc (0 B)",
		cairn.EncodeDataList([]string{"1", file}):               "[1, ./a.csv (10 B)]",
		cairn.EncodeDataList([]string{"1", "2", "3", "4", "5"}): "[1, 2, 3, … and 2 more]",
	} {
		if got := value(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestBecause(t *testing.T) {
	t.Parallel()
	job := cairn.Job{Path: "train", Task: &cairn.JobTask{Asked: cairn.ReuseMissed}}
	taken := cairn.Job{Path: "train", Task: &cairn.JobTask{From: 3}}
	for _, tc := range []struct {
		x    client.CacheExplanation
		want string
	}{
		{client.CacheExplanation{Job: taken, AgainstName: "first/train", Why: "long"}, "reused from first/train"},
		{client.CacheExplanation{Job: job, Why: "it ran: no earlier job is known"}, "it ran: no earlier job is known"},
		{client.CacheExplanation{Job: job, AgainstName: "first/train", Changed: []client.ChangedPart{{Name: "code", Files: []string{"changed train.py", "added x", "removed y"}}}},
			"ran: code changed (changed train.py and 2 more files) since first/train"},
		{client.CacheExplanation{Job: job, Changed: []client.ChangedPart{{Name: "inputs.n"}, {Name: "environment"}, {Name: "a"}, {Name: "b"}, {Name: "c"}}},
			"ran: inputs.n changed, environment changed, a changed, and 2 more"},
	} {
		if got := because(&tc.x); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

func TestExplanation(t *testing.T) {
	t.Parallel()
	k, b := newKit()
	d := string(cairn.SumBytes([]byte("a")))
	err := writeExplanation(k, &client.CacheExplanation{Job: cairn.Job{Path: "train"}, Why: "it ran since code changed", AgainstName: "first/train",
		Parts:   []cairn.KeyPart{{Name: "code", Value: d}, {Name: "command", Value: "ls"}},
		Changed: []client.ChangedPart{{Name: "code", Was: string(cairn.SumBytes(nil)), Is: d, Files: []string{"changed train.py"}}, {Name: "inputs.gone", Was: "3"}}})
	want := `train  it ran since code changed
compared with first/train
  ~ code     e3b0c44298fc -> ca978112ca1b
             changed train.py
  = command  ls
  ~ inputs.gone  3 -> (none)
`
	if err != nil || b.Out.String() != want {
		t.Errorf("%v\n%s", err, b.Out.String())
	}
}

// Of a sweep the best trial is what is downloaded.
func TestLeaves(t *testing.T) {
	t.Parallel()
	trial := func(path string, best bool) cairn.Job {
		return cairn.Job{Path: path, Node: "tune", Task: &cairn.JobTask{Best: best}}
	}
	got := leaves([]cairn.Job{{Path: "prep", Node: "prep", Task: &cairn.JobTask{}}, {Path: "x", Node: "x", Call: true}, trial("tune[1]", false), trial("tune[2]", true)})
	if len(got) != 2 || got[0].Path != "prep" || got[1].Path != "tune[2]" {
		t.Errorf("%+v", got)
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	k, _ := newKit()
	r := aRun()
	r.Submitted.DisplayName = "Digits"
	r.Dirty = true
	if got := header(k, &r); got != "green_ant_4k2m9x1pqz  Digits  pipeline  experiment digits  run 42  dirty" {
		t.Error(got)
	}
}

func TestWriteJob(t *testing.T) {
	t.Parallel()
	k, b := newKit()
	r := aRun()
	r.CreatedAt = at(0)
	r.Submitted.Inputs = []cairn.Setting{{Name: "n", Value: "3"}, {Name: "d", Value: "./data"}}
	r.Submitted.Tags = map[string]string{"b": "2", "a": "1"}
	writeJob(k, &client.JobView{Run: r})
	want := `green_ant_4k2m9x1pqz  running  1m00s
  type         pipeline
  experiment   digits
  tags         a=1  b=2
  run          42, started 1m ago by ana
  inputs       n = 3
               d = ./data
`
	if got := strings.TrimRight(b.Out.String(), "\n") + "\n"; got != want {
		t.Errorf("%s", got)
	}
}
