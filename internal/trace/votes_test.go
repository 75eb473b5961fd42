package trace

import (
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestVotesOfJob(t *testing.T) {
	t.Parallel()
	var n cairn.TraceNode
	votes(&n, []cairn.Link{
		{Relation: cairn.RelRan, To: "commit/abc"},
		{Relation: cairn.RelApproved, To: "user/ben", Note: "environment production, attempt 1: metrics: checked"},
		{Relation: cairn.RelRejected, To: "user/eva", Note: "environment production, attempt 1"},
	})
	want := []cairn.TraceFact{
		{Name: "approved by", Value: "ben, environment production, attempt 1: metrics: checked"},
		{Name: "rejected by", Value: "eva, environment production, attempt 1"},
	}
	if len(n.Facts) != 2 || n.Facts[0] != want[0] || n.Facts[1] != want[1] {
		t.Errorf("%+v", n.Facts)
	}
}
