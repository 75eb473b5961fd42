package base

import (
	"os"
	"testing"
)

func FuzzParseCache(f *testing.F) {
	if b, err := os.ReadFile("/etc/ld.so.cache"); err == nil && len(b) < 1<<20 {
		f.Add(b)
	}
	f.Add([]byte(cacheMagic + "\x01\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, ps := range parseCache(b) {
			if name == "" || len(ps) == 0 {
				t.Error("an entry without a name or a file")
			}
		}
	})
}

func TestSkip(t *testing.T) {
	t.Parallel()
	for rel, want := range map[string]bool{
		"os.py": false, "unittest/case.py": false, "unittest/test/x.py": true, "test/support.py": true, "ctypes/test/x.py": true, "lib-dynload/_ssl.so": false,
		"lib-dynload/_tkinter.cpython-311.so": true, "lib-dynload/_testcapi.so": true, "json/__pycache__/x.pyc": true, "site-packages/numpy": true,
		"config-3.11-x86_64-linux-gnu/libpython.a": true, "importlib/resources/abc.py": false,
	} {
		if got := skip(rel); got != want {
			t.Errorf("%s: %v", rel, got)
		}
	}
}
