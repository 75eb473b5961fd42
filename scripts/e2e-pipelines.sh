#!/usr/bin/env bash
# The handwriting example as a new user meets it, in a copy of its own: its pipeline from
# the command line, again (all of it reused), with one file changed, its sweep; then one
# push of the repository: a workflow starts the pipeline, builds the API and deploys it,
# and the trace of an answer goes back through the steps of the pipeline to data and
# commit. `make test-e2e` builds the binary and calls this.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cairn-e2e-XXXXXX")
passed=0
say() { printf '\n-- %s\n' "$*"; }
ok() { passed=$((passed + 1)); printf 'ok %d - %s\n' "$passed" "$*"; }
fail() { printf 'not ok - %s\n' "$*" >&2; exit 1; }
# has TEXT PATTERN WHAT: TEXT holds a line that matches PATTERN.
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

clean() { env -u CAIRN_URL -u CAIRN_TOKEN -u XDG_CACHE_HOME HOME="$scratch/user" PATH="$scratch/bin:$PATH" "$@"; }
python=$("$root/scripts/python-with.sh" handwriting pillow==13.0.0)

cp -R "$root/examples/handwriting" "$scratch/handwriting"
cd "$scratch/handwriting"
git init -q -b main .
git add -A
git -c user.name='Cleo Ito' -c user.email=cleo@example.com commit -qm 'Threes, fives and eights'

say "data and environments from their files"
clean "$python" -m pip install -q --no-deps -r tools/requirements.txt
clean "$python" tools/make_images.py images
for class in threes fives eights; do clean cairn data create --file data/$class.yaml; done
for file in environments/*.yaml; do clean cairn environment create --file "$file"; done
for file in data/*.yaml environments/*.yaml components/*/*.yaml pipelines/*.yaml; do
  clean cairn job validate --file "$file" >/dev/null 2>&1 || fail "$file does not pass"
done
ok "every file passes cairn job validate"

say "the pipeline"
t=$(clean cairn job create --file pipelines/train.yaml --stream --name first 2>&1) || { printf '%s\n' "$t"; fail "the pipeline"; }
printf '%s\n' "$t" | tail -n 12
has "$t" 'epoch 10 +test_loss' "the steps' logs are streamed"
has "$t" 'Registered model handwriting version 1' "register_model of the registry registers"
t=$(clean cairn trace model/handwriting@latest)
has "$t" 'made by job register' "the model leads to the step that registered it"
has "$t" 'made by job train ' "… to the step that trained it"
has "$t" 'component +train:1' "… its component"
has "$t" 'used data threes:1' "… data by version"
has "$t" 'Cleo Ito' "… and the author of the commit"

say "again: nothing runs"
started=$(date +%s%N)
t=$(clean cairn job create --file pipelines/train.yaml --stream --name second 2>&1)
took=$((($(date +%s%N) - started) / 1000000))
printf '%s\nall of it: %d ms\n' "$t" "$took"
[ "$(grep -c 'reused from first' <<<"$t")" = 6 ] || fail "not all six steps were reused"
ok "all six steps are reused"

say "one file changed"
printf '\n# a remark\n' >>components/split/split.py
clean cairn job create --file pipelines/train.yaml --stream --name third >/dev/null 2>&1
t=$(clean cairn job explain-cache third)
has "$t" 'resize_fives +reused' "what stands before the change is reused"
has "$t" 'split +ran: code changed \(changed split\.py\)' "explain-cache names the file"
has "$(clean cairn job show third --graph)" 'split +done' "cairn job show --graph shows it later"
git checkout -q components

say "a sweep"
t=$(clean cairn job create --file pipelines/sweep.yaml --stream --name search 2>&1) || { printf '%s\n' "$t"; fail "the sweep"; }
has "$(clean cairn job show search --graph)" 'best accuracy' "the best trial is told"

say "one push: pipeline, image, stage, answer, trace"
clean cairn image base create --from-host-python --as python:3.11-slim >/dev/null
url=$(clean cairn status --jq .url)
token=$(clean cairn token create e2e)
before=$(clean cairn run list --json --jq '.[0].id')
git -c http.extraHeader="Authorization: Bearer $token" push -q "$url/git/local/handwriting.git" HEAD:refs/heads/main || fail "git push"
for _ in $(seq 300); do
  state=$(clean cairn run list --json --jq '[.[] | select(.workflow == "MLOps")][0].status' 2>/dev/null || true)
  [ "$state" = completed ] && break
  sleep 1
done
t=$(clean cairn run list)
has "$t" 'success +MLOps' "the workflow that the push started succeeded"
api=$(clean cairn status --jq '.stages[0].stage.url')
answer=$(curl -sS -D "$scratch/headers" -F "image=@images/eight/eight_0001.png" "$api/predict")
has "$answer" '"digit": ?"eight"' "the API reads an eight"
id=$(tr -d '\r' <"$scratch/headers" | sed -n 's/^[Xx]-[Cc]airn-[Pp]rediction: //p')
t=$(clean cairn trace "prediction/$id")
printf '%s\n' "$t" | head -n 12
has "$t" 'packed model handwriting:' "the answer leads to the model"
has "$t" 'made by job train ' "… through the pipeline to its training step"
has "$t" 'data/threes:1|used data threes:1' "… to the data"
has "$t" 'Cleo Ito' "… and to the author"

printf '\n%d passed, 0 failed (from run %s on)\n' "$passed" "$before"
