package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// sample is how many answers are looked for in the log after the load.
const sample = 5000

// underLoad deploys five times and rolls back twice while many connections ask
// without a pause: no request may fail.
func underLoad(ctx context.Context, w *world, o options) error {
	type change struct {
		what string
		do   func() error
		want int // the version that answers then
	}
	deploy := func(v int) change {
		return change{"deploy", func() error { return w.deploy(ctx, v) }, v}
	}
	back := func(to int) change {
		return change{"rollback", func() error { return w.rollback(ctx) }, to}
	}
	// A rollback leads to what was live before; what it left is not gone back to.
	changes := []change{deploy(2), deploy(3), back(2), deploy(4), deploy(5), back(4), deploy(6)}

	began := time.Now()
	c := startClients(ctx, w.url, o.connections, 0, o.seed)
	defer c.stop()
	took := map[string][]time.Duration{}
	for i, ch := range changes {
		// Evenly over the time, and none at its very beginning or end.
		due := began.Add(o.load * time.Duration(i+1) / time.Duration(len(changes)+1))
		if err := rest(ctx, time.Until(due)); err != nil {
			return err
		}
		t := time.Now()
		if err := ch.do(); err != nil {
			return err
		}
		took[ch.what] = append(took[ch.what], time.Since(t))
		if v, err := version(w.url); err != nil || v != ch.want {
			return fmt.Errorf("after change %d (%s) version %d answers (error %v), not %d", i+1, ch.what, v, err, ch.want)
		}
	}
	if err := rest(ctx, time.Until(began.Add(o.load))); err != nil {
		return err
	}
	c.stop()
	lasted := time.Since(began)

	n := len(c.answers) + len(c.failures)
	sorted := times(c.answers)
	fmt.Printf("load: %d connections for %s, %d deployments, %d rollbacks: %d requests (%.0f/s), %d failed; p50 %s, p99 %s, longest %s\n",
		o.connections, lasted.Round(100*time.Millisecond), len(took["deploy"]), len(took["rollback"]), n, float64(n)/lasted.Seconds(),
		len(c.failures), at(sorted, 50), at(sorted, 99), at(sorted, 100))
	fmt.Printf("load: deploy %s; rollback %s\n", list(took["deploy"]), list(took["rollback"]))
	for i, f := range c.failures {
		if i == 5 {
			break
		}
		fmt.Printf("load: failed after %s, %s after the beginning: %v\n", f.to.Sub(f.from).Round(time.Millisecond), f.from.Sub(began).Round(time.Millisecond), f.err)
	}
	if len(c.failures) > 0 {
		return fmt.Errorf("%d of %d requests failed", len(c.failures), n)
	}
	some := slices.Clone(c.answers)
	r := rand.New(rand.NewPCG(o.seed, 0))
	r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	some = some[:min(sample, len(some))]
	if err := w.check(ctx, some); err != nil {
		return err
	}
	fmt.Printf("load: %d of %d answers looked for in the log, all there\n", len(some), len(c.answers))
	return nil
}

func list(ds []time.Duration) string {
	var out []string
	for _, d := range ds {
		out = append(out, d.Round(10*time.Millisecond).String())
	}
	return strings.Join(out, ", ")
}
