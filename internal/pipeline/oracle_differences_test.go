package pipeline

import (
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// difference is a way in which we and the package differ on purpose, or for a reason that
// lies in the package. What it calls its service is what runs on Azure.
type difference struct {
	reason string
	// here: accepted here alone; else by the package alone.
	here bool
	is   func(*finding) bool
	// most is how many of the files show it: more than that is something new.
	most int
}

// code reports whether all that we refuse is of certain kinds.
func code(codes ...string) func(*finding) bool {
	return func(f *finding) bool {
		for _, p := range f.got {
			if p.Severity == cairn.SeverityError && !slices.Contains(codes, strings.TrimPrefix(p.Code, "pipeline.")) {
				return false
			}
		}
		return true
	}
}

// says reports whether one of our messages holds one of the texts.
func (f *finding) says(texts ...string) bool {
	return slices.ContainsFunc(f.got, func(p cairn.Problem) bool {
		return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(p.Message, s) })
	})
}

// theirs reports whether the message of the package holds all of the texts.
func (f *finding) theirs(texts ...string) bool {
	for _, s := range texts {
		if !strings.Contains(f.want.Message, s) {
			return false
		}
	}
	return true
}

// holds reports whether the file, or the component of it that was changed, holds a text.
func (f *finding) holds(texts ...string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(f.q.Src+f.q.childSrc, s) })
}

// foreign are files with a job of a kind that is not run here.
func (f *finding) foreign() bool {
	return f.holds("type: spark", "type: automl", "type: data_transfer", "type: import")
}

var differences = []difference{
	{reason: "bindings that name nothing, or nothing that may stand there, are found before anything is sent; the package leaves them to its service", is: code("binding"), most: 52},
	{reason: "names that the service refuses, of jobs and of ports, are found before anything is sent", is: func(f *finding) bool {
		return code("name", "binding")(f) && f.says("is no name of a job", "is no name of an input", "is a variable of the shell")
	}, most: 11},
	{reason: "a component that a pipeline names by path has a name that it could be registered by", is: func(f *finding) bool {
		return code("name")(f) && f.says("is no name of a component")
	}, most: 4},
	{reason: "a file of a component that a pipeline names is held against the same rules as one alone: types of name, version and tags", is: func(f *finding) bool {
		return code("type")(f) && f.q.child != ""
	}, most: 1},
	{reason: "values for a component's inputs are held against its type, range and choices before anything is sent", is: func(f *finding) bool {
		return code("range", "value", "binding")(f) && slices.ContainsFunc(f.got, func(p cairn.Problem) bool {
			return strings.Contains(p.Path, "inputs.") || strings.Contains(p.Path, "max_iteration_count")
		})
	}, most: 5},
	{reason: "hours, minutes and days that no clock and no calendar has are found before a schedule is kept", is: func(f *finding) bool {
		return code("range")(f) && f.q.Kind == "schedule" && f.says("trigger.")
	}, most: 1},
	{reason: "an input that a component needs is found missing before anything is sent", is: func(f *finding) bool {
		return code("required", "binding", "optional", "name")(f) && f.says("the component needs")
	}, most: 3},
	{reason: "a node without type, component and command is nothing; the package takes it for an if_else", is: func(f *finding) bool {
		return code("required", "binding")(f) && f.says("command is missing", "task is missing")
	}, most: 1},
	{reason: "a conda file is a map: found before anything is sent, also for an environment that is registered", is: func(f *finding) bool { return code("type")(f) && f.says("a conda file is a map") }, most: 1},
	{reason: "an environment has an image, a build or conda packages", is: func(f *finding) bool { return code("required")(f) && f.says("an environment needs one of them") }, most: 1},
	{reason: "azureml:NAME: with an empty version, azureml: with nothing", is: func(f *finding) bool {
		return code("reference")(f) && f.says(`:" says neither a version nor a label`, `"azureml:" is no reference`)
	}, most: 3},
	{reason: "a version that is a list or a map; a rule of a network without its type; a condition of auto_delete_setting that is none", is: func(f *finding) bool {
		return f.says("version: here is a", "outbound_rules", "auto_delete_setting.condition")
	}, most: 3},

	{reason: "compute may be missing: jobs run on this machine", here: true, is: func(f *finding) bool { return f.theirs("Compute not set") }, most: 1},
	{reason: "Spark, AutoML, data transfers and imports are refused by name when they are to run; what the package's own validators ask of them is not asked here", here: true, is: (*finding).foreign, most: 12},
	{reason: "a schedule of a command job by its name is run; the package takes the name for a job in place", here: true, is: func(f *finding) bool {
		return f.q.Kind == "schedule" && f.theirs("CommandJobSchema", "Missing data")
	}, most: 4},
	{reason: "a key that is not known, in a parallel node that is written in place, is a warning as in other nodes; the package's constructor breaks", here: true, is: func(f *finding) bool {
		return f.says("is not known and has no effect") && f.theirs("Missing data for required field", "jobs.rows.component")
	}, most: 1},
	{reason: "loops may go over a command that is written in place, and over a registered component", here: true, is: func(f *finding) bool {
		return f.theirs("for body, got", "CommandJob") || f.holds("component: azureml:") && f.theirs("in do_while loop body outputs")
	}, most: 1},
	{reason: "--set may go into a list, by position; the package breaks", here: true, is: func(f *finding) bool {
		return len(f.q.Set) > 0 && f.theirs("'list' object has no attribute 'get'")
	}, most: 1},
}

// known are files that show differences which mutants rarely do.
var known = []question{
	{Kind: "environment", Src: "name: x\nimage: a\nconda_file: ../files/src/train.py\n"},
	{Kind: "environment", Src: "name: x\nimage: a\nconda_file: {dependencies: [python]}\n", Set: []string{"conda_file.dependencies.0=pip"}},
	{Kind: "job", Src: "command: echo\nenvironment: 'azureml:e:'\n"},
	{Kind: "job", Src: "name: a.b\ncommand: echo\nenvironment: azureml:e:1\n"},
}
