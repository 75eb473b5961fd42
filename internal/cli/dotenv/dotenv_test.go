package dotenv

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, src, want string }{
		{"plain", "A=1\nB=two words \n", "A=1|B=two words"},
		{"empty", "A=\nB=#c\nC=''\n", "A=|B=|C="},
		{"export and spaces", "export A = 1\n  B=2\n", "A=1|B=2"},
		{"comments", "# c\nA=1 # c\nB=a#b\nC=\"x\" # c\n", "A=1|B=a#b|C=x"},
		{"single quotes keep all", `A='a\n$B "x"'`, `A=a\n$B "x"`},
		{"double quotes", `A="a\nb\t\"q\" \\ \$X \z"`, "A=a\nb\t\"q\" \\ $X \\z"},
		{"multi-line", "KEY=\"-----BEGIN-----\nabc\n-----END-----\"\nB=2", "KEY=-----BEGIN-----\nabc\n-----END-----|B=2"},
		{"not expanded", "A=$HOME/x ${B}\n", "A=$HOME/x ${B}"},
		{"last wins", "A=1\nB=2\nA=3\n", "A=3|B=2"},
		{"windows", "\ufeffA=1\r\nB=2\r\n", "A=1|B=2"},
		{"equals inside", "URL=postgres://u:p=q@h/db?x=1\n", "URL=postgres://u:p=q@h/db?x=1"},
		{"a name called export", "export=1", "export=1"},
		{"nothing", "\n\n# only\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			vars, err := Parse(".env", []byte(tc.src))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range vars {
				got = append(got, v.Name+"="+v.Value)
			}
			if s := strings.Join(got, "|"); s != tc.want {
				t.Errorf("got %q, want %q", s, tc.want)
			}
		})
	}
}

func TestErrorsHaveLines(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"A=1\nB\n":              ".env:2:2: B is not followed by =",
		"A=1\nB: secret\n":      ".env:2:2: B is not followed by =",
		"A=1\n\n=x\n":           ".env:3:1: a name was expected, found \"=\"",
		"1A=x\n":                ".env:1:1: a name was expected, found \"1\"",
		"A=\"never\nclosed\n":   ".env:1:3: the double quote of A is never closed",
		"X=1\nA='x' secret\n":   ".env:2:7: text after the closing quote of A",
		"A=1\nB=\"multi\n\"c\n": ".env:3:2: text after the closing quote of B",
	} {
		_, err := Parse(".env", []byte(src))
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", src, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows a value", src)
		}
	}
}

// What double quotes can write, they give back.
func TestQuotedRoundTrip(t *testing.T) {
	t.Parallel()
	esc := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[ -~\n\t]{0,40}`).Draw(t, "value")
		vars, err := Parse("f", []byte("A=\""+esc.Replace(value)+"\"\nB=1\n"))
		if err != nil || len(vars) != 2 || vars[0].Value != value {
			t.Fatalf("%q -> %v, %v", value, vars, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("A=\"x\\\n\" # y\nexport B='")
	f.Fuzz(func(t *testing.T, src string) {
		vars, err := Parse("f", []byte(src))
		if err != nil && vars != nil {
			t.Error("values beside an error")
		}
	})
}
