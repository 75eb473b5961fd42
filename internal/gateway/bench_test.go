package gateway

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

// hammer sends requests from so many clients and reports the median.
func hammer(b *testing.B, url string, clients int) {
	b.Helper()
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * clients}}
	body := strings.Repeat("x", 2000)
	var mu sync.Mutex
	var times []time.Duration
	b.SetParallelism((clients + 1) / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var mine []time.Duration
		for pb.Next() {
			at := time.Now()
			resp, err := c.Post(url, "text/plain", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			mine = append(mine, time.Since(at))
			if resp.StatusCode != 200 {
				b.Errorf("status %d", resp.StatusCode)
				return
			}
		}
		mu.Lock()
		times = append(times, mine...)
		mu.Unlock()
	})
	b.StopTimer()
	slices.Sort(times)
	if n := len(times); n > 0 {
		b.ReportMetric(float64(times[n/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(times[n*99/100].Microseconds()), "p99-µs")
	}
}

// BenchmarkBare asks the program itself, BenchmarkGateway through the gateway: the
// difference is what it adds, the record on the disk included.
func BenchmarkBare(b *testing.B) {
	r := inside(b)
	r.live(spec(b, 1, releaseA, "ok"))
	url := "http://127.0.0.1:" + strconv.Itoa(r.status().Live.Port) + "/predict"
	for _, n := range []int{2, 50} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { hammer(b, url, n) })
	}
}

func BenchmarkGateway(b *testing.B) {
	r := inside(b)
	for i, mode := range []string{"sync", "async", "off"} {
		r.live(spec(b, cairn.DeploymentID(i+1), releaseA, "ok", func(x *cairn.StageInstance) { x.Log.Mode = mode }))
		for _, n := range []int{2, 50} {
			b.Run(mode+"/"+strconv.Itoa(n), func(b *testing.B) { hammer(b, r.url+"/predict", n) })
		}
	}
}

// BenchmarkRollback switches to the release that is kept warm.
func BenchmarkRollback(b *testing.B) {
	r := inside(b)
	r.live(spec(b, 1, releaseA, "ok"))
	r.live(spec(b, 2, releaseB, "ok"))
	d := cairn.DeploymentID(2)
	for b.Loop() {
		d++
		release := releaseA
		if d%2 == 0 {
			release = releaseB
		}
		if es := r.live(spec(b, d, release, "ok")); len(es) != 2 {
			b.Fatal(texts(es))
		}
	}
}
