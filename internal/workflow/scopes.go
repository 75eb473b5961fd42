package workflow

import (
	"strings"

	"github.com/cairn-ml/cairn/internal/expr"
)

// knownContexts are all contexts of the language.
const knownContexts = "env github inputs job jobs matrix needs runner secrets steps strategy vars"

// The functions that some places add to those of the language.
var (
	hashFiles = expr.Signature{Name: "hashFiles", Min: 1, Max: 255}
	// A job may ask for the results of named jobs: failure('build').
	jobStatus = []expr.Signature{
		{Name: "always"}, {Name: "cancelled"}, {Name: "success", Max: 255}, {Name: "failure", Max: 255},
	}
	stepStatus = []expr.Signature{
		{Name: "always"}, {Name: "cancelled"}, {Name: "success"}, {Name: "failure"}, hashFiles,
	}
	onlyHash = []expr.Signature{hashFiles}
)

// What expressions may use, by place. The lists are GitHub's.
var (
	scopeRoot        = scopeOf("github inputs vars", nil)
	scopeRootEnv     = scopeOf("github inputs secrets vars", nil)
	scopeCallOutput  = scopeOf("github inputs jobs vars", nil)
	scopeJobIf       = scopeOf("github inputs needs vars", jobStatus)
	scopeStrategy    = scopeOf("github inputs needs vars", nil)
	scopeJob         = scopeOf("github inputs matrix needs strategy vars", nil)
	scopeJobEnv      = scopeOf("github inputs matrix needs secrets strategy vars", nil)
	scopeJobDefaults = scopeOf("env github inputs matrix needs strategy vars", nil)
	scopeCredentials = scopeOf("env github inputs matrix needs secrets strategy vars", nil)
	scopeJobOutputs  = scopeOf("env github inputs job matrix needs runner secrets steps strategy vars", nil)
	scopeURL         = scopeOf("env github inputs job matrix needs runner steps strategy vars", nil)
	scopeStep        = scopeOf("env github inputs job matrix needs runner secrets steps strategy vars", onlyHash)
	scopeStepIf      = scopeOf("env github inputs job matrix needs runner steps strategy vars", stepStatus)
	scopeActionInput = scopeOf("github job matrix runner strategy", onlyHash)
	scopeActionStep  = scopeOf("env github inputs job matrix runner steps strategy", onlyHash)
	scopeActionIf    = scopeOf("env github inputs job matrix runner steps strategy", stepStatus)
	scopeActionOut   = scopeOf("env github inputs job matrix runner steps strategy", nil)
	scopeActionArgs  = scopeOf("inputs", nil)
	scopeRunsIf      = scopeOf("env github inputs job matrix runner strategy", stepStatus)
	scopeNothing     = scopeOf("", nil)
)

func scopeOf(contexts string, functions []expr.Signature) *expr.Scope {
	return &expr.Scope{
		Contexts: strings.Fields(contexts), Functions: functions, Known: strings.Fields(knownContexts),
		KnownFunctions: []string{"always", "cancelled", "failure", "hashFiles", "success"},
	}
}
