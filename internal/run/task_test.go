package run_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// results answers from a map.
type results map[cairn.Digest]*cairn.TaskResult

func (r results) Result(_ context.Context, _ string, key cairn.Digest) (*cairn.TaskResult, error) {
	if got, ok := r[key]; ok {
		return got, nil
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "none")
}

func TestDataValues(t *testing.T) {
	t.Parallel()
	v := cairn.DataValue{Type: "folder", Digest: cairn.SumBytes([]byte("a")), Ref: "data/x:1"}
	got, ok := cairn.DecodeData(v.Encode())
	if !ok || got != v {
		t.Fatalf("%+v, %v", got, ok)
	}
	for _, bad := range []string{"", "data:", "data:{}", "data:[1]", "x", `data:{"type":"folder"}`} {
		if _, ok := cairn.DecodeData(bad); ok {
			t.Errorf("%q is taken for data", bad)
		}
	}
	list, ok := cairn.DecodeDataList(cairn.EncodeDataList([]string{"a", v.Encode()}))
	if !ok || len(list) != 2 || !strings.HasPrefix(list[1], "data:") {
		t.Fatalf("%v %v", list, ok)
	}
}
