package compute

import (
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

func TestMinutes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"PT30M": 30, "pt2h": 120, "P1DT1H": 1500, "PT90S": 2, "PT1H30M": 90, "PT": 0, "P": 0, "30": 0, "": 0, "PT0M": 0, "PT-5M": 0} {
		if got, ok := minutes(in); got != want || ok != (want > 0) {
			t.Errorf("%q: %d %v", in, got, ok)
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	of := func(src string) (cairn.Compute, error) {
		t.Helper()
		doc, ps := pipeline.Load(pipeline.MapFiles{Files: map[string][]byte{"c.yml": []byte(src)}}, "c.yml", pipeline.Options{Kind: pipeline.KindCompute})
		if cairn.HasErrors(ps) {
			t.Fatal(ps)
		}
		return Of(doc.Value)
	}
	x, err := of("name: cpu\ntype: AmlCompute\nmax_instances: 0\ntags: {team: vision}\nprovisioning_state: Succeeded\nid: /x\n")
	if err != nil || x.Type != cairn.ComputeCluster || x.Max != 0 || x.Idle != DefaultIdle || x.Tags["team"] != "vision" {
		t.Errorf("%+v %v", x, err)
	}
	if x, err = of("name: cpu\ntype: amlcompute\nmax_instances: '3'\n"); err != nil || x.Max != 3 || x.Min != 0 {
		t.Errorf("%+v %v", x, err)
	}
	if x, err = of("name: desk\ntype: computeinstance\nidle_time_before_shutdown: PT45M\n"); err != nil || x.Shutdown != 45 {
		t.Errorf("%+v %v", x, err)
	}
	Fill(&x)
	if x.Max != 1 || x.Idle != 0 || x.Size != DefaultSize {
		t.Errorf("%+v", x)
	}
	if _, err = of("name: desk\ntype: computeinstance\nidle_time_before_shutdown: soon\n"); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Error(err)
	}
}
