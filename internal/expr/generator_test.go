package expr

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
)

// oracleContexts are the contexts that expressions are compared over.
var oracleContexts = []string{
	testContexts,
	`{}`,
	`{"github":{"ref":"refs/tags/v1","event":{"label":{"name":"Bug"},"commits":[],"deep":[[[1,[2]],{"a":[{"b":[5,6]}]}],null,{"A":{"a":0}}]}},"a":null,"b":[0,"0",false,null,"",[],{}],"c":true}`,
	`{"env":{"PATH":"/bin","N":"0x1F","E":"","T":" 12 ","S":"Straße","i":"ı","Greek":"ΑΣ"},"a":[{"x":1,"y":{"z":[1,2]}},{"x":"1","y":{"z":[]}},{"x":[1]},null,7,"s"],"b":{"k-1":{"v":true},"K_2":{"v":false}},"c":-1.5}`,
	`{"needs":{"build":{"result":"success","outputs":{"v":"1.2.3","m":"[{\"os\":\"linux\"},{\"os\":\"mac\"}]"}},"Test":{"result":"failure","outputs":{}}},"matrix":{"os":"linux","version":3.10,"big":12345678901234567890,"tiny":1e-7,"third":0.3333333333333333},"a":"","b":0,"c":"NaN"}`,
	`{"a":{"b":{"c":{"d":{"e":[{"f":1},{"f":2},{"g":3}]}}}},"b":[[1,2],[3,[4,5]],[]],"c":{"true":1,"null":2,"NaN":3}}`,
}

var oracleEnvs = func() []*Env {
	envs := make([]*Env, len(oracleContexts))
	for i, src := range oracleContexts {
		all, err := FromJSON(json.RawMessage(src))
		if err != nil {
			panic(err)
		}
		env := testEnv()
		delete(env.Functions, "boom")
		env.Contexts = map[string]Value{}
		for _, f := range all.Fields() {
			env.Contexts[f.Name] = f.Value
		}
		envs[i] = env
	}
	return envs
}()

func oracleEnv(set int) *Env { return oracleEnvs[set] }

// generator makes expressions up: the same seed, the same expressions.
type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) question() question {
	q := question{Set: g.IntN(len(oracleContexts))}
	switch g.IntN(10) {
	case 0:
		q.Expr = g.soup()
	case 1, 2, 3:
		q.Expr = g.damage(g.expression(q.Set, 1+g.IntN(4)))
	default:
		q.Expr = g.expression(q.Set, 1+g.IntN(5))
	}
	q.Expr = strings.ToValidUTF8(q.Expr, "?")
	return q
}

// soup is symbols without order.
func (g generator) soup() string {
	var b strings.Builder
	for range 1 + g.IntN(14) {
		b.WriteString(words[g.IntN(len(words))])
		if g.IntN(3) == 0 {
			b.WriteByte(' ')
		}
	}
	return strings.ToValidUTF8(b.String(), "?")
}

// damage changes a few characters of an expression that was right.
func (g generator) damage(s string) string {
	r := []rune(s)
	for range 1 + g.IntN(3) {
		i := g.IntN(len(r) + 1)
		switch g.IntN(4) {
		case 0:
			r = r[:i]
		case 1:
			if i < len(r) {
				r = append(r[:i:i], r[i+1:]...)
			}
		default:
			extra := []rune(g.pick("(", ")", "[", "]", ".", ",", "*", "!", "'", "=", "&", "|", "<", " ", "1", "x", "@", "\"", "-", "+", "\n", "case(", "''", "\t"))
			r = append(r[:i:i], append(extra, r[i:]...)...)
		}
	}
	return string(r)
}

func (g generator) blank() string { return g.pick("", "", "", " ", " ", "  ", "\t", "\n") }

func (g generator) expression(set, depth int) string {
	if depth <= 0 {
		return g.leaf(set)
	}
	sub := func() string { return g.expression(set, depth-1-g.IntN(2)) }
	switch g.IntN(15) {
	case 0, 1, 2:
		return sub() + " " + g.pick("==", "!=", "<", "<=", ">", ">=") + g.blank() + sub()
	case 3, 4:
		op := g.pick("&&", "||")
		out := sub()
		for range 1 + g.IntN(3) {
			out += g.blank() + op + g.blank() + sub()
		}
		return out
	case 5:
		return "!" + g.blank() + sub()
	case 6:
		return "(" + g.blank() + sub() + g.blank() + ")"
	case 7:
		return "(" + sub() + ")" + g.steps(set, depth)
	case 8, 9, 10, 11, 12:
		return g.call(set, depth)
	default:
		return g.path(set, depth)
	}
}

func (g generator) call(set, depth int) string {
	sub := func() string { return g.expression(set, depth-1-g.IntN(2)) }
	name, args := "", []string{}
	switch g.IntN(10) {
	case 0:
		name, args = "contains", []string{sub(), sub()}
	case 1:
		name, args = g.pick("startsWith", "endsWith"), []string{sub(), sub()}
	case 2:
		name, args = "join", []string{sub()}
		if g.IntN(2) == 0 {
			args = append(args, sub())
		}
	case 3, 4:
		name, args = "format", []string{g.formatString()}
		for range g.IntN(4) {
			args = append(args, sub())
		}
	case 5:
		name, args = "toJSON", []string{sub()}
	case 6:
		name, args = "fromJSON", []string{g.jsonText()}
	case 7:
		name, args = "fromJSON", []string{"toJSON(" + sub() + ")"}
	case 8:
		name, args = "case", []string{sub() + " == " + sub(), sub(), sub()}
	default:
		name = g.pick("success", "failure", "always", "contains", "join", "nope", "case")
		for range g.IntN(5) {
			args = append(args, sub())
		}
	}
	if g.IntN(6) == 0 {
		name = strings.ToUpper(name)
	}
	call := name + g.pick("", "", "", " ") + "(" + strings.Join(args, ","+g.blank()) + ")"
	if g.IntN(3) == 0 {
		call += g.steps(set, depth)
	}
	return call
}

func (g generator) steps(set, depth int) string {
	var b strings.Builder
	for range g.IntN(4) {
		switch g.IntN(6) {
		case 0:
			b.WriteString(".*")
		case 1:
			b.WriteString("[*]")
		case 2:
			b.WriteString("[" + g.expression(set, depth-2) + "]")
		case 3:
			b.WriteString("[" + g.pick("0", "1", "-1", "1.5", "'0'", "''", "null", "true", "99", "'x'", "NaN", "Infinity", "'event'") + "]")
		default:
			b.WriteString("." + g.pick("x", "y", "z", "a", "b", "c", "d", "f", "ref", "event", "commits", "id", "files", "result", "outputs", "v", "k-1", "K_2", "true", "null", "NaN", "Name", "label", "os"))
		}
	}
	return b.String()
}

func (g generator) path(set, depth int) string {
	names := []string{"github", "needs", "a"} // may not be there
	for name := range strings.SplitSeq("github inputs needs matrix env a b c", " ") {
		if _, ok := oracleEnv(set).Contexts[name]; ok {
			names = append(names, name, name, name, name, name, name)
		}
	}
	name := g.pick(names...)
	if g.IntN(8) == 0 {
		name = strings.ToUpper(name)
	}
	return name + g.steps(set, depth)
}

func (g generator) leaf(set int) string {
	switch g.IntN(8) {
	case 0:
		return g.pick("true", "false", "null", "NaN", "Infinity", "-Infinity", "+Infinity", "True", "infinity")
	case 1:
		return g.pick("0", "-0", "1", "+1", "-1.5", ".5", "5.", "-.5", "1e3", "1E-7", "1e21", "1e400", "-1e400", "0xff", "0XFF", "0o17", "0O7", "0x", "08", "1_0", "1.2.3",
			"9007199254740993", "0.1", "0.30000000000000004", "123456789012345680000", "0xffffffffff", "1e-16", "00012", "-0x1", "1.0", "3.10", "0.84551240822557006")
	case 2:
		return strconv.FormatFloat(g.NormFloat64()*[]float64{1, 1e-6, 1e6, 1e15, 1e20}[g.IntN(5)], 'g', 1+g.IntN(17), 64)
	case 3, 4:
		return "'" + g.pick("", "a", "A", "abc", "ABC", "b", "1", "01", " 1 ", "0x1f", "0o17", "-0x1", "1e3", "1,5", "true", "null", "NaN", "Infinity", "-Infinity", "inf", "it''s", "{0}",
			"success", "refs/heads/main", "é", "É", "ı", "I", "\U0001F600", "\uFFFD", "ä b", "[]", "Array", "Object", " ", "\t", "+5", "5.", ".5", ".", "-", "1 2") + "'"
	case 5:
		return g.pick("success()", "failure()", "always()", "success('x')")
	default:
		return g.path(set, 0)
	}
}

func (g generator) formatString() string {
	var b strings.Builder
	for range g.IntN(6) {
		b.WriteString(g.pick("{0}", "{1}", "{2}", "{0}", "x", "é", "{{", "}}", " ", "{{0}}", "''", "{01}"))
	}
	if g.IntN(6) == 0 {
		b.WriteString(g.pick("{", "}", "{}", "{x}", "{-1}", "{9}", "{256}", "{99999999999999999999}", "{0:}", "{0:x}", "{0x}", "{ 0}", "{0 }", "{0}}", "{{{0}"))
	}
	return "'" + b.String() + "'"
}

// jsonText is a JSON value in quotes, or nearly one.
func (g generator) jsonText() string {
	s := g.json(3)
	switch g.IntN(8) {
	case 0:
		i := g.IntN(len(s) + 1)
		s = s[:i] + g.pick("", ",", "}", "]", "x", "\"", "1", " ", "nul", "'", "-", ".") + s[i:]
	case 1:
		s = s[:g.IntN(len(s)+1)]
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func (g generator) json(depth int) string {
	n := 7
	if depth > 0 {
		n = 11
	}
	switch g.IntN(n) {
	case 0:
		return g.pick("null", "true", "false")
	case 1, 2:
		return g.pick("0", "-0", "1", "2.5", "1e3", "1E+2", "-1", "1e400", "0.1", "12345678901234567890", "01", "+1", ".5", "5.", "NaN")
	case 3, 4, 5, 6:
		return `"` + g.pick("", "a", "b c", `\n`, `\u00e9`, `\"`, `\\`, `\/`, "é", `\ud83d\ude00`, `\x`, "\t", `\b\f`) + `"`
	case 7, 8:
		var items []string
		for range g.IntN(4) {
			items = append(items, g.json(depth-1))
		}
		return "[" + g.pick("", " ", "\n") + strings.Join(items, g.pick(",", ", ", " ,")) + "]"
	default:
		var fields []string
		for range g.IntN(4) {
			fields = append(fields, `"`+g.pick("a", "b", "x", "A", "y z", "é", "", "id")+`"`+g.pick(":", ": ", " : ")+g.json(depth-1))
		}
		return "{" + strings.Join(fields, ",") + "}"
	}
}
