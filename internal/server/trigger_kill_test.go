package server_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn/internal/api/client"
)

// However the owner is killed, an event that was acknowledged starts its run once,
// and one that was not starts it at most once.
func TestDispatchSurvivesKills(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	stopOwner(t, home)
	c := auto(t, home)
	dir := repository(t, map[string]string{".github/workflows/d.yml": dispatched})
	st, err := c.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "push", strings.Replace(st.URL, "http://", "http://:@", 1)+"/git/o/r.git", "HEAD:main")
	acknowledged := map[string]bool{}
	// Kills come later and later, until some come after the answer: how long one takes
	// depends on the machine.
	acks := 0
	for i := 0; i < 60 && acks < 4; i++ {
		st, err := c.Status(ctx) // starts an owner where there is none
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprint("n", i)
		time.AfterFunc(time.Duration(rand.IntN(20+20*i))*time.Millisecond, func() { _ = syscall.Kill(st.PID, syscall.SIGKILL) })
		resp, err := http.Post(st.URL+"/api/v3/repos/o/r/dispatches", "application/json",
			strings.NewReader(`{"event_type": "retrain", "client_payload": {"reason": "`+id+`"}}`))
		if err == nil {
			acknowledged[id] = resp.StatusCode == http.StatusNoContent
			acks++
			resp.Body.Close()
		}
		for syscall.Kill(st.PID, 0) == nil {
			time.Sleep(time.Millisecond)
		}
	}
	// What was written down and not taken in comes with the next owner.
	deadline := time.Now().Add(60 * time.Second)
	for {
		runs, err := c.Runs(ctx, client.RunFilter{Repository: "o/r", Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, r := range runs {
			got[fmt.Sprint(payloadOf(t, c, r.ID, "client_payload", "reason"))]++
		}
		missing := ""
		for id, ok := range acknowledged {
			if ok && got[id] == 0 {
				missing += " " + id
			}
		}
		for id, n := range got {
			if n > 1 {
				t.Fatalf("%s started %d runs", id, n)
			}
		}
		if missing == "" {
			t.Logf("%d acknowledged, %d runs", acks, len(runs))
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("acknowledged, and started nothing:%s", missing)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
