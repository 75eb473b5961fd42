#!/usr/bin/env bash
# Removes everything that `make demo` left, after ending what still runs of it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CAIRN_HOME=$root/.demo/home
cairn=$root/bin/cairn
unset CAIRN_URL CAIRN_TOKEN

# shellcheck source=scripts/demo-lib.sh
. "$root/scripts/demo-lib.sh"

stop_all || true
if [ -d "$root/.demo" ]; then
  chmod -R u+w "$root/.demo" 2>/dev/null || true
  rm -rf "$root/.demo"
  echo "removed .demo/"
fi
