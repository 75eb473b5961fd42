#!/usr/bin/env bash
# The main job as a new user meets it: the demo with an empty HOME and no caches,
# the demo again, skipped steps, pinned versions, a rerun, the example without a
# word of Cairn, a push. Needs git, python3 and the package index; writes only
# below a temporary folder. `make test-e2e` builds the binary and calls this.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cairn-e2e-XXXXXX")
passed=0
say() { printf '\n-- %s\n' "$*"; }
ok() { passed=$((passed + 1)); printf 'ok %d - %s\n' "$passed" "$*"; }
fail() { printf 'not ok - %s\n' "$*" >&2; exit 1; }
# has TEXT PATTERN WHAT: TEXT holds a line that matches PATTERN.
has() { grep -qE -- "$2" <<<"$1" || { printf '%s\n' "$1" >&2; fail "$3: no line matches $2"; }; ok "$3"; }
hasnot() { if grep -qE -- "$2" <<<"$1"; then printf '%s\n' "$1" >&2; fail "$3: a line matches $2"; fi; ok "$3"; }

finish() {
  local code=$?
  trap - EXIT
  for home in "$scratch"/clone/.demo/home "$scratch"/plain-home; do
    if [ -S "$home/cairn.sock" ]; then CAIRN_HOME=$home "$root/bin/cairn" serve --stop >/dev/null 2>&1 || true; fi
  done
  chmod -R u+w "$scratch" 2>/dev/null || true
  rm -rf "$scratch"
  exit "$code"
}
trap finish EXIT

mkdir -p "$scratch/user" "$scratch/clone/bin"
# A clone's files, and the binary that was just built.
git -C "$root" archive HEAD | tar -x -C "$scratch/clone"
cp "$root/bin/cairn" "$scratch/clone/bin/cairn"
clean() { env -u CAIRN_HOME -u CAIRN_URL -u CAIRN_TOKEN -u XDG_CACHE_HOME -u UV_CACHE_DIR -u PIP_CACHE_DIR HOME="$scratch/user" "$@"; }

say "the demo, empty HOME, no caches"
started=$SECONDS
cold=$(clean "$scratch/clone/scripts/demo.sh" 2>&1) || { printf '%s\n' "$cold"; fail "the demo"; }
printf '%s\n' "$cold"
printf 'cold: %d s\n' $((SECONDS - started))
has "$cold" 'model digits:1' "the trace starts at the model"
has "$cold" 'ran commit [0-9a-f]{12}' "the trace ends at commits"
has "$cold" 'made by job images' "the images have a job and a commit behind them"
has "$cold" 'rows: true, columns: predicted' "the confusion matrix is shown"

say "the demo again"
started=$SECONDS
warm=$(clean "$scratch/clone/scripts/demo.sh" 2>&1) || { printf '%s\n' "$warm"; fail "the second demo"; }
printf 'warm: %d s\n' $((SECONDS - started))
has "$warm" 'model digits:1' "a second demo starts from nothing"

say "skipped steps and pinned versions"
export CAIRN_HOME=$scratch/clone/.demo/home PATH=$scratch/clone/bin:$PATH
project=$scratch/clone/.demo/digits
in_project() { (cd "$project" && clean env CAIRN_HOME="$CAIRN_HOME" "$@"); }
in_project cairn run --workflow mlops --input data_prep=false --progress plain
t=$(in_project cairn trace model/digits:2)
has "$t" 'used data digits-train:1' "data_prep=false trains on the recorded latest version"
has "$t" 'made by job data-preparing' "the trace still reaches the job that prepared it"
# A newer training set, so that latest and 1 differ.
in_project cairn run --workflow mlops --input ai_training=false --progress plain
in_project cairn run --workflow mlops --input data_prep=false --progress plain
has "$(in_project cairn trace model/digits:3)" 'used data digits-train:2' "latest is now version 2"
printf 'DATASET_VERSION=1\n' >"$scratch/pinned.env"
in_project cairn run --workflow mlops --input data_prep=false --env-file "$scratch/pinned.env" --progress plain
has "$(in_project cairn trace model/digits:4)" 'used data digits-train:1' "DATASET_VERSION=1 takes version 1"

say "another attempt keeps the first one's digests"
pinned=$(in_project cairn run list --limit 1 --json=id --jq '.[0].id')
before=$(in_project cairn run list --all --limit 100 --json=id --jq 'map(.id) | min')
in_project cairn run rerun "$((pinned - 1))" --job ai-training --progress plain
has "$(in_project cairn trace model/digits:5)" 'used data digits-train:2' "attempt 2 uses what attempt 1 used"
[ "$before" -ge 1 ] || fail "runs are listed"

say "a workflow that calls it, and uncommitted changes"
printf '\n# tried out\n' >>"$project/steps/02_train.py"
in_project cairn run --workflow nightly --progress plain
has "$(in_project cairn run view --json --jq '.jobs[].path')" '^retrain/ai-training$' "the called workflow's jobs carry the caller's name"
has "$(in_project cairn trace model/digits:6)" 'dirty|uncommitted' "the trace says that the code was changed"
(cd "$project" && git checkout -q steps/02_train.py)

say "downwards, and a file"
has "$(in_project cairn trace data/digits:1 --down)" 'model digits:1' "what came of the images"
in_project cairn data download digits:1 --to "$scratch/images"
has "$(in_project cairn trace "$scratch/images/3/3_0001.png" --down)" 'digits:1' "a local file leads to the versions that hold it"
in_project cairn fsck
ok "fsck finds nothing"

say "the example without a word of Cairn"
cp -R "$root/examples/plain" "$scratch/plain"
if grep -rIil cairn "$scratch/plain" --include='*' --exclude=README.md; then fail "examples/plain names Cairn"; fi
cd "$scratch/plain"
git init -q -b main
git add -A
git -c user.name='Cleo Ito' -c user.email=cleo@example.com commit -q -m 'Train a classifier'
plain() { clean env CAIRN_HOME="$scratch/plain-home" "$@"; }
mkdir -p "$scratch/plain-home"
# The wheels are the same; fetching them again would test the index, not us.
cp -R "$CAIRN_HOME/cache" "$CAIRN_HOME/tools" "$scratch/plain-home/" 2>/dev/null || true
plain cairn run --event push --progress plain
name=$(plain cairn artifact list 1 --json=name --jq '.[0].name')
t=$(plain cairn trace run/1 --down; plain cairn trace "artifact/1.1/$name")
has "$t" "artifact .*$name" "the artifact is in the trace"
has "$t" 'Cleo Ito' "the trace joins it to the author"
plain cairn artifact download 1 "$name" --to "$scratch/taken"
file=$(find "$scratch/taken" -type f | head -n 1)
has "$(plain cairn trace "$file")" 'Cleo Ito' "the file alone leads to the author"

say "a push starts the workflow"
token=$(plain cairn token create e2e)
url=$(plain cairn status --json=url --jq .url)
git -c http.extraHeader="Authorization: Bearer $token" push -q "$url/git/local/plain.git" HEAD:refs/heads/main || fail "git push"
for _ in $(seq 300); do
  state=$(plain cairn run view 2 --json --jq '.run.status // .status' 2>/dev/null || true)
  [ "$state" = completed ] && break
  sleep 0.2
done
[ "$state" = completed ] || fail "the pushed run did not end: $state"
ok "a push starts the workflow"

printf '\n%d passed, 0 failed\n' "$passed"
