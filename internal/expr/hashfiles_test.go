package expr

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cairn-ml/cairn"
)

// hashTree is a workspace; each file holds its own name.
var hashTree = []string{
	"go.mod", "go.sum", "README.md", ".hidden", "a/x.txt", "a/y.md", "a/.env", "a-b/x.txt", "a.b", "a/b/c/x.txt", "a/b/go.sum",
	"node_modules/p/package.json", "src/[x]/1.txt", "src/[x].txt", "src/x.txt", "src/q?.txt", "src/*.txt", "src/!x", "src/#x", "b/a/x.txt", "B/a/x.txt", "c/c/c/c/c.txt",
}

func hashOf(names ...string) string {
	whole := sha256.New()
	for _, n := range names {
		sum := sha256.Sum256([]byte(n))
		whole.Write(sum[:])
	}
	return hex.EncodeToString(whole.Sum(nil))
}

func TestHashFiles(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{}
	for _, n := range hashTree {
		fsys[n] = &fstest.MapFile{Data: []byte(n)}
	}
	for _, c := range []struct {
		patterns string
		want     []string // nil: none matches
	}{
		{"go.sum", []string{"go.sum"}},
		{"**/go.sum", []string{"a/b/go.sum", "go.sum"}},
		{"./go.sum", []string{"go.sum"}},
		{"/ws/go.sum", []string{"go.sum"}},
		{"/ws/**/go.sum", []string{"a/b/go.sum", "go.sum"}},
		{"/**/go.mod", []string{"go.mod"}},
		{"/else/**", nil},
		{"go.mod|go.sum", []string{"go.mod", "go.sum"}},
		{"go.sum|go.mod|go.sum", []string{"go.sum", "go.mod"}},
		{"go.*|# go.sum||!go.mod", []string{"go.sum"}},
		{"!go.mod|go.*", []string{"go.mod", "go.sum"}},
		// Folder by folder, not name by name: a/x.txt before a-b/x.txt comes from a < a-b.
		{"a*/x.txt", []string{"a/x.txt", "a-b/x.txt"}},
		{"a", []string{"a/.env", "a/b/c/x.txt", "a/b/go.sum", "a/x.txt", "a/y.md"}},
		{"a/|!a/b", []string{"a/.env", "a/x.txt", "a/y.md"}},
		{"a/**|!**/*.txt|!a/b/**", []string{"a/.env", "a/y.md"}},
		{"go.mod/", nil},
		{"go.mod/**", []string{"go.mod"}},
		{"**/package.json|!node_modules", nil},
		{".h*", []string{".hidden"}},
		{"src/[[]x].txt", []string{"src/[x].txt"}},
		{`src/\[x\].txt`, []string{"src/[x].txt"}},
		{"src/[!q*[]*.txt", []string{"src/x.txt"}},
		{"src/[x].txt", []string{"src/x.txt"}},
		{"{go.mod,go.sum}", nil},
		{"nothing", nil},
		{"", nil},
	} {
		var args []Value
		for p := range strings.SplitSeq(c.patterns, "|") {
			args = append(args, String(p))
		}
		v, err := HashFiles(fsys, "/ws", args)
		want := ""
		if c.want != nil {
			want = hashOf(c.want...)
		}
		if err != nil || v.ToString() != want {
			t.Errorf("%s: %s %v, want the hash of %v", c.patterns, v.ToString(), err, c.want)
		}
		if joined, err := HashFiles(fsys, "/ws", []Value{String(strings.ReplaceAll(c.patterns, "|", "\r\n "))}); err != nil || joined.ToString() != want {
			t.Errorf("%s in one argument: %s %v", c.patterns, joined.ToString(), err)
		}
	}
	for _, p := range []string{"../x", "a/../b", "a/./b", "!", "--nope", followLinks} {
		if v, err := HashFiles(fsys, "/ws", []Value{String(p)}); err == nil {
			t.Errorf("%s gave %s", p, v.ToString())
		} else if code := cairn.CodeOf(err); code != cairn.CodeInvalid && code != cairn.CodeUnsupported {
			t.Errorf("%s: %v", p, err)
		}
	}
	// Many ** take no more time than one.
	if v, err := HashFiles(fsys, "/ws", []Value{String(strings.Repeat("**/*/", 200) + "nope")}); err != nil || v.ToString() != "" {
		t.Error(v.ToString(), err)
	}
}

// TestHashOracle compares with GitHub's own package on patterns that are made up.
func TestHashOracle(t *testing.T) {
	t.Parallel()
	if os.Getenv("CAIRN_ORACLE") != "1" {
		t.Skip("set CAIRN_ORACLE=1, after npm install in internal/expr/testdata/oracle")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range hashTree {
		name := filepath.Join(dir, filepath.FromSlash(n))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("go.sum", filepath.Join(dir, "linked.sum")); err != nil {
		t.Fatal(err)
	}
	g := generator{rand.New(rand.NewPCG(5, 3))}
	part := func() string {
		return g.pick("**", "**", "*", "a", "b", "x.txt", "*.txt", "go.*", "go.sum", "src", "a*", "[ab]", "[!a]", "?", ".*", "c", "a-b", "[x]", "[[]x]", `\*.txt`, "link", "linked.sum", "node_modules", "", "{a,b}", "[a", "#x", "+(a)")
	}
	var all []string
	var in bytes.Buffer
	for range 3000 {
		var lines []string
		for range 1 + g.IntN(3) {
			parts := make([]string, 1+g.IntN(4))
			for i := range parts {
				parts[i] = part()
			}
			if parts[0] == "" {
				parts[0] = "./" // from /, the package would search the whole machine
			}
			lines = append(lines, g.pick("", "", "", "", "!", "./", dir+"/", "! ", "#")+strings.Join(parts, "/"))
		}
		all = append(all, strings.Join(lines, "\n"))
		line, err := json.Marshal(map[string]string{"dir": dir, "patterns": all[len(all)-1]})
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd := exec.CommandContext(t.Context(), "node", "hash.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stderr = "testdata/oracle", &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(bytes.NewReader(out))
	refused := 0
	for _, patterns := range all {
		if !answers.Scan() {
			t.Fatal("too few answers")
		}
		var want struct{ Hash, Error string }
		if err := json.Unmarshal(answers.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		v, err := HashFiles(os.DirFS(dir), dir, []Value{String(patterns)})
		if err != nil {
			refused++
		}
		if (err != nil) != (want.Error != "") || v.ToString() != want.Hash {
			t.Errorf("%q: %q %v, want %+v", patterns, v.ToString(), err, want)
		}
	}
	t.Logf("%d sets of patterns agree, %d of them refused", len(all), refused)
}
