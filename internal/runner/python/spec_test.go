package python

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestSpecMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ spec, yes, no string }{
		{"3.11", "3.11.0 3.11.7", "3.1.0 3.10.13 3.12.0 3.11.0rc1"},
		{"3", "3.6.15 3.13.0", "2.7.18 4.0.0"},
		{"3.x", "3.6.15 3.13.0", "2.7.18 3.14.0rc1"},
		{"3.11.x", "3.11.0 3.11.7", "3.12.0"},
		{"3.11.7", "3.11.7", "3.11.6 3.11.8 3.11.7rc1"},
		{">=3.9 <3.12", "3.9.0 3.11.7", "3.8.18 3.12.0 3.12.0rc1"},
		{">=3.9,<3.12", "3.9.0 3.11.7", "3.8.18 3.12.0"},
		{">= 3.9", "3.9.0 3.13.0", "3.8.18"},
		{">3.9", "3.10.0", "3.9.18 3.9.0"},
		{">3.9.5", "3.9.6", "3.9.5"},
		{"<=3.9", "3.9.18", "3.10.0"},
		{"~3.11", "3.11.0 3.11.9", "3.12.0"},
		{"^3.9", "3.9.0 3.13.0", "3.8.0 4.0.0"},
		{"~=3.9", "3.9.1 3.13.0", "4.0.0"},
		{"~=3.9.2", "3.9.2 3.9.18", "3.9.1 3.10.0"},
		{"3.9 - 3.11", "3.9.0 3.11.7", "3.8.18 3.12.0"},
		{"3.8 || 3.10", "3.8.1 3.10.2", "3.9.0 3.11.0"},
		{"==3.11.*", "3.11.4", "3.12.0"},
		{">=3.8,!=3.9.*", "3.8.1 3.10.0", "3.9.7"},
		{">=3.8,!=3.9.7", "3.9.6", "3.9.7"},
		{"3.13-dev", "3.13.0a1 3.13.0rc2 3.13.0 3.13.4", "3.14.0a1 3.12.0"},
		{"3.13.0-rc.2", "3.13.0rc2", "3.13.0 3.13.0rc1"},
		{"3.13.0rc2", "3.13.0rc2", "3.13.0"},
		{"python3.11", "3.11.7", "3.12.0"},
		{"*", "3.11.7 2.7.18", ""},
	} {
		t.Run(c.spec, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSpec(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			for i, list := range []string{c.yes, c.no} {
				for _, text := range strings.Fields(list) {
					v, ok := ParseVersion(text)
					if !ok {
						t.Fatalf("%q is not a version", text)
					}
					if got := s.Match(v); got != (i == 0) {
						t.Errorf("%s matches %s: %v", c.spec, text, got)
					}
				}
			}
		})
	}
}

func TestSpecRefused(t *testing.T) {
	t.Parallel()
	for spec, code := range map[string]cairn.Code{
		"":                        cairn.CodeInvalid,
		"three":                   cairn.CodeInvalid,
		"3.11 ||":                 cairn.CodeInvalid,
		">=":                      cairn.CodeInvalid,
		"3.11.7.1":                cairn.CodeInvalid,
		"pypy3.9":                 cairn.CodeUnsupported,
		"graalpy-22.3":            cairn.CodeUnsupported,
		strings.Repeat("3", 300):  cairn.CodeInvalid,
		"3.99999999999999999999":  cairn.CodeInvalid,
		"$(rm -rf /)":             cairn.CodeInvalid,
		"--python-preference=any": cairn.CodeInvalid,
	} {
		if _, err := ParseSpec(spec); cairn.CodeOf(err) != code {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func TestSpecForUV(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"3.11": "3.11", "3.11.7": "3.11.7", "3.13t": "3.13t", ">=3.9 <3.12": ">=3.9.0,<3.12.0",
		"3.x": ">=3.0.0,<4.0.0", "3.8 || 3.10": "", "3.14-dev": "",
	} {
		s, err := ParseSpec(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.uvRequest(); got != want {
			t.Errorf("%s: %q, want %q", spec, got, want)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, s := range []string{"3.11", ">=3.9 <3.12", "3.9 - 3.11", "3.13-dev", "~=3.9.2", "!=3.9.*", "3.x || ^3.8"} {
		f.Add(s)
	}
	v := Version{Major: 3, Minor: 11, Patch: 7}
	f.Fuzz(func(t *testing.T, s string) {
		if spec, err := ParseSpec(s); err == nil {
			spec.Match(v)
			spec.uvRequest()
		}
	})
}
