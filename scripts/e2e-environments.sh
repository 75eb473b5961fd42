#!/usr/bin/env bash
# Environments of jobs in containers: an image with the packages of a conda file above it,
# with and without conda in the image, a Dockerfile, and what goes wrong. A Docker engine
# has to answer; scripts/with-docker.sh calls this from `make test-docker`.
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
mkdir -p "$CAIRN_HOME" "$scratch/user"
box=cairn-e2e/box:$$ conda=cairn-e2e/conda:$$

finish() {
  local code=$?
  trap - EXIT
  stop_all || true
  docker image rm -f "$box" "$conda" >/dev/null 2>&1 || true
  chmod -R u+w "$scratch" 2>/dev/null || true
  rm -rf "$scratch"
  exit "$code"
}
trap finish EXIT

clean() { env HOME="$scratch/user" "$@"; }
# job FILE [ARG]… runs a job, and gives what it said whether it failed or not.
job() { clean "$cairn" job create --stream --file "$@" 2>&1 || true; }

mkdir -p "$scratch/project" && cd "$scratch/project"
cp -R "$root/scripts/testdata/environments/." .
# An image with a shell and nothing else, and one that has a program called conda.
mkdir -p "$scratch/box/bin" "$scratch/box/tmp"
cp "$(command -v busybox)" "$scratch/box/bin/busybox"
for name in sh cat mkdir chmod echo id; do ln -s busybox "$scratch/box/bin/$name"; done
tar -C "$scratch/box" -c . | docker import -c 'ENV PATH=/bin' - "$box" >/dev/null
chmod +x conda/conda
sed -i.was "s|BOX|$box|; s|CONDA|$conda|" ./*.yml */Dockerfile */*/Dockerfile && find . -name '*.was' -delete
docker build -q -t "$conda" conda >/dev/null
python=$(clean "$cairn" image base create --from-host-python --as python:host 2>&1)
version=$(grep -oE 'Python 3\.[0-9]+' <<<"$python" | head -n 1 | cut -d' ' -f2)
sed -i.was "s|PYTHON|$version|" ./*.yml && rm -f ./*.was
git init -q -b main . && git add -A
git -c user.name='Cleo Ito' -c user.email=cleo@example.com commit -qm 'Jobs in containers'

say "an image and a conda file"
t=$(job layers.yml)
has "$t" '^prefix .*/jobs/' "without a word a job runs on this machine"
has "$t" 'environment map python:host --docker' "… and says how it runs in its image"
clean "$cairn" environment map --all --docker
t=$(job layers.yml --set 'command=python look.py ${{outputs.made}} again')
has "$t" '^prefix /azureml-envs/cairn$' "in its image"
has "$t" '^markupsafe 2\.1\.5$' "… with the packages of the conda file"
has "$t" 'the image of environment .* is built: ' "… which were laid into it"
t=$(job layers.yml --set 'command=python look.py ${{outputs.made}} a-third-time')
has "$t" 'is built already' "a second job takes what is there"
name=$(head -n 1 <<<"$t" | cut -d' ' -f1)
clean "$cairn" job download "$name" --all --download-path got >/dev/null 2>&1
[ "$(cat got/named-outputs/made/x.txt)" = made ] || fail "the output of a job in a container"
ok "its output is kept"
has "$(clean "$cairn" trace "job/$name")" 'task.packages' "the trace names the packages"
t=$(job layers.yml --set 'command=python look.py ${{outputs.made}} again')
has "$t" 'reused from' "the same job is not run again"

say "a pipeline in containers"
t=$(job pipeline.yml --name piped)
has "$t" '\[track\] tracked' "mlflow in a container reaches Cairn"
has "$(clean "$cairn" trace job/piped/track)" 'metric +loss=0.25' "… and its metric is the job's"
has "$t" '\[spread\] \[1\] rank 1 of 2' "a command as two processes"
has "$t" '\[score\] 3 of 3 mini-batches done' "mini-batches"
has "$t" '✓ success' "the pipeline succeeds"

say "a Dockerfile, and an image with conda"
t=$(job build.yml)
has "$t" '^hello from a build context$' "a build context is built, with a Dockerfile in a folder of it"
has "$(job build.yml --set 'command=cat /greeting # again')" 'The image of this very environment is there' "… once"
t=$(job conda.yml)
has "$t" 'conda called: env create --quiet --prefix /azureml-envs/cairn' "the image's own conda makes the environment"
has "$t" '^fake python script\.py$' "… in which the command runs"

say "what goes wrong"
t=$(job layers.yml --set environment.conda_file.dependencies='["python=3.6"]')
has "$t" 'asks for Python 3\.6, and the image python:host has Python 3' "a Python that the image has not"
t=$(job layers.yml --set environment.image="$box")
has "$t" 'has neither conda nor a Python 3' "an image without either"
t=$(job build.yml --set environment.build.dockerfile_path=Nothing)
has "$t" 'the environment has no file Nothing' "a Dockerfile that is not there"
t=$(job failing.yml)
has "$t" 'exit code 3' "a command that fails in a container"
has "$t" 'the last word' "… with its last lines"

left=$(docker ps -aq --filter label=cairn.home; docker network ls -q --filter label=cairn.home)
[ -z "$left" ] || fail "something is left at the engine: $left"
ok "nothing is left at the engine"
[ -z "$(find "$CAIRN_HOME/jobs" ! -user "$(id -u)" 2>/dev/null | head -n 1)" ] || fail "files of another user are left"
ok "every file is the user's own"
printf '\n%d passed, 0 failed\n' "$passed"
