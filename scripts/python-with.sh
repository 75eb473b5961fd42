#!/usr/bin/env bash
# Prints the Python of a virtual environment that holds the packages that are named;
# makes it where it is not there yet.
#
#   python=$(scripts/python-with.sh azureml azure-ai-ml==1.35.2)
set -eu -o pipefail
name=$1
shift
dir=${XDG_CACHE_HOME:-$HOME/.cache}/cairn-test/$name
if [ "$(cat "$dir/packages.txt" 2>/dev/null)" != "$*" ]; then
  if command -v uv >/dev/null; then
    uv venv -q --clear "$dir"
    uv pip install -q --python "$dir/bin/python" "$@"
  else
    python3 -m venv --clear "$dir"
    "$dir/bin/python" -m pip install -q "$@"
  fi >&2
  echo "$*" >"$dir/packages.txt"
fi
echo "$dir/bin/python"
