package follow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn/internal/follow"
	"pgregory.net/rapid"
)

// TestNoPushIsLostAndNoneStartsTwice lets somebody push to a repository with a
// webhook, in any order of looks, deliveries that are late, sent twice or out of
// order, and kills. In the end each push has started exactly one run, whoever told
// of it first.
func TestNoPushIsLostAndNoneStartsTwice(t *testing.T) {
	t.Parallel()
	base := newRig(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		repo := fmt.Sprintf("o/r%d", n)
		r := &rig{t: base.t, store: base.store, m: newMirror(), runs: &runs{keys: base.runs.keys}, clock: base.clock, opts: base.opts}
		r.opts.Mirror, r.opts.Start = r.m, r.runs
		r.s = follow.New(r.opts)
		refs := []string{"refs/heads/main", "refs/heads/b", "refs/heads/new", "refs/tags/new"}
		at := map[string]string{}
		for _, ref := range refs[:2] {
			at[ref] = r.m.push(ref, repo+ref+"first")
		}
		at[refs[2]], at[refs[3]] = zero, zero
		var made []string
		h := r.addHooked(repo, follow.Change{})

		type told struct {
			id      string
			payload map[string]any
		}
		var pushed []string
		var mail []told // deliveries that were not sent yet
		commits := 0
		send := func(i int) {
			d := mail[i]
			d.payload["repository"] = map[string]any{"full_name": repo}
			if w := h.post("push", d.id, d.payload); w.Code != 202 && w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		look := func() {
			for range 20 { // a process that was killed begins again
				if _, err := r.s.Sync(base.t.Context(), repo); err == nil {
					return
				}
				r.s = follow.New(r.opts)
				h.r = r
			}
			t.Fatal("it never got through")
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				ref := rapid.SampledFrom(refs).Draw(t, "ref")
				commits++
				old := at[ref]
				if old == zero {
					made = append(made, ref)
				}
				at[ref] = r.m.push(ref, fmt.Sprintf("%s %d", repo, commits), old)
				pushed = append(pushed, ref+" "+at[ref])
				mail = append(mail, told{fmt.Sprintf("%s-%d", repo, commits), push(ref, old, at[ref])})
			},
			"deliver": func(t *rapid.T) {
				if len(mail) == 0 {
					t.Skip("nothing to send")
				}
				i := 0
				if rapid.Bool().Draw(t, "out of order") {
					i = rapid.IntRange(0, len(mail)-1).Draw(t, "which")
				}
				send(i)
				if !rapid.Bool().Draw(t, "sent again later") {
					mail = slices.Delete(mail, i, i+1)
				}
			},
			"look": func(*rapid.T) { look() },
			"kill": func(t *rapid.T) {
				r.store.mu.Lock()
				r.store.fails = rapid.IntRange(1, 3).Draw(t, "kills")
				r.store.mu.Unlock()
				look()
			},
			"start anew": func(*rapid.T) { r.s = follow.New(r.opts) },
		})
		for i := range mail {
			send(i)
		}
		look()
		look()
		var started []string
		for _, p := range r.runs.pushes {
			started = append(started, p.Ref+" "+p.New)
		}
		slices.Sort(started)
		slices.Sort(pushed)
		if !slices.Equal(started, pushed) {
			t.Fatalf("pushed\n%s\nstarted\n%s", strings.Join(pushed, "\n"), strings.Join(started, "\n"))
		}
		slices.Sort(made)
		slices.Sort(r.runs.made)
		if !slices.Equal(made, r.runs.made) {
			t.Fatalf("made %q, told of %q", made, r.runs.made)
		}
		recorded, err := r.store.RecordedRefs(base.t.Context(), repo)
		if err != nil {
			t.Fatal(err)
		}
		for ref, id := range at {
			if sha := recorded[ref].SHA; sha != id && (sha != "" || id != zero) {
				t.Fatalf("%s is recorded at %s", ref, recorded[ref].SHA)
			}
		}
	})
}

// By looks alone, where a ref may come back to a commit that it had before, each
// look that sees a move starts one run of it.
func TestLooksAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.m.push("refs/heads/main", "a")
	r.add("https://git.example/o/r", follow.Change{})
	for range 2 {
		for _, name := range []string{"b", "a"} {
			r.m.push("refs/heads/main", name)
			r.sync("o/r")
			r.sync("o/r")
		}
	}
	if got := r.runs.said(); len(got) != 4 {
		t.Errorf("%q", got)
	}
}
