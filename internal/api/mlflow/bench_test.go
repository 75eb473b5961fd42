package mlflow_test

import (
	"fmt"
	"strings"
	"testing"
)

// What a training script waits for, over HTTP with fsync.

func BenchmarkHTTPLogMetric(b *testing.B) {
	w := newWorld(b)
	id := w.newRun(`{}`)
	for i := 0; b.Loop(); i++ {
		w.ok("POST", api+"runs/log-metric", fmt.Sprintf(`{"run_id":%q,"key":"loss","value":%d,"timestamp":%d,"step":%d}`, id, i, i, i))
	}
}

func BenchmarkHTTPLogBatch1000(b *testing.B) {
	w := newWorld(b)
	id := w.newRun(`{}`)
	for i := 0; b.Loop(); i++ {
		var s strings.Builder
		for k := range 1000 {
			fmt.Fprintf(&s, `,{"key":"m%d","value":%d,"timestamp":%d,"step":%d}`, k%10, k, i, i*100+k/10)
		}
		w.ok("POST", api+"runs/log-batch", `{"run_id":"`+id+`","metrics":[`+s.String()[1:]+`]}`)
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "points/s")
}

func BenchmarkHTTPGetRun(b *testing.B) {
	w := newWorld(b)
	id := w.newRun(`{}`)
	w.ok("POST", api+"runs/log-batch", `{"run_id":"`+id+`","metrics":[{"key":"a","value":1,"timestamp":1}],"params":[{"key":"p","value":"1"}]}`)
	for b.Loop() {
		w.ok("GET", api+"runs/get?run_id="+id, "")
	}
}

func BenchmarkHTTPUploadSmall(b *testing.B) {
	w := newWorld(b)
	for i := 0; b.Loop(); i++ {
		if code, text, _ := w.send("PUT", fmt.Sprintf("%s/0/r/artifacts/f%d", files, i), "", fmt.Sprintf("%01024d", i)); code != 200 {
			b.Fatal(text)
		}
	}
}
