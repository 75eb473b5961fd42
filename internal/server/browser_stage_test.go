package server

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowserStages goes from the list of stages to one of them, from its last
// prediction to the trace, and on to the model, on a wide and on a narrow screen.
// make test-web installs a browser.
func TestBrowserStages(t *testing.T) {
	if os.Getenv("CAIRN_TEST_BROWSER") == "" {
		t.Skip("needs a browser: make test-web")
	}
	t.Parallel()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	h := newLineageHome(t)
	h.code()
	h.release("aaaaaaaaaaaa", h.commits[1], "<script>document.title = 'broken'</script>")
	d := h.live("production", "aaaaaaaaaaaa", 7484)
	ids := h.answers(d, 2)
	if _, err := h.c.ReportPrediction(context.Background(), ids[1], "<b>7</b>", ""); err != nil {
		t.Fatal(err)
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-quic", true))...)
	defer stop()
	tab, closeTab := chromedp.NewContext(alloc)
	defer closeTab()
	do := func(actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(tab, actions...); err != nil {
			t.Fatal(err)
		}
	}
	text := func() string {
		t.Helper()
		s, err := chromedp.Run(tab, chromedp.Text(chromedp.CSS("body")))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	do(chromedp.EmulateViewport(1200, 900), chromedp.Navigate(h.url+"/"))
	front := text()
	do(chromedp.Click(chromedp.CSS(`a[href="/stages/local/digits/production"]`)), chromedp.WaitVisible(chromedp.CSS(`a[href^="/trace?ref=prediction"]`)))
	stage := text()
	do(chromedp.Click(chromedp.CSS(`a[href^="/trace?ref=prediction"]`)), chromedp.WaitVisible(chromedp.CSS(".chain")))
	chain := text()
	do(chromedp.Click(chromedp.CSS(`.chain a[href^="/trace?ref=model"]`)), chromedp.WaitVisible(chromedp.CSS(".chain")))
	model := text()
	title, err := chromedp.Run(tab, chromedp.Title())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ page, text, holds string }{
		{"front", front, "production"}, {"front", front, "r1 of digits"}, {"front", front, "Resize faster"},
		{"stage", stage, "expected <b>7</b>"}, {"stage", stage, "not healthy"}, {"stage", stage, string(ids[0])},
		{"trace", chain, "served by deployment 1 on production"}, {"trace", chain, "Resize faster"}, {"model", model, "model digits:1"},
	} {
		if !strings.Contains(want.text, want.holds) {
			t.Errorf("the %s page lacks %q:\n%s", want.page, want.holds, want.text)
		}
	}
	if title == "broken" {
		t.Error("a value ran as a script")
	}
	for _, path := range []string{"/", "/stages/local/digits/production", "/trace?ref=production"} {
		do(chromedp.EmulateViewport(360, 740), chromedp.Navigate(h.url+path))
		overflow, err := chromedp.Run(tab, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
		if err != nil {
			t.Fatal(err)
		}
		if overflow {
			t.Errorf("at 360 pixels %s scrolls sideways", path)
		}
	}
}
