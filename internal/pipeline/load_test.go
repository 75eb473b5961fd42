package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// osFiles reads from a folder.
type osFiles string

func (d osFiles) ReadFile(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(d), name))
}

func (d osFiles) Stat(name string) (bool, error) {
	fi, err := os.Stat(filepath.Join(string(d), name))
	return err == nil && fi.IsDir(), err
}

func TestExample(t *testing.T) {
	t.Parallel()
	root := osFiles("../../examples/handwriting")
	for _, f := range []struct {
		path string
		kind pipeline.Kind
	}{
		{"pipelines/train.yaml", pipeline.KindPipeline}, {"pipelines/sweep.yaml", pipeline.KindPipeline},
		{"components/train/train.yaml", pipeline.KindCommandComponent}, {"environments/training.yaml", pipeline.KindEnvironment},
	} {
		doc, problems := pipeline.Load(root, f.path, pipeline.Options{})
		for _, p := range problems {
			t.Errorf("%s: %s %s", p.Position, p.Message, p.Hint)
		}
		if cairn.HasErrors(problems) {
			continue
		}
		if doc.Kind != f.kind {
			t.Errorf("%s is a %s, want %s", f.path, doc.Kind, f.kind)
		}
	}
}

// BenchmarkLoad reads and checks a pipeline with the components that it names.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if doc, problems := pipeline.Load(osFiles("../../examples/handwriting"), "pipelines/train.yaml", pipeline.Options{}); doc == nil || cairn.HasErrors(problems) {
			b.Fatal(problems)
		}
	}
}

// BenchmarkLoadNodes reads a pipeline of so many nodes: it has to grow no faster than they,
// also where each of them has mistakes.
func BenchmarkLoadNodes(b *testing.B) {
	for _, kind := range []struct {
		name, from string
		wrong      bool
	}{{"right", "${{parent.jobs.n%d.outputs.o}}", false}, {"wrong", "${{parent.jobs.m%d.outputs.o}}", true}} {
		for _, n := range []int{500, 1000, 2000} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, n), func(b *testing.B) {
				var src strings.Builder
				src.WriteString("type: pipeline\njobs:\n")
				for i := range n {
					fmt.Fprintf(&src, "  n%d:\n    type: command\n    command: echo ${{inputs.x}} >${{outputs.o}}/x\n    environment: {image: \"python:3.11\"}\n    outputs: {o: {type: uri_folder}}\n    inputs:\n      x: %d\n", i, i)
					if i > 0 {
						fmt.Fprintf(&src, "      from: "+kind.from+"\n", i-1)
					}
				}
				files := pipeline.MapFiles{Files: map[string][]byte{"p.yml": []byte(src.String())}}
				for b.Loop() {
					if doc, ps := pipeline.Load(files, "p.yml", pipeline.Options{Kind: "job"}); doc == nil || cairn.HasErrors(ps) != kind.wrong {
						b.Fatal(ps)
					}
				}
			})
		}
	}
}
