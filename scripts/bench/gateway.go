package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// serveWord makes this program the smallest API: the image of it holds nothing else.
const serveWord = "serve-bench"

// serve answers each request with 200 bytes.
func serve() {
	answer := []byte(strings.Repeat("y", 200))
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what a client breaks off it does not ask for either
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
	os.Exit(1)
}

const (
	perSecond  = 200 // requests of all connections together
	loadTime   = 3 * time.Second
	loadRounds = 2
	bodySize   = 2000
)

// gateway measures answers of one and the same program, asked directly and through
// the stage's process, in each mode of the prediction log. Requests come at a rate
// that leaves the machine room: what is compared is how long one takes, and not what
// two processors can do at most.
func (b *bench) gateway() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	modes := []string{"sync", "async", "off"}
	stages := "service: gateway\nstages:\n"
	for _, m := range modes {
		stages += fmt.Sprintf("  %s: {health: /, log: {mode: %q}}\n", m, m)
	}
	err = b.files("gateway", map[string]string{
		"api/serve": string(program), "api/Dockerfile": "FROM scratch\nCOPY serve /serve\nENTRYPOINT [\"/serve\", \"" + serveWord + "\"]\n",
		".cairn/stages.yml": stages, ".github/workflows/none.yml": "on: workflow_dispatch\njobs:\n  none:\n    runs-on: ubuntu-latest\n    steps:\n      - run: 'true'\n",
	})
	if err != nil {
		return err
	}
	if _, err := b.run("gateway", "git", "init", "-q", "-b", "main"); err != nil {
		return err
	}
	if err := b.commit("gateway", "bench"); err != nil {
		return err
	}
	for _, args := range [][]string{{"run", "--workflow", "none", "--progress", "quiet"}, {"image", "build", "-q", "-t", "bench-gateway:main", "api"}} {
		if _, err := b.run("gateway", b.cairn, args...); err != nil {
			return err
		}
	}
	for _, mode := range modes {
		if _, err := b.run("gateway", b.cairn, "deploy", "bench-gateway:main", "--to", mode, "--repo", "local/gateway"); err != nil {
			missing("gateway, log "+mode, err)
			return nil
		}
		url, err := b.stage(mode, "url")
		if err != nil {
			return err
		}
		port, err := b.stage(mode, "port")
		if err != nil {
			return err
		}
		for _, n := range []int{1, 8, 50} {
			var bare, through []time.Duration
			for range loadRounds { // in turns, so that what else runs here hits both
				for to, times := range map[string]*[]time.Duration{"http://127.0.0.1:" + port: &bare, url: &through} {
					more, err := b.load(to+"/predict", n)
					if err != nil {
						return err
					}
					*times = append(*times, more...)
				}
			}
			slices.Sort(bare)
			slices.Sort(through)
			row(fmt.Sprintf("gateway, log %s, %d connections", mode, n), ms(through[len(through)/2]), ms(bare[len(bare)/2])+" bare",
				fmt.Sprintf("p50, %s added; p99 %s beside %s", ms(through[len(through)/2]-bare[len(bare)/2]), ms(through[len(through)*99/100]), ms(bare[len(bare)*99/100])))
		}
		if _, err := b.run("gateway", b.cairn, "stop", mode, "--repo", "local/gateway"); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(b.dir, "gateway"))
}

// load asks from so many connections at once and returns how long each answer took.
func (b *bench) load(url string, connections int) ([]time.Duration, error) {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	body := strings.Repeat("x", bodySize)
	end := time.Now().Add(loadTime)
	pause := time.Duration(connections) * time.Second / perSecond
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var wait sync.WaitGroup
	for range connections {
		wait.Go(func() {
			var mine []time.Duration
			var err error
			// By chance, as people come: not all at the same moment.
			for time.Sleep(rand.N(pause)); time.Now().Before(end) && b.ctx.Err() == nil; time.Sleep(rand.N(2 * pause)) {
				start := time.Now()
				var resp *http.Response
				if resp, err = client.Post(url, "application/json", strings.NewReader(body)); err != nil {
					break
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err == nil && resp.StatusCode != http.StatusOK {
					err = fmt.Errorf("%s answered %s", url, resp.Status)
				}
				if err != nil {
					break
				}
				mine = append(mine, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
			if err != nil {
				failed = err
			}
		})
	}
	wait.Wait()
	if failed == nil && len(all) == 0 {
		failed = fmt.Errorf("%s was not asked", url)
	}
	return all, failed
}
