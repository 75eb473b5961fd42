package server_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/chromedp/chromedp"
)

// TestBrowser reads the pages as a person does: from the list of runs to the log
// of a step, on a wide and on a narrow screen. make test-web installs a browser.
func TestBrowser(t *testing.T) {
	if os.Getenv("CAIRN_TEST_BROWSER") == "" {
		t.Skip("needs a browser: make test-web")
	}
	t.Parallel()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{".github/workflows/a.yml": `name: Pages
on: workflow_dispatch
jobs:
  greet:
    runs-on: ubuntu-latest
    steps:
      - name: Say <b>hello</b>
        run: echo '<script>document.title = "broken"</script> & hello from the log'
`})
	r := submit(t, c, dir, client.RunRequest{})
	if done := finish(t, c, r.ID); done.Conclusion != cairn.Success {
		t.Fatal(describe(c, r.ID))
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
	do(chromedp.EmulateViewport(1200, 900), chromedp.Navigate(s.URL()+"/"))
	front := text()
	do(chromedp.Click(chromedp.CSS(`a[href="/runs/1"]`)), chromedp.WaitVisible(chromedp.CSS(`a[href^="/jobs/"]`)))
	run := text()
	do(chromedp.Click(chromedp.CSS(`a[href="/jobs/1/steps/2"]`)), chromedp.WaitVisible(chromedp.CSS("pre")))
	log := text()
	title, err := chromedp.Run(tab, chromedp.Title())
	if err != nil {
		t.Fatal(err)
	}
	do(chromedp.EmulateViewport(360, 740), chromedp.Navigate(s.URL()+"/runs/1"))
	overflow, err := chromedp.Run(tab, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ page, text, holds string }{
		{"front", front, "Pages"}, {"front", front, "success"}, {"front", front, "cairn run"},
		{"run", run, "Say <b>hello</b>"}, {"run", run, "greet"},
		{"log", log, `<script>document.title = "broken"</script> & hello from the log`},
	} {
		if !strings.Contains(want.text, want.holds) {
			t.Errorf("the %s page lacks %q:\n%s", want.page, want.holds, want.text)
		}
	}
	if title == "broken" {
		t.Error("a log line ran as a script")
	}
	if overflow {
		t.Error("at 360 pixels the run page scrolls sideways")
	}
}
