#!/usr/bin/env bash
# The two examples in the habits of Azure Machine Learning's users, each pushed twice on two
# commits: pebbles, whose workflow drives everything with az, and shapes, three numbered
# scripts over the retired SDK with TensorFlow 2.7 on Python 3.8. `make test-azure-examples`
# builds the binary and calls this; a word says which of the two.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cairn-e2e-XXXXXX")
passed=0
say() { printf '\n-- %s\n' "$*"; }
ok() { passed=$((passed + 1)); printf 'ok %d - %s\n' "$passed" "$*"; }
fail() { printf 'not ok - %s\n' "$*" >&2; exit 1; }
has() { grep -qE -- "$2" <<<"$1" || { printf '%s\n' "$1" >&2; fail "$3: no line matches $2"; }; ok "$3"; }

# shellcheck source=scripts/demo-lib.sh
. "$root/scripts/demo-lib.sh"
cairn=$root/bin/cairn
export CAIRN_HOME=$scratch/home
mkdir -p "$CAIRN_HOME" "$scratch/user" "$scratch/bin"
ln -s "$cairn" "$scratch/bin/cairn"

finish() {
  local code=$?
  trap - EXIT
  (unset CAIRN_URL CAIRN_TOKEN; stop_all) || true
  chmod -R u+w "$scratch" 2>/dev/null || true
  rm -rf "$scratch"
  exit "$code"
}
trap finish EXIT

clean() { env -u CAIRN_URL -u CAIRN_TOKEN -u XDG_CACHE_HOME -u PYTHONPATH HOME="$scratch/user" PATH="$scratch/bin:$PATH" "$@"; }

# project NAME WORKFLOW: a copy of an example as a repository with a principal's secret.
project() {
  cp -R "$root/examples/$1" "$scratch/$1"
  cd "$scratch/$1"
  git init -q -b main .
  commit "$1" >/dev/null
  clean cairn az ad sp create-for-rbac --name "$1" --role Contributor --scopes "/subscriptions/s/resourceGroups/$1" --json-auth 2>/dev/null |
    clean cairn secret set AZURE_CREDENTIALS >/dev/null
}

commit() {
  git add -A
  git -c user.name='Cleo Ito' -c user.email=cleo@example.com commit -qm "$1"
  git rev-parse HEAD
}

# pushed WORKFLOW RUNS: pushes and waits for the workflow's run of that number.
pushed() {
  local url token name log
  url=$(clean cairn status --jq .url)
  token=$(clean cairn token create e2e)
  name=$(basename "$PWD")
  git -c http.extraHeader="Authorization: Bearer $token" push -q "$url/git/local/$name.git" HEAD:refs/heads/main || fail "git push"
  for _ in $(seq 900); do
    id=$(clean cairn run list --all --json --jq "[.[] | select(.workflow == \"$1\" and .status == \"completed\")] | if length >= $2 then .[0].id else empty end" 2>/dev/null || true)
    [ -n "$id" ] && break
    sleep 1
  done
  [ -n "$id" ] || fail "the run of $1 did not end"
  log=$(clean cairn run view "$id")
  [ "$(clean cairn run list --all --json --jq "[.[] | select(.id == $id)][0].conclusion")" = success ] || {
    clean cairn run logs "$id" --failed 2>&1 | tail -n 60 >&2
    fail "run $id of $1 failed"
  }
  printf '%s\n' "$log"
}

pebbles() {
  say "pebbles: az in a workflow"
  clean cairn image base create --from-host-python --as python:3.11-slim --python 3.11 >/dev/null 2>&1 || clean cairn image base create --from-host-python --as python:3.11-slim >/dev/null
  project pebbles
  pushed "Azure ML" 1
  sha1=$(git rev-parse HEAD)
  t=$(clean cairn az ml job show --name "pebbles-$sha1")
  has "$t" '"status": "Completed"' "the pipeline of the first commit is there under its name"
  t=$(clean cairn az ml online-endpoint show --name pebbles --query traffic -o json)
  has "$t" '"blue": 100' "the first model is blue"
  printf '{"data": [[41, 5.2], [12, 2.8]]}' >request.json
  has "$(clean cairn az ml online-endpoint invoke --name pebbles --request-file request.json)" 'large.*small' "the endpoint sorts two pebbles"
  say "pebbles: the second commit"
  sed -i 's/neighbours: 5/neighbours: 7/' pipeline.yml
  commit 'Seven neighbours' >/dev/null
  pushed "Azure ML" 2
  has "$(clean cairn az ml online-endpoint show --name pebbles --query traffic -o json)" '"green": 100' "the second model is green, and has all traffic"
  say "pebbles: the third commit trains nothing"
  echo >>README.md
  commit 'A word [same model]' >/dev/null
  t=$(pushed "Azure ML" 3)
  has "$t" '(skipped|-) *train|train.*skipped' "training is skipped"
  has "$(clean cairn az ml model list --name pebbles --query 'length(@)')" '^2$' "two models were made by three commits"
  uri=$(clean cairn az ml online-endpoint show --name pebbles --query scoring_uri -o tsv)
  key=$(clean cairn az ml online-endpoint get-credentials --name pebbles --query primaryKey -o tsv)
  id=$(curl -sS -D - -o /dev/null -H "Authorization: Bearer $key" -d @request.json "$uri" | tr -d '\r' | sed -n 's/^[Xx]-[Cc]airn-[Pp]rediction: //p')
  t=$(clean cairn trace "prediction/$id")
  printf '%s\n' "$t" | head -n 30
  has "$t" 'model pebbles:2' "an answer of the endpoint leads to its model"
  has "$t" 'made by job train' "… to the step that trained it"
  has "$t" 'accuracy=' "… with its metrics"
  has "$t" 'Cleo Ito' "… and to the author"
  api=$(clean cairn status --jq '[.stages[].stage | select(.name == "staging" and (.repository | endswith("/pebbles")))][0].url')
  has "$(curl -sS "$api/sort?weight=41&width=5")" 'large' "the image with the downloaded model answers as well"
}

shapes() {
  say "shapes: scripts of the first SDK, TensorFlow 2.7 on Python 3.8"
  if ! clean cairn image base create --from-host-python --as python:3.8-slim --python 3.8 >/dev/null; then
    say "shapes is left out: TensorFlow 2.7 needs a Python 3.8, and this machine has none"
    return
  fi
  project shapes
  pushed Shapes 1
  t=$(clean cairn az ml data list --query '[].name' -o tsv)
  has "$t" 'training-set' "the data is registered"
  has "$(clean cairn az ml model show --name shapes-cnn --version 1 --query tags)" "$(git rev-parse HEAD)" "the model carries the commit"
  say "shapes: the second commit, with the data of the first"
  sed -i 's/"60"/"70"/' 02_ai_training.py
  commit 'Seventy epochs [same data]' >/dev/null
  t=$(pushed Shapes 2)
  has "$t" '(skipped|-) *.*data|data.*skipped' "data preparation is skipped"
  api=$(clean cairn status --jq '[.stages[].stage | select(.name == "staging" and (.repository | endswith("/shapes")))][0].url')
  python3 -c "
import importlib.util, sys, types
sys.modules['azureml'] = types.ModuleType('azureml'); core = types.ModuleType('azureml.core'); sys.modules['azureml.core'] = core
core.Dataset = core.Datastore = core.Workspace = None
for m, n in (('azureml.data', None), ('azureml.data.datapath', 'DataPath'), ('azureml.core.authentication', 'ServicePrincipalAuthentication')):
    x = types.ModuleType(m); sys.modules[m] = x
    if n: setattr(x, n, None)
s = importlib.util.spec_from_file_location('p', '01_data_preparing.py'); p = importlib.util.module_from_spec(s); s.loader.exec_module(p)
sys.stdout.write(p.draw('circle', 'unseen'))" >picture.txt
  answer=$(curl -sS -D headers -H 'Content-Type: text/plain' --data-binary @picture.txt "$api/predict")
  has "$answer" 'circle' "the API knows a circle"
  id=$(tr -d '\r' <headers | sed -n 's/^[Xx]-[Cc]airn-[Pp]rediction: //p')
  t=$(clean cairn trace "prediction/$id")
  printf '%s\n' "$t" | head -n 40
  has "$t" 'model shapes-cnn:2' "the answer leads to the model"
  has "$t" 'test accuracy=' "… to the training with its metrics"
  has "$t" 'data training-set:1' "… to the data of the first commit"
  has "$t" 'Seventy epochs|Cleo Ito' "… and to the commit and its author"
  say "shapes: by hand, with a .env file"
  cp .env.example .env
  clean env PYTHONPATH="$(clean cairn azure sdk)" python3 01_data_preparing.py
  has "$(clean cairn az ml data show --name circles --label latest --query version -o tsv)" '^2$' "a second version of the data, made by hand"
}

for what in "${@:-pebbles shapes}"; do
  for one in $what; do (:) && "$one"; done
done
printf '\n%d passed, 0 failed\n' "$passed"
