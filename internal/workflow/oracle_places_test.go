package workflow

import (
	"regexp"
	"strings"
)

// Every place of the language that holds a value, between ‹ and ›. Each is asked
// with each context and function, which compares the table of what is available where.
const workflowPlaces = `name: ‹x›
run-name: ‹x›
on:
  push: {branches: ‹x›, tags: [‹x›], paths: ‹x›}
  pull_request: {types: [‹opened›]}
  workflow_run: {workflows: [‹x›]}
  schedule: [{cron: ‹1 * * * *›, timezone: ‹UTC›}]
  workflow_dispatch: {inputs: {d: {description: ‹x›, required: ‹true›, type: ‹string›, default: ‹x›}}}
  workflow_call:
    inputs: {c: {description: ‹x›, required: ‹true›, type: string, default: ‹x›}}
    secrets: {s: {description: ‹x›, required: ‹false›}}
    outputs: {o: {description: ‹x›, value: ‹x›}}
permissions: {contents: ‹read›}
env: {E: ‹x›}
defaults: {run: {shell: ‹bash›, working-directory: ‹x›}}
concurrency: {group: ‹x›, cancel-in-progress: ‹true›}
jobs:
  before: {runs-on: x, steps: [{run: x}]}
  a:
    name: ‹x›
    needs: ‹before›
    if: ‹true›
    runs-on: {group: ‹x›, labels: [‹x›]}
    permissions: {id-token: ‹write›}
    environment: {name: ‹x›, url: ‹x›}
    concurrency: {group: ‹x›, cancel-in-progress: ‹true›}
    strategy: {fail-fast: ‹true›, max-parallel: ‹2›, matrix: {m: [‹x›], n: ‹[1]›, include: [{m: ‹x›}], exclude: ‹[]›}}
    timeout-minutes: ‹5›
    cancel-timeout-minutes: ‹5›
    continue-on-error: ‹true›
    container:
      image: ‹x›
      credentials: {username: ‹x›, password: ‹x›}
      env: {C: ‹x›}
      ports: [‹80›]
      volumes: [‹x›]
      options: ‹x›
    services:
      s: {image: ‹x›, env: {C: ‹x›}, ports: [‹80›], options: ‹x›, credentials: {username: ‹x›, password: ‹x›}, command: ‹x›, entrypoint: ‹x›}
      t: ‹x›
    env: {E: ‹x›}
    outputs: {o: ‹x›}
    defaults: {run: {shell: ‹bash›, working-directory: ‹x›}}
    snapshot: {image-name: ‹x›, version: ‹1.*›}
    steps:
      - {id: ‹one›, name: ‹x›, if: ‹true›, run: ‹x›, shell: ‹bash›, working-directory: ‹x›, env: {E: ‹x›}, continue-on-error: ‹true›, timeout-minutes: ‹5›, background: ‹false›}
      - {uses: ‹a/b@v1›, with: {w: ‹x›}}
  c:
    uses: ./.github/workflows/c.yml
    with: {w: ‹x›}
    secrets: {s: ‹x›}
  d:
    uses: ‹a/b/.github/workflows/c.yml@v1›
    secrets: ‹inherit›
  e:
    runs-on: ‹x›
    environment: ‹x›
    concurrency: ‹x›
    steps: [{run: x}]
`

const actionPlaces = `name: ‹x›
description: ‹x›
author: ‹x›
inputs: {i: {description: ‹x›, required: ‹true›, default: ‹x›, deprecationMessage: ‹x›, other: ‹x›}}
outputs: {o: {description: ‹x›, value: ‹x›}}
branding: {icon: ‹box›, color: ‹blue›}
runs:
  using: ‹composite›
  steps:
    - {id: ‹one›, name: ‹x›, if: ‹true›, run: ‹x›, shell: ‹bash›, working-directory: ‹x›, env: {E: ‹x›}, continue-on-error: ‹true›}
    - {uses: ‹a/b@v1›, with: {w: ‹x›}}
`

const dockerPlaces = `name: x
description: x
runs: {using: docker, image: ‹x›, args: [‹x›], entrypoint: ‹x›, pre-entrypoint: ‹x›, post-entrypoint: ‹x›, pre-if: ‹true›, post-if: ‹true›, env: {E: ‹x›}}
`

const nodePlaces = `name: x
description: x
runs: {using: node20, main: ‹x›, pre: ‹x›, post: ‹x›, pre-if: ‹true›, post-if: ‹true›}
`

var (
	place     = regexp.MustCompile(`‹(.*?)›`)
	available = strings.Fields("github secrets env matrix needs steps jobs runner inputs vars job strategy always() cancelled() success() failure() " +
		"success('a') failure('a','b') hashFiles('x') hashFiles() contains('a','b') fromJSON('1') toJSON(github) case(true,1,2) case(true,1) join(1) unknown nothing()")
)

// placeQuestions asks for each place with each context and function, and once bare.
func placeQuestions(kind, template string) []question {
	var out []question
	places := place.FindAllStringSubmatchIndex(template, -1)
	fill := func(at int, value string) question {
		var b strings.Builder
		last := 0
		for i, p := range places {
			b.WriteString(template[last:p[0]])
			if i == at {
				b.WriteString(value)
			} else {
				b.WriteString(template[p[2]:p[3]])
			}
			last = p[1]
		}
		return question{kind, b.String() + template[last:]}
	}
	for i := range places {
		for _, name := range available {
			out = append(out, fill(i, `"${{ `+name+` }}"`))
		}
		for _, value := range []string{`''`, "~", "7", "true", "[a]", "{a: b}", `"a ${{ github.sha }} b"`, "text", `"${{ 'text' }}"`} {
			out = append(out, fill(i, value))
		}
	}
	return out
}
