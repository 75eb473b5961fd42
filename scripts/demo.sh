#!/usr/bin/env bash
# The main job on real data, in a scratch folder: a workflow makes images a data
# version, another prepares, trains and registers a model, and a trace leads back
# from the model to bytes and commits. `make demo` builds the binary and calls this.
# Nothing outside .demo/ is written; `make demo-clean` removes it.
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
  stop_owner || true
  if [ "$code" -ne 0 ]; then
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
stop_owner || true
if [ -d "$CAIRN_HOME" ]; then
  find "$CAIRN_HOME" -mindepth 1 -maxdepth 1 ! -name cache ! -name tools -exec rm -rf {} +
fi
rm -rf "$project"
mkdir -p "$demo"

heading "A project: its own git repository, commits by two authors"
cp -R "$root/examples/digits" "$project"
# The sample asks for Python 3.11. Where only another one is installed, the copy asks for that.
have=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$have" != 3.11 ] && ! python3.11 -c '' >/dev/null 2>&1; then
  case $have in
    3.1[2-9])
      sed -i.bak "s/python-version: '3.11'/python-version: '$have'/" "$project"/.github/workflows/*.yml
      rm -f "$project"/.github/workflows/*.bak
      note "this machine has Python $have, so the copy's workflows ask for $have instead of 3.11" ;;
    *) note "this machine has Python $have; 3.11 is looked for elsewhere, or fetched" ;;
  esac
fi
cd "$project"
git init -q -b main
commit() { # author, e-mail, message, paths
  local name=$1 mail=$2 message=$3
  shift 3
  git add -- "$@"
  git -c user.name="$name" -c user.email="$mail" -c commit.gpgsign=false -c core.hooksPath=/dev/null commit -q -m "$message"
}
commit 'Ana Nováková' ana@example.com 'Prepare data: resize, split, register' .gitignore requirements-data.txt tools steps/01_prepare.py .env.example .github/workflows/images.yml
commit 'Ben Okafor' ben@example.com 'Train and register the classifier' requirements.txt steps/02_train.py README.md .github
git --no-pager log --format='%h %<(14)%an %s'

heading "The images: UCI handwritten digits, one folder of PNG files per class"
run cairn run --workflow images

heading "The workflow: data-preparing, then ai-training"
run cairn run --workflow mlops

heading "The model, its metrics and its confusion matrix"
run cairn model show digits:1

heading "Where the model comes from"
run cairn trace model/digits:1

heading "Done in $((SECONDS - started)) s"
cat <<END
For your own repository (git, with a workflow in .github/workflows):

  export PATH=$root/bin:\$PATH
  cd your/repository
  cairn init          # what it has, and what it would need
  cairn run           # runs its workflow, uncommitted changes included
  cairn trace HEAD --down

To look around in the demo: cd $project; export CAIRN_HOME=$CAIRN_HOME
  cairn run --workflow mlops --input data_prep=false    # train again on the data that is there
  cairn trace data/digits:1 --down                      # what came of the images
  cairn serve                                           # a page at http://127.0.0.1:7077
make demo-clean removes it.
END
