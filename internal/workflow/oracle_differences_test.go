package workflow

import (
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// difference is a way in which we and the package differ on purpose, or for a
// reason that lies in the package. "The service" is what runs on github.com.
type difference struct {
	reason string
	// whole explains everything about a file, ours one finding that only we
	// have, theirs one that only the package has.
	whole  func(*finding) bool
	ours   func(*finding, cairn.Problem) bool
	theirs func(*finding, oracleError) bool
}

func saysOurs(starts ...string) func(*finding, cairn.Problem) bool {
	return func(_ *finding, p cairn.Problem) bool {
		return slices.ContainsFunc(starts, func(s string) bool { return strings.Contains(p.Message, s) })
	}
}

var differences = []difference{
	{reason: "the package breaks on a key that is a number, a boolean or an alias, on {key} without a value, and has no place for an empty file", whole: func(f *finding) bool {
		return slices.ContainsFunc(f.want.Errors, func(e oracleError) bool {
			return strings.Contains(e.Message, "is not a function") || strings.Contains(e.Message, "Cannot read") || strings.HasPrefix(e.Message, "Expected a scalar value")
		})
	}},
	{reason: "YAML that both refuse: each parser has its own words for it", whole: func(f *finding) bool {
		return f.want.YAML && cairn.HasErrors(f.got)
	}},
	{reason: "merge keys are refused by name; what stands under one is not read", whole: func(f *finding) bool { return f.code("merge") }},
	{reason: "YAML that our parser alone refuses: {a:{b: c}} without a blank, anchors before they are defined", whole: func(f *finding) bool { return f.code("yaml") }},

	{reason: "what an alias stands for is told once, not at every use", theirs: func(f *finding, e oracleError) bool {
		return strings.Contains(f.q.Src, "*") && slices.ContainsFunc(f.got, func(p cairn.Problem) bool { return samePlace(p, e) && sameMessage(p, e) })
	}},
	{reason: "a value with a broken expression is told once; the package adds that the text is no boolean, number, list or map", theirs: func(f *finding, e oracleError) bool {
		return strings.HasPrefix(e.Message, "Unexpected value '") && strings.Contains(e.Message, "${{") &&
			slices.ContainsFunc(f.got, func(p cairn.Problem) bool { return inExpression(p) && p.Line >= e.Line && p.Line <= e.EndLine })
	}},
	{reason: "the package checks what is behind its schema only in files without errors of the schema", ours: func(f *finding, p cairn.Problem) bool {
		if !f.want.Schema {
			return false
		}
		line := []rune(f.line(p.Line))
		bare := inExpression(p) && strings.Contains(f.line(p.Line-1)+string(line[:min(p.Column, len(line))]), "if:")
		return bare || slices.Contains([]string{"workflow.id", "workflow.duplicate-id", "workflow.needs", "workflow.cycle", "workflow.cron", "workflow.step"}, p.Code) ||
			saysOurs("Missing 'options'", "Container image", "The workflow must contain", "Unexpected type", "'wait-all' must be")(f, p)
	}},
	{reason: "on is read as the service does: an unknown key, inputs without a type, an empty inputs are no errors", theirs: func(f *finding, e oracleError) bool {
		return f.underDispatch(e.Line) && (strings.HasPrefix(e.Message, "Unexpected value ''") || strings.HasPrefix(e.Message, "Unexpected type") || strings.HasPrefix(e.Message, "Input type is not"))
	}},
	{reason: "an empty inputs of workflow_call is no error, as in the service", theirs: func(f *finding, e oracleError) bool {
		return e.Message == "Unexpected value ''" && strings.Contains(f.line(e.Line), "inputs:")
	}},
	{reason: "the if of a snapshot is checked; the package never looks at it", ours: func(f *finding, p cairn.Problem) bool {
		return inExpression(p) && strings.Contains(f.q.Src, "snapshot:") && strings.Contains(f.line(p.Line)+f.line(p.Line-1), "if:")
	}},
	{reason: "defaults of inputs: a number or boolean that is written as text fits, as in the service", theirs: func(_ *finding, e oracleError) bool {
		return strings.HasPrefix(e.Message, "Unexpected type '") && strings.Contains(e.Message, "'input default'")
	}},
	{reason: "on: repository_dispatch as a word: the package compares with the wrong name", theirs: func(f *finding, e oracleError) bool {
		return e.Message == "Unexpected value 'repository_dispatch'"
	}},
	{reason: "types of repository_dispatch may be one word", theirs: func(f *finding, e oracleError) bool {
		return strings.HasPrefix(e.Message, "Unexpected value '") && strings.Contains(f.q.Src, "repository_dispatch") && strings.Contains(f.line(e.Line), "types:")
	}},

	{reason: "refused as the service does: uses that names no action or workflow", ours: saysOurs(" is not an action", " is not a workflow that a job can call", " names a version of a local workflow")},
	{reason: "refused as the service does: a job without steps", ours: saysOurs("No steps defined in `steps`")},
	{reason: "refused as the service does: patterns that are none, a filter beside its -ignore form", ours: func(_ *finding, p cairn.Problem) bool {
		return p.Code == "workflow.glob" || strings.HasPrefix(p.Message, "you may only define one of")
	}},
	{reason: "refused as the service does: an empty matrix or vector", ours: saysOurs("matrix is empty", " is an empty list")},
	{reason: "refused as the service does: step ids that differ in case only, or stand in two parallel blocks", ours: saysOurs("may not be used more than once within the same scope")},
	{reason: "needs are compared without case, as in the service", theirs: func(f *finding, e oracleError) bool {
		return strings.Contains(e.Message, "depends on unknown job") && strings.Contains(strings.ToLower(f.q.Src), "\n  "+strings.ToLower(between(e.Message, "unknown job '", "'"))+":")
	}},
	{reason: "refused here: nothing could ever run (no label, no event, no time table, minutes or legs below 1)", ours: saysOurs("runs-on names no label", "on names no event", "schedule has no time table", "schedule needs a time table", "timeout-minutes is ", "max-parallel is ")},
	{reason: "refused here: a default that is none of its options, an input that no expression can name, numbers that are none", ours: func(f *finding, p cairn.Problem) bool {
		return saysOurs("is not one of its options", "cannot be the name of an input")(f, p) || strings.Contains(p.Message, "'input default'. The type 'NumberToken'")
	}},
	{reason: "not built, refused by name: an expression in place of a whole map, or as a key", ours: func(_ *finding, p cairn.Problem) bool { return p.Code == "workflow.unsupported" }},
	{reason: "not built, refused by name: an expression in place of a whole map, or as a key", theirs: func(f *finding, e oracleError) bool {
		return f.code("unsupported") && strings.HasPrefix(e.Message, "Unexpected type 'BasicExpressionToken'")
	}},
	{reason: "services: one expression for all of them is kept; the package's converter takes only a map", whole: func(f *finding) bool {
		return slices.ContainsFunc(f.want.Errors, func(e oracleError) bool { return strings.Contains(e.Message, "encountered while reading 'services'") })
	}},
	{reason: "cron: the package takes fractions and hexadecimal numbers", ours: func(_ *finding, p cairn.Problem) bool { return p.Code == "workflow.cron" }},
	{reason: "queue: max beside cancel-in-progress is refused, as documented", ours: saysOurs("queue: max and cancel-in-progress exclude each other")},
	{reason: "scripts and expressions of more than 21,000 characters, files nested too deep", ours: func(_ *finding, p cairn.Problem) bool { return p.Code == "workflow.too-large" }},

	{reason: "action.yml is read as the runner does: it needs no name or description, and ignores keys that it does not know", theirs: func(f *finding, e oracleError) bool {
		return f.q.Kind == "action" && (slices.Contains([]string{"Required property is missing: name", "Required property is missing: description"}, e.Message) || f.lenientInAction(e))
	}},
	{reason: "composite actions: ids of steps and uses are checked", ours: func(f *finding, p cairn.Problem) bool {
		return f.q.Kind == "action" && (p.Code == "workflow.id" || p.Code == "workflow.value" || p.Code == "workflow.missing-key")
	}},
}

func (f *finding) code(code string) bool {
	return slices.ContainsFunc(f.got, func(p cairn.Problem) bool { return p.Code == "workflow."+code })
}

func (f *finding) line(n int) string {
	lines := strings.Split(f.q.Src, "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return lines[n-1]
}

func (f *finding) underDispatch(line int) bool {
	for n := line; n > 0; n-- {
		text := f.line(n)
		if strings.HasPrefix(text, "jobs") {
			return false
		}
		if strings.Contains(text, "workflow_dispatch") {
			return true
		}
	}
	return false
}

// lenientInAction covers branding, and members of inputs that have another kind.
func (f *finding) lenientInAction(e oracleError) bool {
	section := ""
	for n := 1; n <= e.Line; n++ {
		if text := f.line(n); text != "" && text[0] != ' ' {
			section = strings.SplitN(text, ":", 2)[0]
		}
	}
	return section != "runs" && section != "outputs" && !inExpressionText(e.Message)
}

func inExpressionText(message string) bool {
	return strings.HasPrefix(message, "Unrecognized") || strings.HasPrefix(message, "Unexpected symbol")
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

func explainOurs(f *finding, p cairn.Problem) string {
	for _, d := range differences {
		if d.ours != nil && d.ours(f, p) {
			return d.reason
		}
	}
	return ""
}

func explainTheirs(f *finding, e oracleError) string {
	for _, d := range differences {
		if d.theirs != nil && d.theirs(f, e) {
			return d.reason
		}
	}
	return ""
}

// known are files that show differences which mutants rarely do.
var known = []string{
	"on: push\njobs: {1: {runs-on: x, steps: [{run: x}]}}\n",
	"\n",
	"on: {workflow_call: {inputs: {c: {type: string, default: 3}}}}\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n",
	"on: repository_dispatch\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n",
	"on: {repository_dispatch: {types: go}}\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n",
	"on: {push: {branches: [a], branches-ignore: [b]}}\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n",
	"on: push\njobs:\n  a: {runs-on: x, steps: [{run: x}]}\n  b: {runs-on: x, needs: A, steps: [{run: x}]}\n",
	"on: push\njobs: {a: {runs-on: x, services: '${{ fromJSON(vars.S) }}', steps: [{run: x}]}}\n",
	"on: {schedule: [{cron: '0x5 * * * *'}]}\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n",
	"on: push\nconcurrency: {group: g, queue: max, cancel-in-progress: true}\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n",
	"on: push\njobs: {a: {runs-on: x, steps: [{run: '" + strings.Repeat("x", maxRun+1) + "'}]}}\n",
	"on: push\njobs: {a: {runs-on: x, steps: [{parallel: [{id: a, run: x}]}, {parallel: [{id: a, run: x}]}]}}\n",
	"on: push\njobs: {a: {runs-on: x, strategy: {matrix: {v: []}}, steps: [{run: x}]}}\n",
	"on: push\njobs: {a: {runs-on: x, snapshot: {image-name: a, if: secrets.X}, steps: [{run: x}]}}\n",
}
