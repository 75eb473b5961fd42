package stages

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"

	"github.com/cairn-ml/cairn"
)

// Limits of a condition.
const (
	maxExpr = 4000 // bytes
	maxCost = 100_000
)

// What a condition can look at.
const (
	varMetrics  = "metrics"
	varPrevious = "previous"
	varTests    = "tests"
	varRelease  = "release"
	varStage    = "stage"
)

// variable is one line of the reference.
type variable struct{ name, kind, doc string }

func variables() []variable {
	return []variable{
		{varMetrics, "map of numbers", "The metrics of the release's model, by name: `metrics.accuracy`, `metrics[\"val/loss\"]`."},
		{varPrevious, "map of numbers", "The metrics of the model that is live on the stage. Where nothing is live yet, a condition that depends on it holds, and says so."},
		{varTests, "map of text", "The result of each job of the run that made the image: `tests[\"unit\"] == \"success\"`."},
		{varRelease, "fields", "What is to go live: " + fieldList() + "."},
		{varStage, "text", "The name of the stage."},
	}
}

func releaseFields() []string {
	return []string{"service", "name", "commit", "branch", "dirty", "image", "author", "model"}
}

func fieldList() string {
	var out []string
	for _, f := range releaseFields() {
		out = append(out, "`release."+f+"`")
	}
	return strings.Join(out, ", ") + " (`dirty` is true or false)"
}

// Checker compiles and evaluates conditions. It is made when it is needed: the
// language takes some milliseconds to set up.
type Checker struct{ env *cel.Env }

// NewChecker sets up the language of conditions.
func NewChecker() (*Checker, error) {
	options := []cel.EnvOption{
		cel.Variable(varMetrics, cel.MapType(cel.StringType, cel.DoubleType)),
		cel.Variable(varPrevious, cel.MapType(cel.StringType, cel.DoubleType)),
		cel.Variable(varTests, cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable(varStage, cel.StringType),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxExpr),
		cel.ParserRecursionLimit(50),
	}
	for _, f := range releaseFields() {
		kind := cel.StringType
		if f == "dirty" {
			kind = cel.BoolType
		}
		options = append(options, cel.Variable(varRelease+"."+f, kind))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, err
	}
	return &Checker{env}, nil
}

// compiled is a condition that can be evaluated.
type compiled struct {
	ast *cel.Ast
	use []use
}

// use is a value that a condition looks at: metrics.accuracy. A test asks only
// whether it is there. Key "" is the whole map.
type use struct {
	root, key string
	test      bool
}

func (u use) String() string {
	switch {
	case u.key == "":
		return u.root
	case plainKey().MatchString(u.key):
		return u.root + "." + u.key
	}
	return fmt.Sprintf("%s[%q]", u.root, u.key)
}

var plainKey = lazily(`^[A-Za-z_][A-Za-z0-9_]*$`)

// fault is what is wrong with a condition; line from 1, column from 0.
type fault struct {
	line, column  int
	message, hint string
}

// compile checks the form and the types of a condition.
func (c *Checker) compile(text string) (*compiled, []fault) {
	// Parse and check read what somebody else wrote; what they cannot stand must
	// not end the program.
	parsed, issues := c.env.Parse(text)
	if issues.Err() != nil {
		return nil, faults(issues, checkNames())
	}
	uses, wrong := c.uses(parsed)
	if len(wrong) > 0 {
		return nil, wrong
	}
	checked, issues := c.env.Check(parsed)
	if issues.Err() != nil {
		return nil, faults(issues, checkNames())
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) {
		return nil, []fault{{1, 0, fmt.Sprintf("a check is true or false, but this is of type %s", t), "compare it with something: metrics.accuracy >= 0.9"}}
	}
	return &compiled{checked, uses}, nil
}

// uses lists the values that a condition looks at, and the fields of release
// that there are not.
func (c *Checker) uses(parsed *cel.Ast) ([]use, []fault) {
	var out []use
	var wrong []fault
	native := parsed.NativeRep()
	whole := map[int64]bool{}
	note := func(u use) {
		if !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	ast.PreOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			s := e.AsSelect()
			if s.Operand().Kind() != ast.IdentKind {
				return
			}
			root, field := s.Operand().AsIdent(), s.FieldName()
			whole[s.Operand().ID()] = true
			if root == varRelease && !slices.Contains(releaseFields(), field) {
				at := native.SourceInfo().GetStartLocation(e.ID())
				hint := "it has " + strings.Join(releaseFields(), ", ")
				if near := cairn.Nearest(field, releaseFields()); near != "" {
					hint = "did you mean release." + near + "? " + hint
				}
				wrong = append(wrong, fault{at.Line(), at.Column(), "a release has no " + quote(field), hint})
				return
			}
			note(use{root, field, s.IsTestOnly()})
		case ast.CallKind:
			call := e.AsCall()
			if call.FunctionName() != "_[_]" || len(call.Args()) != 2 || call.Args()[0].Kind() != ast.IdentKind {
				return
			}
			if key := call.Args()[1]; key.Kind() == ast.LiteralKind {
				if text, ok := key.AsLiteral().Value().(string); ok {
					whole[call.Args()[0].ID()] = true
					note(use{call.Args()[0].AsIdent(), text, false})
				}
			}
		case ast.IdentKind:
			if !whole[e.ID()] && slices.Contains([]string{varMetrics, varPrevious, varTests, varStage}, e.AsIdent()) {
				note(use{root: e.AsIdent()})
			}
		}
	}))
	return out, wrong
}

var (
	undeclared = lazily(`^undeclared reference to '([^']*)'`)
	noOverload = lazily(`^found no matching overload for '([^']*)' applied to '\((.*)\)'`)
	syntax     = lazily(`(?s)^Syntax error: (.*)$`)
)

func checkNames() []string {
	var names []string
	for _, v := range variables() {
		names = append(names, v.name)
	}
	return names
}

// faults translates what the compiler says, where there are the given names; the
// first few are enough.
func faults(issues *cel.Issues, names []string) []fault {
	var out []fault
	for _, e := range issues.Errors() {
		if len(out) == 3 {
			break
		}
		f := fault{line: e.Location.Line(), column: max(e.Location.Column(), 0), message: "not a condition in CEL: " + e.Message}
		if m := undeclared().FindStringSubmatch(e.Message); m != nil {
			name, _, _ := strings.Cut(m[1], ".")
			f.message, f.hint = quote(name)+" is not known here", "there are "+strings.Join(names, ", ")
			if near := cairn.Nearest(name, names); near != "" {
				f.hint = "did you mean " + near + "? " + f.hint
			}
		} else if m := noOverload().FindStringSubmatch(e.Message); m != nil {
			op := strings.Trim(m[1], "_")
			f.message = fmt.Sprintf("%s does not take %s", op, strings.ReplaceAll(m[2], ", ", " and "))
			switch {
			case strings.Contains(m[2], "double") && strings.Contains(m[2], "int"):
				f.hint = "metrics are of type double: write 1.0 instead of 1"
			case strings.Contains(m[2], "string"):
				f.hint = "text stands in quotes, numbers do not"
			}
		} else if m := syntax().FindStringSubmatch(e.Message); m != nil {
			f.message = "not a condition in CEL: " + strings.ReplaceAll(m[1], "\n", " ")
			switch {
			case strings.Contains(m[1], "'<EOF>'"):
				f.message, f.hint = "not a condition in CEL: it ends too early", "a value is missing at its end, or a bracket or a quote is not closed"
			case strings.Contains(m[1], "at: '="):
				f.hint = "equality is written =="
			case strings.Contains(m[1], "'and'"), strings.Contains(m[1], "'or'"), strings.Contains(m[1], "'not'"):
				f.hint = "write && for and, || for or, ! for not"
			}
		}
		if f.line < 1 {
			f.line = 1
		}
		if len(f.message) > 300 {
			f.message = f.message[:300] + "…"
		}
		out = append(out, f)
	}
	return out
}
