package deploy_test

import (
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
)

// BenchmarkDeploy is what Cairn itself adds between asking for a deployment and
// its being live: rows, gate and loop, with a target that takes no time.
func BenchmarkDeploy(b *testing.B) {
	r := newRig(b)
	r.image(1)
	for b.Loop() {
		d, err := r.s.Deploy(b.Context(), deploy.Request{Image: "api:1", Stage: "staging"}, ana)
		if err != nil {
			b.Fatal(err)
		}
		if d, err = r.s.Await(b.Context(), d.ID); err != nil || d.Status != cairn.DeployLive {
			b.Fatalf("%+v %v", d, err)
		}
	}
}
