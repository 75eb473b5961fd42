#!/usr/bin/env bash
# The main job as a new user meets it: the demo with an empty HOME and no caches and
# what its story must show, the demo again, skipped steps, pinned versions, a rerun,
# the example without a word of Cairn, served and traced, the same image with docker
# run, a push. Needs git, python3 and the package index; writes only below a temporary
# folder. `make test-e2e` builds the binary and calls this.
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
# section TEXT TITLE: the part of a transcript under a heading that begins with TITLE.
section() { awk -v t="== $2" '/^== /{on = index($0, t) == 1} on' <<<"$1"; }

# shellcheck source=scripts/demo-lib.sh
. "$root/scripts/demo-lib.sh"
cairn=$root/bin/cairn

# stop_home ends the stages, jobs and server of a home.
stop_home() { (unset CAIRN_URL CAIRN_TOKEN; CAIRN_HOME=$1; export CAIRN_HOME; stop_all) || true; }

finish() {
  local code=$?
  trap - EXIT
  for home in "$scratch"/clone/.demo/home "$scratch"/plain-home; do stop_home "$home"; done
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

say "its story"
first=$(section "$cold" 'Commit 1')
has "$first" 'live +r1 of digits-api' "commit 1 is live"
has "$first" '"answer": \{"digit": 1\}' "a picture of a one is read as a one"
chain=$(section "$cold" 'The answer')
has "$chain" '^prediction [0-9a-f]{12}-' "the trace begins at the answer"
has "$chain" 'approved by +ben' "it says who approved"
has "$chain" 'packed model digits:1' "the model in the image was found"
second=$(section "$cold" 'Commit 2')
has "$second" '^(.* )?code .* k?B +stored' "commit 2 stores the code layer"
hasnot "$second" '^(.* )?(base|dependencies|model) .* stored' "and no other layer"
has "$second" 'sent +[0-9.]+ k?B; [0-9.]+ MB were there' "and says how many bytes went"
has "$second" 'Say how sure the answer is \(Ben Okafor' "the diff of the releases names the commit and its author"
third=$(section "$cold" 'Commit 3')
has "$third" 'smoke request POST /predict was not answered as expected' "commit 3 is stopped by the smoke test"
has "$(grep -A2 '^production ' <<<"$third")" 'live +r2 of digits-api' "and production stays"
fourth=$(section "$cold" "A user's picture")
has "$fourth" '^prediction [0-9a-f]{12}-' "the wrong answer has a trace"
has "$fourth" 'expected +1, where the answer was' "which holds what was expected"
has "$fourth" 'subject +Grey again; zoom in on thin digits' "it names commit 4"
has "$(grep -A1 'subject *Grey again' <<<"$fourth")" 'author +Ana Nováková' "and its author"
has "$fourth" 'r2 of digits-api is back on production' "production is rolled back"
has "$(sed -n '/is back on production/,$p' <<<"$fourth")" '"answer": \{"digit": 1,' "and the answer is right again"
has "$fourth" 'data/digits-reported:1' "the report is exported as data"
has "$fourth" '^ +code +Ben Okafor' "cairn trace answers who changed the code that is live"

export CAIRN_HOME=$scratch/clone/.demo/home PATH=$scratch/clone/bin:$PATH
project=$scratch/clone/.demo/digits
in_project() { (cd "$project" && clean env CAIRN_HOME="$CAIRN_HOME" "$@"); }
has "$(in_project cairn model show digits:1)" 'rows: true, columns: predicted' "the confusion matrix is shown"
# What the demo left running answers still.
live=$(in_project cairn status --jq '.stages[] | select(.stage.name == "production") | .stage.url')
has "$(in_project cairn trace data/digits:1 --down)" "$live" "from the images down to a live URL"
has "$(in_project python3 tools/classify.py "$live/predict" samples/7.png)" '"digit": 7' "the API goes on answering"
stop_home "$CAIRN_HOME"
if in_project python3 tools/classify.py "$live/predict" samples/7.png >/dev/null 2>&1; then fail "something still answers at $live"; fi
ok "it ends as the demo says"

say "the demo again"
started=$SECONDS
warm=$(clean "$scratch/clone/scripts/demo.sh" 2>&1) || { printf '%s\n' "$warm"; fail "the second demo"; }
printf 'warm: %d s\n' $((SECONDS - started))
has "$warm" 'model digits:1' "a second demo starts from nothing"

say "skipped steps and pinned versions"
# From here on the API is not the point.
train=(--workflow mlops --input api_creation=false --progress plain)
in_project cairn run "${train[@]}" --input data_prep=false
t=$(in_project cairn trace model/digits:2)
has "$t" 'used data digits-train:1' "data_prep=false trains on the recorded latest version"
has "$t" 'made by job data-preparing' "the trace still reaches the job that prepared it"
# A newer training set, so that latest and 1 differ.
in_project cairn run "${train[@]}" --input ai_training=false
in_project cairn run "${train[@]}" --input data_prep=false
has "$(in_project cairn trace model/digits:3)" 'used data digits-train:2' "latest is now version 2"
printf 'DATASET_VERSION=1\n' >"$scratch/pinned.env"
in_project cairn run "${train[@]}" --input data_prep=false --env-file "$scratch/pinned.env"
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
if t=$(in_project cairn run --workflow mlops --input data_prep=false --input ai_training=false --progress plain 2>&1); then fail "uncommitted code went to production"; fi
has "$t" 'deploy-production .*refuses code with uncommitted changes' "production refuses code that is not committed"
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
stop_home "$CAIRN_HOME"
plain cairn image base create --from-host-python --as python:3.11-slim
plain cairn run --event push --progress plain
t=$(plain cairn trace run/1 --down; plain cairn trace artifact/1.1/model)
has "$t" 'artifact .*model' "the artifact is in the trace"
has "$t" 'Cleo Ito' "the trace joins it to the author"
plain cairn artifact download 1 model --to "$scratch/taken"
has "$(plain cairn trace "$scratch/taken/model.joblib")" 'Cleo Ito' "the file alone leads to the author"

say "its image, served and traced"
sha=$(git rev-parse --short=7 HEAD)
has "$(plain cairn image show "ghcr.io/local/plain:sha-$sha")" 'model\.joblib' "the model file in the image was found"
plain cairn deploy ghcr.io/local/plain:main --to staging
api=$(plain cairn status --jq '.stages[0].stage.url')
picture=$root/examples/digits/samples/7.png
classify=$root/examples/digits/tools/classify.py
said=$(python3 "$classify" "$api/predict" "$picture")
has "$said" '"status": 200, "answer": \{"digit": [0-9]\}' "it answers a picture"
# field NAME: what classify.py says of it.
field() { python3 -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$said" "$1"; }
answer=$(field answer)
id=$(field prediction)
t=$(plain cairn trace "prediction/$id")
has "$t" 'ghcr.io/local/plain:main' "the answer's trace names the image"
has "$t" 'packed artifact .*model\.joblib' "the model file in it"
has "$t" 'made by job train' "the job that trained it"
has "$t" 'subject +Train a classifier' "the commit"
has "$t" 'author +Cleo Ito' "and its author"
has "$(plain cairn trace)" 'Cleo Ito' "cairn trace alone answers the three questions"

say "the same image with docker run"
url=$(plain cairn status --jq .url)
cat >"$scratch/docker.sh" <<'END'
set -euo pipefail
image=${1#http://}/ghcr.io/local/plain:main
docker pull -q "$image"
container=$(docker run -d -p 127.0.0.1:0:80 "$image")
trap 'docker logs "$container" >&2; docker rm -f "$container" >/dev/null' EXIT
at=$(docker port "$container" 80 | head -n 1)
for _ in $(seq 300); do
  said=$(python3 "$3" "http://$at/predict" "$2" 2>/dev/null) && break
  sleep 0.1
done
printf '%s\n' "$said" >"$4"
END
"$root/scripts/with-docker.sh" --if-possible bash "$scratch/docker.sh" "$url" "$picture" "$classify" "$scratch/docker-said"
if [ -f "$scratch/docker-said" ]; then
  said=$(cat "$scratch/docker-said")
  [ "$(field answer)" = "$answer" ] || fail "docker run answers $said, the stage $answer"
  ok "docker run gives the same answer"
else
  echo "not shown: docker run (no engine can run here)"
fi

say "a push starts the workflow"
token=$(plain cairn token create e2e)
git -c http.extraHeader="Authorization: Bearer $token" push -q "$url/git/local/plain.git" HEAD:refs/heads/main || fail "git push"
for _ in $(seq 300); do
  state=$(plain cairn run view 2 --json --jq '.run.status // .status' 2>/dev/null || true)
  [ "$state" = completed ] && break
  sleep 0.2
done
[ "$state" = completed ] || fail "the pushed run did not end: $state"
ok "a push starts the workflow"

printf '\n%d passed, 0 failed\n' "$passed"
