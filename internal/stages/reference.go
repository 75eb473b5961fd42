package stages

import (
	"fmt"
	"strings"
)

// Reference writes docs/reference/stages.md from the tables that the reader
// reads by.
func Reference() string {
	var b strings.Builder
	b.WriteString("# .cairn/stages.yml\n\n" +
		"Generated from the tables that the file is read by; `make docs` writes it anew.\n\n" +
		"The file is optional. It says of each stage how a release is started, how it is tried out before it serves\n" +
		"anybody, and what must hold before it may go there. A stage *is* the workflow's `environment` of that name: a\n" +
		"job with `environment: production` and `cairn deploy --to production` ask the same rules.\n\n" +
		"- `cairn init --stages` writes a first one from what it finds; `cairn workflow lint` checks it.\n" +
		"- Cairn reads it from the commit that is run or deployed. Its rules count once they are committed to the default\n" +
		"  branch; code of other branches can only bring a stage that is not there yet.\n" +
		"- Rules that were set with `cairn environment set` stay as they are, until `--from-file` gives them back.\n" +
		"- A file that is not valid keeps a run from starting. Keys are case-sensitive; anchors work, merge keys (`<<`) do not.\n" +
		"- Durations: `500ms`, `60s`, `10m`, `24h`, `30d`. Sizes: `512Mi`, `1Gi`, `500M`, or bytes.\n\n" +
		"```yaml\n" + example + "```\n\n" +
		"Continuous delivery, where a person decides, is one line of `rules`: `reviewers: [ben]`. Continuous deployment, where\n" +
		"checks alone decide, is one line too: `checks: [metrics.accuracy >= 0.95]`.\n")
	section(&b, "The file", "", fileKeys())
	section(&b, "A stage", "`stages.NAME`", stageKeys())
	section(&b, "smoke", "`stages.NAME.smoke`", smokeKeys())
	section(&b, "expect", "`stages.NAME.smoke.expect`", expectKeys())
	section(&b, "resources", "`stages.NAME.resources`", resourceKeys())
	section(&b, "log", "`stages.NAME.log`", logKeys())
	section(&b, "rules", "`stages.NAME.rules`", ruleKeys())
	section(&b, "A check", "An entry of `stages.NAME.rules.checks`; a condition alone will do.", checkKeys())
	b.WriteString("\n## Conditions\n\n" +
		"Conditions are written in [CEL](https://cel.dev) and are checked, with their types, when the file is read. They are\n" +
		"evaluated each time before a release goes to the stage, and the values that they looked at are kept with the\n" +
		"deployment. A metric that is missing, or is not a number, is a check that has not passed; so is a condition that\n" +
		"cannot be evaluated. `has(metrics.f1)` asks whether there is one.\n\n" +
		"| name | what it is | |\n|---|---|---|\n")
	for _, v := range variables() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.name, v.kind, v.doc)
	}
	b.WriteString("\n## Gates\n\n" +
		"A gate is one condition, in CEL too, that a job with `environment: NAME` must fulfil before it begins, and before any\n" +
		"reviewer is asked. A deployment by hand must fulfil it as well. It is evaluated once for each attempt of a run; what it\n" +
		"came to is kept with the approval and shown by `cairn run view`. A gate that is false fails the job. One that lacks a\n" +
		"value waits while other jobs of the run may still bring it, and fails when none is left; the words say which value.\n" +
		"`cairn environment set NAME --gate 'CONDITION'` sets one by hand.\n\n" +
		"| name | type | |\n|---|---|---|\n")
	for _, f := range gateFields() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.name, f.kind, f.doc)
	}
	return b.String()
}

func section[T any](b *strings.Builder, title, where string, keys []key[T]) {
	fmt.Fprintf(b, "\n## %s\n\n", title)
	if where != "" {
		fmt.Fprintf(b, "%s\n\n", where)
	}
	b.WriteString("| key | takes | without it | |\n|---|---|---|---|\n")
	for _, k := range keys {
		def := k.def
		if k.must {
			def = "**must be there**"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", k.name, k.kind, def, k.doc)
	}
}

const example = `service: digits-api
stages:
  staging:
    variables: { LOG_LEVEL: debug }
    health: /health
    smoke:
      request: POST /predict
      file: samples/7.png
      field: image
      expect: { status: 200, json: { digit: 7 } }
  production:
    health: /health
    resources: { memory: 512Mi, cpu: 1 }
    rules:
      reviewers: [ben]
      self_review: false
      branches: [main]
      gate: run.actor != "bot" && model.metrics.accuracy >= 0.9
      after: staging
      checks:
        - metrics.accuracy >= 0.95
        - name: no worse than what is live
          cel: metrics.accuracy >= previous.accuracy - 0.01
`
