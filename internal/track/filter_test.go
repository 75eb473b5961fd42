package track

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"pgregory.net/rapid"
)

func show(cs []cairn.TrackCondition) string {
	var out []string
	for _, c := range cs {
		s := fmt.Sprintf("%s[%s] %s", c.Subject, c.Key, c.Op)
		switch {
		case strings.HasPrefix(c.Op, "IS "):
		case c.List != nil:
			s += fmt.Sprintf(" %q", c.List)
		case c.Numeric:
			s += fmt.Sprintf(" %v", c.Number)
		default:
			s += fmt.Sprintf(" %q", c.Text)
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		g          grammar
		text, want string
	}{
		{runGrammar, "", ""},
		{runGrammar, "  ", ""},
		{runGrammar, "metrics.acc>0.5", "metric[acc] > 0.5"},
		{runGrammar, "metric.`val acc` <= -1e-3 AND params.\"lr\" != '0.1'", "metric[val acc] <= -0.001; param[lr] != \"0.1\""},
		{runGrammar, "tags.mlflow.source.name = 'it''s' and tag.x like \"%_\"", "tag[mlflow.source.name] = \"it's\"; tag[x] LIKE \"%_\""},
		{runGrammar, "params.model/depth = '3'", "param[model/depth] = \"3\""},
		{runGrammar, "attributes.run_id IN ('a', 'b') and run_id NOT IN ('c')", "attribute[run_id] IN [\"a\" \"b\"]; attribute[run_id] NOT IN [\"c\"]"},
		{runGrammar, "created > 5 AND `Run name` ILIKE 'x'", "attribute[start_time] > 5; attribute[run_name] ILIKE \"x\""},
		{runGrammar, "params.a IS NULL AND tags.b IS NOT NULL", "param[a] IS NULL; tag[b] IS NOT NULL"},
		{runGrammar, "dataset.name = 'd' AND datasets.context IN ('train')", "dataset[name] = \"d\"; dataset[context] IN [\"train\"]"},
		{runGrammar, "tags.x = word", "tag[x] = \"word\""},
		{runGrammar, "params.x = 3", "! Expected a quoted string value"},
		{runGrammar, "metrics.x = '3'", "! Expected numeric value"},
		{runGrammar, "metrics.x LIKE '3'", "! Invalid comparator 'LIKE'"},
		{runGrammar, "metrics.x IS NULL", "! Invalid comparator"},
		{runGrammar, "atributes.status = 'x'", "! Invalid entity type 'atributes'"},
		{runGrammar, "attributes.statu = 'x'", "! Invalid attribute key 'statu'"},
		{runGrammar, "dataset.size = 'x'", "! Invalid dataset key"},
		{runGrammar, "metrics.a > 1 OR metrics.b > 1", "! only be joined with AND"},
		{runGrammar, "(metrics.a > 1)", "! parentheses"},
		{runGrammar, "metrics.a > 1 metrics.b > 1", "! where AND or the end is expected"},
		{runGrammar, "metrics.a > 1 AND", "! it ends where a key"},
		{runGrammar, "metrics. > 1", "! has no key"},
		{runGrammar, "metrics.a", "! a comparator"},
		{runGrammar, "metrics.a >", "! a value"},
		{runGrammar, "tags.a = 'x", "! is not closed"},
		{runGrammar, "run_id IN ()", "! a value"},
		{runGrammar, "run_id IN ('a'", "! closing parenthesis"},
		{runGrammar, "tags.a == 'x'", "! Invalid comparator '=='"},
		{experimentGrammar, "name LIKE 'a%' AND creation_time >= 3", "attribute[name] LIKE \"a%\"; attribute[creation_time] >= 3"},
		{experimentGrammar, "metrics.a > 1", "! Invalid entity type 'metrics'"},
		{modelGrammar, "name = 'm' AND tag.`mlflow.prompt.is_prompt` != 'true'", "attribute[name] = \"m\"; tag[mlflow.prompt.is_prompt] != \"true\""},
		{versionGrammar, "run_id IN ('a') AND version_number > 2 AND source_path = 's'", "attribute[run_id] IN [\"a\"]; attribute[version_number] > 2; attribute[source_path] = \"s\""},
		{loggedGrammar, "source_run_id = 'r' AND metrics.acc > 0.5 AND status IN ('READY')", "attribute[source_run_id] = \"r\"; metric[acc] > 0.5; attribute[status] IN [\"READY\"]"},
	} {
		cs, err := c.g.parseFilter(c.text)
		got := show(cs)
		if err != nil {
			got = "! " + err.Error()
		}
		if why, ok := strings.CutPrefix(c.want, "! "); ok {
			if err == nil || !strings.Contains(got, why) {
				t.Errorf("%s: %s, want an error with %q", c.text, got, why)
			}
		} else if got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"metrics.acc DESC": "metric acc true", "metrics.`a b`": "metric a b false", " start_time asc": "attribute start_time false",
		"attributes.Created desc": "attribute start_time true", "params.x": "param x false",
		"metrics.a, metrics.b": "", "metrics.a DOWN": "", "": "", "dataset.name": "",
	} {
		o, err := runGrammar.parseOrder(text)
		got := fmt.Sprint(o.Subject, " ", o.Key, " ", o.Desc)
		if (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("%q: %s %v, want %s", text, got, err, want)
		}
	}
}

// Whatever is asked, the parser ends with conditions or with an error of the
// asker's.
func TestFilterNeverBreaks(t *testing.T) {
	t.Parallel()
	words := rapid.SampledFrom([]string{"metrics.", "params.", "tags", ".", "`", "\"", "'", "a", "ü", " ", "AND", "and ", "OR ", "IN ", "(", ")", ",",
		"=", "!=", "<", "LIKE ", "NOT ", "IS ", "NULL", "1", "-1e3", "name", "\x00", "\xff"})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(words, 0, 12).Draw(t, "words"), "")
		for _, g := range []grammar{runGrammar, experimentGrammar, modelGrammar, versionGrammar, loggedGrammar} {
			if _, err := g.parseFilter(text); err != nil && cairn.CodeOf(err) != cairn.CodeInvalid {
				t.Fatalf("%q: %v", text, err)
			}
			if _, err := g.parseOrder(text); err != nil && cairn.CodeOf(err) != cairn.CodeInvalid {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}

func TestLike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"%", "", true}, {"a%", "abc", true}, {"%c", "abc", true}, {"a_c", "abc", true},
		{"a_c", "ac", false}, {"%b%", "abc", true}, {"a%b%c", "axxbyyc", true}, {"A%", "abc", false}, {"_", "ü", true},
		{strings.Repeat("%a", 40) + "b", strings.Repeat("a", 4000), false},
	} {
		if got := like(c.pattern, c.text); got != c.want {
			t.Errorf("%q like %q: %v", c.text, c.pattern, got)
		}
	}
}

func TestCleanPath(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"a", "a/b.txt", "ü/ä b", "100%", "50% off/x", "a:b", "..a", "a..", "...", "a%20b"} {
		if got, err := CleanPath(p); err != nil || got != p {
			t.Errorf("%q: %q %v", p, got, err)
		}
	}
	for _, p := range []string{"/a", "..", "a/..", "a//b", "a/", "./a", "%2e%2e", "%252e", "%00", "a\x00", "a\\b", "a#", "a?", "C:/x", "%25%32%65%2e"} {
		if got, err := CleanPath(p); err == nil {
			t.Errorf("%q was taken as %q", p, got)
		}
	}
}
