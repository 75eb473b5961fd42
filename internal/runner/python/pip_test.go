package python

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

func TestPlanPip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, uv, why string }{
		{"install -r requirements.txt", "--requirements requirements.txt", ""},
		{"install -rrequirements.txt", "--requirements requirements.txt", ""},
		{"install --requirement=a.txt -c c.txt", "--requirements a.txt --constraints c.txt", ""},
		{"install -e .", "--editable .", ""},
		{"install numpy pandas==2.2", "-- numpy pandas==2.2", ""},
		{"install --no-cache-dir --quiet numpy", "--no-cache --quiet -- numpy", ""},
		{"-q install numpy", "--quiet -- numpy", ""},
		{"install -qq numpy", "--quiet --quiet -- numpy", ""},
		{"install -U numpy", "--upgrade-package numpy -- numpy", ""},
		{"install numpy[extra]>=2 --upgrade", "--upgrade-package numpy -- numpy[extra]>=2", ""},
		{"install -Ur requirements.txt", "--requirements requirements.txt --upgrade", ""},
		{"install -U --upgrade-strategy eager numpy", "--upgrade -- numpy", ""},
		{"install --index-url https://e/simple x", "--index-url https://e/simple -- x", ""},
		{"install torch --extra-index-url https://e/cpu", "--extra-index-url https://e/cpu --index-strategy unsafe-best-match -- torch", ""},
		{"install -f wheels --no-index x", "--find-links wheels --no-index -- x", ""},
		{"install --pre --force-reinstall x", "--prerelease=allow --reinstall -- x", ""},
		{"install --trusted-host e x", "--allow-insecure-host e -- x", ""},
		{"install --root-user-action ignore --progress-bar off --disable-pip-version-check x", "-- x", ""},
		{"install ./dist/app-1.0-py3-none-any.whl", "-- ./dist/app-1.0-py3-none-any.whl", ""},
		{"install git+https://e/app.git@main", "-- git+https://e/app.git@main", ""},
		{"install -- -odd", "-- -odd", ""},
		{"install --upgrade pip", "", "pip itself"},
		{"install -U pip setuptools wheel", "", "pip itself"},
		{"install pip==24.0", "", "pip itself"},
		{"install pip-tools", "-- pip-tools", ""},
		{"install --user x", "-- x", ""},
		{"install --report r.json x", "", "--report"},
		{"install --prefer-binary x", "", "--prefer-binary"},
		{"install --brand-new x", "", "--brand-new"},
		{"install -Z x", "", "-Z"},
		{"install -r", "", "--requirement without a value"},
		{"install", "", "nothing to install"},
		{"install --help", "", "--help"},
		{"list", "", ""},
		{"freeze --all", "", ""},
		{"download numpy", "", ""},
		{"uninstall -y numpy", "", ""},
		{"--version", "", "--version"},
		{"", "", ""},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			p := PlanPip(strings.Fields(c.args))
			if got := strings.Join(p.UV, " "); got != c.uv || p.Why != c.why {
				t.Errorf("uv %q why %q", got, p.Why)
			}
		})
	}
	p := PlanPip(strings.Fields("install --proxy p:3128 --cert c.pem --timeout 12.5 x"))
	if b, _ := json.Marshal(p.Env); string(b) != `{"HTTPS_PROXY":"http://p:3128","HTTP_PROXY":"http://p:3128","SSL_CERT_FILE":"c.pem","UV_HTTP_TIMEOUT":"12"}` {
		t.Errorf("%s", b)
	}
}

func FuzzPlanPip(f *testing.F) {
	f.Add("install -r x -U --pre a b[c]")
	f.Add("-qqr install\x00--")
	f.Fuzz(func(t *testing.T, s string) { PlanPip(strings.Split(s, "\x00")) })
}

func TestPipConfig(t *testing.T) {
	t.Parallel()
	user := t.TempDir()
	write(t, filepath.Join(user, ".config/pip/pip.conf"), `
# a comment
[global]
index-url = https://ana:s3cretpass@index.example/simple
extra_index_url: https://one.example/simple
    https://two.example/simple
timeout = 60.5
disable-pip-version-check = true
[install]
find-links =
    /wheels
    https://links.example/
trusted-host = index.example one.example
no-cache-dir = no
[download]
index-url = https://not.this/
[list]
format = columns
`, 0o600)
	extra := filepath.Join(t.TempDir(), "other.conf")
	write(t, extra, "[global]\ntimeout = 5\n[install]\nretries=2\n", 0o600)
	for _, c := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"file", nil, "UV_DEFAULT_INDEX=https://ana:s3cretpass@index.example/simple UV_FIND_LINKS=/wheels,https://links.example/ UV_HTTP_TIMEOUT=60 " +
			"UV_INDEX=https://one.example/simple https://two.example/simple UV_INDEX_STRATEGY=unsafe-best-match UV_INSECURE_HOST=index.example one.example"},
		{"variables win", map[string]string{"PIP_INDEX_URL": "https://v.example/", "PIP_EXTRA_INDEX_URL": "https://w/", "PIP_FIND_LINKS": "a b", "PIP_TRUSTED_HOST": "h"},
			"UV_DEFAULT_INDEX=https://v.example/ UV_FIND_LINKS=a,b UV_HTTP_TIMEOUT=60 UV_INDEX=https://w/ UV_INDEX_STRATEGY=unsafe-best-match UV_INSECURE_HOST=h"},
		{"another file", map[string]string{"PIP_CONFIG_FILE": extra, "UV_INDEX_URL": "https://mine/", "UV_EXTRA_INDEX_URL": "https://x/", "UV_FIND_LINKS": "/l", "UV_INSECURE_HOST": "z"},
			"UV_HTTP_RETRIES=2 UV_HTTP_TIMEOUT=5"},
		{"no files", map[string]string{"PIP_CONFIG_FILE": os.DevNull, "PIP_CERT": "/c.pem", "PIP_CLIENT_CERT": "/k.pem", "PIP_PROXY": "proxy:80", "PIP_NO_INDEX": "1", "PIP_PRE": "true",
			"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_CACHE_DIR": "yes", "PIP_CONSTRAINT": "c.txt"},
			"HTTPS_PROXY=http://proxy:80 HTTP_PROXY=http://proxy:80 SSL_CERT_FILE=/c.pem SSL_CLIENT_CERT=/k.pem UV_CONSTRAINT=c.txt UV_NO_BUILD_ISOLATION=1 UV_NO_CACHE=1 UV_NO_INDEX=1 UV_PRERELEASE=allow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			get := func(k string) string { return c.env[k] }
			conf := LoadPipConfig(get, user)
			var got []string
			for k, v := range conf.UVEnv(get) {
				if k == "SSL_CERT_FILE" && c.env["PIP_CERT"] == "" {
					continue // of this machine's own configuration
				}
				got = append(got, k+"="+v)
			}
			sort.Strings(got)
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
			if o := conf.OnlyPip(); o != "" {
				t.Errorf("only pip: %s", o)
			}
		})
	}
	none := func(string) string { return "" }
	if s := LoadPipConfig(none, user).Secrets(); len(s) != 1 || s[0] != "s3cretpass" {
		t.Errorf("secrets %q", s)
	}
	for value, want := range map[string]string{
		"user = true": "user", "user = false": "", "prefer-binary = 1": "prefer-binary",
		"target = /x": "target", "strange-new-option = 1": "strange-new-option", "no-binary = numpy,scipy": "",
	} {
		write(t, extra+value[:4], "[install]\n"+value+"\n", 0o600)
		conf := LoadPipConfig(func(k string) string { return map[string]string{"PIP_CONFIG_FILE": extra + value[:4]}[k] }, "")
		if got := conf.OnlyPip(); got != want {
			t.Errorf("%s: %q", value, got)
		}
	}
	extra += ".binary"
	write(t, extra, "[install]\nno-binary = numpy,scipy\n", 0o600)
	conf := LoadPipConfig(func(k string) string { return map[string]string{"PIP_CONFIG_FILE": extra}[k] }, "")
	if got := strings.Join(conf.UVArgs(), " "); got != "--no-binary numpy --no-binary scipy" {
		t.Error(got)
	}
}

// fakeVenv is an environment whose uv and Python print how they were called.
func fakeVenv(t *testing.T) (dir string, run func(env []string, args ...string) (string, int)) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "venv")
	user := t.TempDir()
	write(t, filepath.Join(user, ".netrc"), "machine e login a password b\n", 0o600)
	write(t, filepath.Join(user, ".config/pip/pip.conf"), "[global]\nindex-url = https://i.example/simple\n", 0o600)
	write(t, filepath.Join(dir, "bin/python"), "#!/bin/sh\necho \"python $@ real=$CAIRN_PIP_REAL conf=${PIP_CONFIG_FILE#"+user+"}\"\nrm -f '"+dir+"/bin/pip'\nexit 3\n", 0o755)
	uv := filepath.Join(dir, "uv")
	write(t, uv, "#!/bin/sh\necho \"uv $@ index=$UV_DEFAULT_INDEX netrc=${NETRC#"+user+"} cache=$UV_CACHE_DIR\"\nexit ${FAKE_EXIT:-0}\n", 0o755)
	write(t, filepath.Join(dir, "lib/python3.11/site-packages/README"), "", 0o644)
	st := venvState{Exe: "/opt/cairn", UV: uv, Version: "0.9.9", Cache: "/the/cache", UserHome: user}
	b, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, stateFile), string(b), 0o644)
	return dir, func(env []string, args ...string) (string, int) {
		var out bytes.Buffer
		code := PipMain(t.Context(), append([]string{dir}, args...), append(env, "PATH=/usr/bin:/bin"), Stdio{nil, &out, &out})
		return strings.ReplaceAll(out.String(), dir, "VENV"), code
	}
}

func TestPipMain(t *testing.T) {
	t.Parallel()
	dir, run := fakeVenv(t)
	out, code := run(nil, "install", "-r", "requirements.txt")
	if code != 0 || !strings.Contains(out, "done by uv 0.9.9") ||
		!strings.Contains(out, "uv pip install --python VENV/bin/python --requirements requirements.txt index=https://i.example/simple netrc=/.netrc cache=/the/cache\n") {
		t.Errorf("%d %s", code, out)
	}
	if out, code = run([]string{"FAKE_EXIT=2"}, "install", "nope"); code != 2 || !strings.Contains(out, "CAIRN_PIP=pip") {
		t.Errorf("a failing install: %d %s", code, out)
	}
	if out, code = run([]string{"CAIRN_PIP=pip"}, "install", "x"); code != 3 || !strings.Contains(out, "python -m pip install x real=1 conf=/.config/pip/pip.conf\n") {
		t.Errorf("asked for pip: %d %s", code, out)
	}
	if out, _ = run(nil, "freeze"); out != "python -m pip freeze real=1 conf=/.config/pip/pip.conf\n" {
		t.Errorf("freeze: %s", out)
	}
	if out, _ = run([]string{"PIP_TARGET=/x"}, "install", "x"); !strings.Contains(out, "done by pip, not uv (target in pip's configuration)") {
		t.Errorf("a configuration only pip knows: %s", out)
	}
	shim, err := os.ReadFile(filepath.Join(dir, "bin/pip"))
	if err != nil || !strings.HasPrefix(string(shim), "#!/bin/sh\nexec '/opt/cairn' _pip '"+dir+"'") {
		t.Errorf("the shim comes back: %v %q", err, shim)
	}
}

func TestSourcesOfRequirements(t *testing.T) {
	t.Parallel()
	dir, run := fakeVenv(t)
	req := filepath.Join(t.TempDir(), "requirements.txt")
	write(t, req, "--extra-index-url https://cpu.example/whl\n-f wheels\n# --index-url https://not.this\ntorch\n", 0o644)
	run(nil, "install", "-r", req, "-i", "https://i.example", "x")
	got, err := os.ReadFile(filepath.Join(dir, sourcesFile))
	want := "--extra-index-url https://cpu.example/whl\n--find-links " + filepath.Join(filepath.Dir(req), "wheels") + "\n--index-url https://i.example\n"
	if err != nil || string(got) != want {
		t.Errorf("%v %q", err, got)
	}
}

func TestLockReading(t *testing.T) {
	t.Parallel()
	const text = `lock-version = "1.0"
[[packages]]
name = "numpy"
version = "2.4.6"
sdist = { url = "https://f.example/numpy-2.4.6.tar.gz", size = 9, hashes = { sha256 = "00000041c42a5938ed220bdcd7230f22527fbec085e1853d2402c8a3615d9d00" } }
wheels = [
    { url = "https://u:p@f.example/numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl", upload-time = 2026-10-11T00:59:55Z, size = 1929915, hashes = { sha256 = "50a195903119008fe9cc68710535eb37f556ffffd6a7759afe70a2c145587045" } },
    { url = "https://f.example/numpy-2.4.6-py3-none-any.whl", size = 279517, hashes = { sha256 = "efc21a454892828368b11c2c780de0ff8bc991f73f6b99c6b66e56205470929b" } },
]

[[packages]]
name = "local"
version = "1"
wheels = [{ name = "local-1-py3-none-any.whl", path = "/w/local-1-py3-none-any.whl", hashes = { sha256 = "efc21a454892828368b11c2c780de0ff8bc991f73f6b99c6b66e56205470929b" } }]
`
	ws, err := readPylock(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	w := chooseWheel(ws["numpy 2.4.6"], []string{"cp311-cp311-manylinux_2_27_x86_64", "cp311-cp311-manylinux_2_28_x86_64"})
	if w == nil || w.size != 1929915 || !strings.HasPrefix(w.sha256, "50a19590") || strings.Contains(w.url, "u:p") {
		t.Errorf("%+v", w)
	}
	if w := chooseWheel(ws["numpy 2.4.6"], []string{"cp312-cp312-linux_x86_64"}); w != nil {
		t.Errorf("a wheel that was built here has no hash of the index: %+v", w)
	}
	if w := chooseWheel(ws["local 1"], []string{"py3-none-any"}); w == nil || w.path == "" {
		t.Errorf("%+v", ws)
	}
}
