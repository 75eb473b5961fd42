package python

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// lazyJob is a job's PATH over a machine whose python3 and uv are scripts.
func lazyJob(t *testing.T) (link string, sh func(script string) string) {
	t.Helper()
	user, home, work := t.TempDir(), t.TempDir(), t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(user, "bin")
	arch := map[string]string{"x64": "x86_64", "arm64": "aarch64"}[HostArch()]
	write(t, filepath.Join(bin, "python3"), `#!/bin/sh
case "$*" in
*_base_executable*) echo '{"v":[3,11,7],"l":"final","s":0,"impl":"cpython","exe":"'"$0"'","plat":"linux-`+arch+`","ft":false,"venv":true}' ;;
*) echo "host python $@" ;;
esac
`, 0o755)
	write(t, filepath.Join(bin, "pip"), "#!/bin/sh\necho host pip\n", 0o755)
	write(t, filepath.Join(bin, "uv"), `#!/bin/sh
case "$1" in
--version) echo "uv 0.9.9" ;;
venv) for d; do :; done
  mkdir "$d" "$d/bin" && mkdir -p "$d/lib/python3.11/site-packages"
  printf '#!/bin/sh\necho "job python $@"\n' >"$d/bin/python"
  chmod +x "$d/bin/python" ;;
*) echo "uv $@" ;;
esac
`, 0o755)
	path := bin + ":/usr/bin:/bin"
	link = filepath.Join(t.TempDir(), "it's a job", "default")
	tools := &Tools{Home: home, UserHome: user, Exe: exe}
	add, err := tools.OfferDefault(link, path)
	if err != nil || len(add) != 2 {
		t.Fatal(add, err)
	}
	for _, p := range add {
		path = p + ":" + path
	}
	return link, func(script string) string {
		t.Helper()
		cmd := exec.Command("/bin/sh", "-ec", script)
		cmd.Dir, cmd.Env = work, []string{"PATH=" + path, "HOME=" + work}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out.String())
		}
		return out.String()
	}
}

func TestPipWithoutSetupPython(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"pip install six", "pip3 install six", "python -m pip install six", "python3 -W ignore -Im pip install six",
		"python setup.py -q install", "python3 /tmp/get-pip.py"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			link, sh := lazyJob(t)
			if out := sh("python3 train.py; python --version"); out != "host python train.py\nhost python --version\n" {
				t.Errorf("a job that calls no pip has the machine's Python: %s", out)
			}
			if _, _, ok := Default(link); ok {
				t.Fatal("an environment that nobody asked for")
			}
			out := sh(call)
			if !strings.Contains(out, "in an environment of the job's own, with Python 3.11.7 (") || strings.Contains(out, "host pip") {
				t.Errorf("%s", out)
			}
			dir, base, ok := Default(link)
			if !ok || filepath.Base(base) != "python3" || filepath.Base(dir) != "default-3.11.7" {
				t.Errorf("%s %s %v", dir, base, ok)
			}
			// The second time nothing is made, and python is the environment's.
			if out := sh("pip install idna"); strings.Contains(out, "job's own") || !strings.Contains(out, "uv pip install --python "+dir+"/bin/python -- idna") {
				t.Errorf("%s", out)
			}
			if out := sh("python train.py"); out != "job python train.py\n" {
				t.Errorf("%s", out)
			}
		})
	}
}

// A shell remembers where it found a program before the environment was there.
func TestPipWithinOneScript(t *testing.T) {
	t.Parallel()
	_, sh := lazyJob(t)
	out := sh("python3 -c before; pip install -q six; python3 -c after; pip install -q idna")
	if !strings.HasPrefix(out, "host python -c before\n") || !strings.Contains(out, "job python -c after\n") || strings.Count(out, "job's own") != 1 {
		t.Errorf("%s", out)
	}
}

func TestPipTwiceAtOnce(t *testing.T) {
	t.Parallel()
	_, sh := lazyJob(t)
	var wg sync.WaitGroup
	outs := make([]string, 4)
	for i := range outs {
		wg.Go(func() { outs[i] = sh("pip install six") })
	}
	wg.Wait()
	if all := strings.Join(outs, ""); strings.Count(all, "job's own") != 1 || strings.Count(all, "done by uv") != len(outs) {
		t.Errorf("%s", all)
	}
}

func TestNothingIsOfferedWithoutPython(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "default")
	tools := &Tools{Exe: "/opt/cairn"}
	if add, err := tools.OfferDefault(link, t.TempDir()); err != nil || add != nil {
		t.Errorf("%v %v", add, err)
	}
	if _, err := os.Stat(link + "-programs"); err == nil {
		t.Error("programs that lead nowhere")
	}
}
