package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// answer is one request that was answered as it must be.
type answer struct {
	id         string // X-Cairn-Prediction
	sent, body []byte
	took       time.Duration
}

// failure is one that was not.
type failure struct {
	from, to time.Time
	err      error
}

// clients ask the API without a pause, or with one.
type clients struct {
	url    string
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	answers  []answer
	failures []failure
}

// startClients begins to ask. Each client has a connection of its own, which it
// closes after every hundredth request.
func startClients(ctx context.Context, url string, n int, pause time.Duration, seed uint64) *clients {
	ctx, cancel := context.WithCancel(ctx)
	c := &clients{url: url, cancel: cancel}
	for i := range n {
		c.wg.Go(func() { c.ask(ctx, pause, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	return c
}

func (c *clients) ask(ctx context.Context, pause time.Duration, r *rand.Rand) {
	transport := &http.Transport{MaxIdleConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	for n := 1; ctx.Err() == nil; n++ {
		sent := make([]byte, 16+r.IntN(2048))
		for i := range sent {
			sent[i] = byte('a' + r.IntN(26))
		}
		from := time.Now()
		a, err := post(client, c.url, sent)
		to := time.Now()
		c.mu.Lock()
		if err == nil {
			a.took = to.Sub(from)
			c.answers = append(c.answers, *a)
		} else {
			c.failures = append(c.failures, failure{from, to, err})
		}
		c.mu.Unlock()
		if n%100 == 0 {
			transport.CloseIdleConnections()
		}
		if pause > 0 || err != nil {
			time.Sleep(max(pause, time.Millisecond))
		}
	}
}

// stop ends the clients, each after the answer that it waits for.
func (c *clients) stop() {
	c.cancel()
	c.wg.Wait()
}

// post asks once, and looks whether the answer is the right one.
func post(client *http.Client, url string, sent []byte) (*answer, error) {
	resp, err := client.Post(url+"/predict", "text/plain", bytes.NewReader(sent))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %.300s", resp.Status, body)
	}
	var said struct {
		Sum  uint32 `json:"sum"`
		Size int    `json:"size"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return nil, fmt.Errorf("%.300q: %w", body, err)
	}
	if said.Size != len(sent) || said.Sum != crc32.ChecksumIEEE(sent) {
		return nil, fmt.Errorf("the answer %s belongs to another request", body)
	}
	id := resp.Header.Get("X-Cairn-Prediction")
	if id == "" || resp.Header.Get("X-Cairn-Release") == "" {
		return nil, fmt.Errorf("the answer names no prediction or no release: %v", resp.Header)
	}
	return &answer{id: id, sent: sent, body: body}, nil
}

// version asks which version of the API answers.
func version(url string) (int, error) {
	b, err := get(url + "/")
	if err != nil {
		return 0, err
	}
	var said struct {
		Version int `json:"version"`
	}
	return said.Version, json.Unmarshal(b, &said)
}

// get reads a page, over a connection of its own.
func get(url string) ([]byte, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	return getWith(&http.Client{Transport: transport, Timeout: patience}, url)
}

func getWith(client *http.Client, url string) ([]byte, error) {
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %.300s", url, resp.Status, b)
	}
	return b, err
}

// check reads answers back from the prediction log, by the ids that the clients
// saw, and compares what was sent and what was answered.
func (w *world) check(ctx context.Context, answers []answer) error {
	seen := map[string]bool{}
	for _, a := range answers {
		if seen[a.id] {
			return fmt.Errorf("the id %s was given twice", a.id)
		}
		seen[a.id] = true
	}
	const readers = 8
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: readers}, Timeout: patience}
	defer client.CloseIdleConnections()
	next := make(chan answer)
	errs := make(chan error, readers)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for a := range next {
				if err := inLog(client, w.cairn, a); err != nil {
					errs <- err
					cancel()
					return
				}
			}
		})
	}
send:
	for _, a := range answers {
		select {
		case next <- a:
		case <-ctx.Done():
			break send
		}
	}
	close(next)
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return ctx.Err()
	}
}

// inLog reads one prediction as `cairn prediction show` does.
func inLog(client *http.Client, cairn string, a answer) error {
	b, err := getWith(client, cairn+"/api/v1/predictions/"+a.id)
	if err != nil {
		return fmt.Errorf("an answer that was given is not in the log: %w", err)
	}
	type exchanged struct {
		Body []byte `json:"body"`
	}
	var p struct {
		Status   int       `json:"status"`
		Open     bool      `json:"open"`
		Request  exchanged `json:"request"`
		Response exchanged `json:"response"`
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	if p.Status != http.StatusOK || p.Open || !bytes.Equal(p.Request.Body, a.sent) || !bytes.Equal(p.Response.Body, a.body) {
		return fmt.Errorf("the log has another answer for %s: %.600s; the client was told %s", a.id, b, a.body)
	}
	return nil
}

// times sorts how long answers took.
func times(answers []answer) []time.Duration {
	out := make([]time.Duration, len(answers))
	for i, a := range answers {
		out[i] = a.took
	}
	slices.Sort(out)
	return out
}

// at gives a percentile of sorted times.
func at(sorted []time.Duration, percent float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(float64(len(sorted))*percent/100), len(sorted)-1)].Round(10 * time.Microsecond)
}
