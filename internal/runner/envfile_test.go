package runner

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseEnvFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       []EnvVar
		err        string
	}{
		{"empty", "", nil, ""},
		{"simple", "A=1\nB=\n\nC=x=y\n", []EnvVar{{"A", "1"}, {"B", ""}, {"C", "x=y"}}, ""},
		{"no newline at the end", "A=1", []EnvVar{{"A", "1"}}, ""},
		{"crlf", "A=1\r\nB<<E\r\nx\r\ny\r\nE\r\n", []EnvVar{{"A", "1"}, {"B", "x\r\ny"}}, ""},
		{"heredoc", "A<<EOF\nline 1\nline=2\n\nEOF\nB=2\n", []EnvVar{{"A", "line 1\nline=2\n"}, {"B", "2"}}, ""},
		{"heredoc empty", "A<<EOF\nEOF", []EnvVar{{"A", ""}}, ""},
		{"heredoc with spaces in the delimiter", "A<< EOF\nx\n EOF\n", []EnvVar{{"A", "x"}}, ""},
		{"equals before heredoc", "A=b<<c\n", []EnvVar{{"A", "b<<c"}}, ""},
		{"heredoc with equals in the delimiter", "A<<E=F\nx\nE=F\n", []EnvVar{{"A", "x"}}, ""},
		{"no delimiter found", "Z=1\nA<<EOF\nx\n", []EnvVar{{"Z", "1"}}, "Invalid value. Matching delimiter not found 'EOF'"},
		{"no format", "A\n", nil, "Invalid format 'A'"},
		{"no name", "=x\n", nil, "Invalid format '=x'. Name must not be empty"},
		{"no heredoc name", "<<EOF\nx\nEOF\n", nil, "Invalid format '<<EOF'. Name must not be empty and delimiter must not be empty"},
		{"no heredoc delimiter", "A<<\nx\n", nil, "Invalid format 'A<<'. Name must not be empty and delimiter must not be empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseEnvFile(c.text)
			if msg := errText(err); msg != c.err || !slices.Equal(got, c.want) {
				t.Errorf("got %q, %q; want %q, %q", got, msg, c.want, c.err)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestParseEnvFileRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_]{0,8}`).Draw(t, "name")
		value := rapid.StringMatching(`[ -~\n]{0,40}`).Draw(t, "value")
		const delim = "ghadelimiter_5a6"
		vars, err := ParseEnvFile(name + "<<" + delim + "\n" + value + "\n" + delim + "\n")
		if err != nil || len(vars) != 1 || vars[0] != (EnvVar{name, value}) {
			t.Fatalf("%q: %v %v", value, vars, err)
		}
	})
}

func TestReadEnvFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"utf8": "\xEF\xBB\xBFA=1", "utf16le": "\xFF\xFEA\x00=\x001\x00", "utf16be": "\xFE\xFF\x00A\x00=\x001", "plain": "A=1",
	} {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, err := readEnvFile(p, 100); string(b) != "A=1" || err != nil {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
	if b, err := readEnvFile(filepath.Join(dir, "none"), 100); b != nil || err != nil {
		t.Errorf("a removed file: %q %v", b, err)
	}
	if _, err := readEnvFile(filepath.Join(dir, "plain"), 2); err == nil || !strings.Contains(err.Error(), "it holds 3 bytes; at most 2 bytes") {
		t.Errorf("too large: %v", err)
	}
	if _, err := readEnvFile(dir, 2); err == nil {
		t.Error("a folder is read")
	}
}

func FuzzParseEnvFile(f *testing.F) {
	f.Add("A=1\nB<<E\nx\nE\n")
	f.Fuzz(func(t *testing.T, s string) {
		vars, err := ParseEnvFile(s)
		for _, v := range vars {
			if v.Name == "" {
				t.Errorf("a variable without a name: %q, %v", vars, err)
			}
		}
	})
}
