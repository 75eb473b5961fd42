package internal_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/action"
)

var update = flag.Bool("update", false, "write the generated tables anew")

// TestSyntaxReference holds the tables of the page that come from the code: the
// built-in actions with their versions, and the scopes of a job's token. make docs
// writes them anew.
func TestSyntaxReference(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(syntaxTable)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, table := range map[string]string{"actions": actionTable(), "permissions": permissionTable()} {
		begin, end := "<!-- "+name+": written by make docs -->\n", "<!-- end of "+name+" -->\n"
		head, rest, ok := strings.Cut(text, begin)
		_, tail, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no place for the table of %s", syntaxTable, name)
		}
		text = head + begin + table + end + tail
	}
	if text == string(b) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the code says: make docs", syntaxTable)
	}
	if err := os.WriteFile(syntaxTable, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func actionTable() string {
	var b strings.Builder
	b.WriteString("| Action | Versions |\n|---|---|\n")
	for _, i := range action.Names() {
		first, last := i.Versions[0], i.Versions[len(i.Versions)-1]
		versions := fmt.Sprintf("v%d to v%d", first, last)
		if last-first != len(i.Versions)-1 || first == last {
			versions = ""
			for _, v := range i.Versions {
				versions += fmt.Sprintf(", v%d", v)
			}
			versions = strings.TrimPrefix(versions, ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", i.Name, versions)
	}
	return b.String()
}

func permissionTable() string {
	byDefault, restricted := cairn.DefaultPermissions(), cairn.RestrictedPermissions()
	var b strings.Builder
	b.WriteString("| Scope | Levels beside none | Where nobody says anything | With `permissions: restricted` in config.yaml |\n|---|---|---|---|\n")
	for _, s := range cairn.PermissionScopes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Name, strings.ReplaceAll(s.Levels, " ", ", "), byDefault.Level(s.Name), restricted.Level(s.Name))
	}
	return b.String()
}
