#!/usr/bin/env bash
# The main job on real data, in a scratch folder: a workflow makes images a data
# version, another prepares, trains, builds the API's image and deploys it to
# staging and, once somebody approved, to production. Four commits tell what can
# happen; a wrong answer is traced to its commit and rolled back. `make demo` builds
# the binary and calls this. Nothing outside .demo/ is written; the API and Cairn go
# on running at the end, and `make demo-clean` ends and removes all of it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
demo=$root/.demo
project=$demo/digits
cairn=$root/bin/cairn
started=$SECONDS

export CAIRN_HOME=$demo/home
export PATH=$root/bin:$PATH
# The demo is for itself: no server, token or tracking address of the caller's.
unset CAIRN_URL CAIRN_TOKEN MLFLOW_TRACKING_URI MLFLOW_TRACKING_TOKEN MLFLOW_RUN_ID MLFLOW_EXPERIMENT_NAME
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE VIRTUAL_ENV

bold='' dim='' off=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' dim=$'\e[2m' off=$'\e[0m'
fi
heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$off"; }
note() { printf '%s%s%s\n' "$dim" "$*" "$off"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }
# run shows a command as one would type it, then does it.
run() {
  local word line=''
  for word; do
    case $word in *[!A-Za-z0-9_./:=@%+,-]*) word="'$word'" ;; esac
    line+=" $word"
  done
  printf '%s$%s%s\n' "$bold" "$line" "$off"
  "$@"
}

# shellcheck source=scripts/demo-lib.sh
. "$root/scripts/demo-lib.sh"

finish() {
  local code=$?
  trap - EXIT INT TERM HUP
  [ -z "${approver:-}" ] || kill "$approver" 2>/dev/null || true
  if [ "$code" -ne 0 ]; then
    stop_all || true
    if [ "$code" -ge 128 ]; then echo "demo: interrupted; nothing of it runs any more" >&2
    else echo "demo: stopped with code $code; what it made is in .demo/, logs: CAIRN_HOME=.demo/home bin/cairn run logs --failed" >&2; fi
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

[ -x "$cairn" ] || fail "bin/cairn is not there: make build"
command -v git >/dev/null || fail "git is not there"
command -v python3 >/dev/null || fail "python3 is not there"

# What an earlier demo left goes; fetched packages stay, so that this one is quicker.
stop_all || true
if [ -d "$CAIRN_HOME" ]; then
  find "$CAIRN_HOME" -mindepth 1 -maxdepth 1 ! -name cache ! -name tools -exec rm -rf {} +
fi
rm -rf "$project" "$demo/pictures"
mkdir -p "$demo"

heading "A project: its own git repository"
cp -R "$root/examples/digits" "$project"
# The sample asks for Python 3.11. Where only another one is installed, the copy asks for that.
version=3.11
have=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$have" != 3.11 ] && ! python3.11 -c '' >/dev/null 2>&1; then
  case $have in
    3.1[2-9])
      version=$have
      sed -i.bak "s/python-version: '3.11'/python-version: '$have'/" "$project"/.github/workflows/*.yml
      sed -i.bak "s/python:3.11-slim/python:$have-slim/" "$project"/api/Dockerfile
      rm -f "$project"/.github/workflows/*.bak "$project"/api/*.bak
      note "this machine has Python $have, so the copy asks for $have instead of 3.11" ;;
    *) note "this machine has Python $have; 3.11 is looked for elsewhere, or fetched" ;;
  esac
fi
cd "$project"
git init -q -b main
commit() { # author, e-mail, message
  git add -A
  git -c user.name="$1" -c user.email="$2" -c commit.gpgsign=false -c core.hooksPath=/dev/null commit -q -m "$3"
  git --no-pager log -1 --format='%h %an: %s'
}
change() { # patch, author, e-mail, message
  git apply "$root/scripts/demo/$1"
  commit "$2" "$3" "$4"
}
commit 'Ana Nováková' ana@example.com 'Digits: prepare, train, serve'

heading "Ben may approve production (.cairn/stages.yml says so)"
run cairn user create ben --email ben@example.com
ben=$(cairn token create --user ben demo)
# approve_later waits, beside a run, until it asks for an approval, and gives it as Ben.
approve_later() {
  {
    until [ "$(cairn run view "$1" --jq '[.jobs[]? | select(.environment == "production" and .status == "waiting")] | length' 2>/dev/null || echo 0)" != 0 ]; do sleep 0.2; done
    printf '%s$ CAIRN_TOKEN=(of ben) cairn approve %s --comment %s%s\n' "$bold" "$1" "'$2'" "$off"
    CAIRN_TOKEN=$ben CAIRN_URL=$url cairn approve "$1" --comment "$2"
  } &
  approver=$!
}

heading "The images: UCI handwritten digits, one folder of PNG files per class"
run cairn run --workflow images --progress plain
url=$(cairn status --jq .url)

heading "A base image"
note "The Dockerfile says FROM python:$version-slim. The demo asks no registry for it: this machine's Python is"
note "captured as a small runnable base under that name. With a registry in reach nothing of this is needed."
run cairn image base create --from-host-python --as "python:$version-slim"

heading "Commit 1: data, training, image, staging, approval, production"
approve_later 2 'Metrics and staging look good'
run cairn run --workflow mlops --progress plain
run cairn status
live=$(cairn status --jq '.stages[] | select(.stage.name == "production") | .stage.url')
cairn data download digits:1 --to "$demo/pictures" >/dev/null
picture=$demo/pictures/1/1_0001.png
classify() { run python3 tools/classify.py "$live/predict" "$@"; }
classify "$picture"

heading "The answer, from the picture back to the author"
prediction=$(cairn prediction list production --limit 1 --jq '.[0].id')
run cairn trace "prediction/$prediction"

heading "Commit 2: only the API's code changes: only the code layer is stored and sent"
change 2-confidence.patch 'Ben Okafor' ben@example.com 'Say how sure the answer is'
approve_later 3 'Code only'
run cairn run --workflow mlops --input data_prep=false --input ai_training=false --progress plain
run cairn run logs 3 --job api-creation --step 'Build and push'
run cairn release diff r1 r2

heading "Commit 3: something breaks loudly: staging stops it, production stays"
change 3-colour.patch 'Ana Nováková' ana@example.com 'Read pictures in colour'
run cairn run --workflow mlops --input data_prep=false --input ai_training=false --progress plain && fail "commit 3 was to fail"
run cairn status

heading "Commit 4: something breaks silently: it passes, and goes live"
change 4-zoom.patch 'Ana Nováková' ana@example.com 'Grey again; zoom in on thin digits'
approve_later 5 'Smoke test passed'
run cairn run --workflow mlops --input data_prep=false --input ai_training=false --progress plain
wrong=$(python3 tools/classify.py "$live/predict" "$demo"/pictures/1/1_00[0-4]?.png | grep '"status": 200' | grep -v '"digit": 1[,}]' | head -n 1)
[ -n "$wrong" ] || fail "commit 4 was to spoil the ones"
picture=$(sed 's/.*"picture": "\([^"]*\)".*/\1/' <<<"$wrong")
prediction=$(sed 's/.*"prediction": "\([^"]*\)".*/\1/' <<<"$wrong")

heading "A user's picture of a one was read wrongly"
note "$wrong"
run cairn prediction report "$prediction" --expected 1 --comment 'This is a one'
run cairn trace "prediction/$prediction"
run cairn release diff r2 production
run cairn rollback production --comment 'Ones are read wrongly'
classify "$picture"
run cairn prediction export digits-reported
run cairn trace

heading "Done in $((SECONDS - started)) s"
cat <<END
The API answers at $live, Cairn at $url (a page to look around). Both go on running:

  export PATH=$root/bin:\$PATH CAIRN_HOME=$CAIRN_HOME
  cd $project
  cairn status                          # what is live where
  cairn prediction list production
  cairn trace data/digits:1 --down      # which live APIs stand on these images
  cairn stop production; cairn stop staging; cairn serve --stop

make demo-clean ends and removes all of it. For your own repository: cairn init; cairn run; cairn init --stages
END
