package python

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFetchUV: uv comes through the pip that is there, else through one of a new
// environment; what the index says is not asked for twice.
func TestFetchUV(t *testing.T) {
	t.Parallel()
	const answer = `echo '#!/bin/sh' >"$d/bin/uv"; echo 'echo uv 0.9.9' >>"$d/bin/uv"; chmod +x "$d/bin/uv"`
	for _, c := range []struct{ name, pip, calls, fails string }{
		{"a pip that is there", `d=$(dirname "$(dirname "$4")"); ` + answer, "venv pip", ""},
		{"no pip", `echo "No module named pip" >&2; exit 1`, "venv pip venv own", ""},
		{"an old pip", `echo "no such option: --python" >&2; exit 2`, "venv pip venv own", ""},
		{"no index", `echo "Could not find a version that satisfies uv" >&2; exit 1`, "venv pip", "Could not find a version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			calls := filepath.Join(dir, "calls")
			own := "#!/bin/sh\necho own >>" + calls + "\nd=$(dirname \"$(dirname \"$0\")\")\n" + answer + "\n"
			write(t, filepath.Join(dir, "own"), own, 0o755)
			base := filepath.Join(dir, "python3")
			write(t, base, `#!/bin/sh
case "$*" in
*"-m venv"*) echo venv >>`+calls+`; for d; do :; done; mkdir -p "$d/bin"; cp `+dir+`/own "$d/bin/python" ;;
*) echo pip >>`+calls+`
`+c.pip+` ;;
esac
`, 0o755)
			tools := &Tools{Home: filepath.Join(dir, "home"), UserHome: dir, Environ: []string{"PATH=/usr/bin:/bin"}}
			uv, err := tools.UV(t.Context(), Interpreter{Path: base, HasVenv: true})
			got, _ := os.ReadFile(calls)
			if s := strings.Join(strings.Fields(string(got)), " "); s != c.calls {
				t.Errorf("calls %q", s)
			}
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%v", err)
				}
			} else if err != nil || uv.Version != "0.9.9" {
				t.Errorf("%v %v", uv, err)
			}
		})
	}
}
