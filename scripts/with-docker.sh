#!/usr/bin/env bash
# Runs a command where a Docker engine answers: the one that is there, else one of
# its own, from Debian's package, with its data and socket in a scratch folder, which
# is ended and removed afterwards. That takes root. With --if-possible a machine that
# lets no engine run is told of and passed over (exit 0): a kernel may forbid it.
#
#   scripts/with-docker.sh [--if-possible] [--need PROGRAM]… COMMAND [ARG]…
set -euo pipefail

optional=
need=()
while [ $# -gt 0 ]; do
  case $1 in
    --if-possible) optional=1; shift ;;
    --need) need+=("$2"); shift 2 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { echo "usage: scripts/with-docker.sh [--if-possible] [--need PROGRAM]... COMMAND [ARG]..." >&2; exit 2; }

say() { printf 'with-docker: %s\n' "$*" >&2; }
cannot() {
  say "$*"
  [ -z "$optional" ] || { say "not run: $command"; exit 0; }
  exit 1
}
command="$*"

# package says where Debian has a program.
package() {
  case $1 in
    dockerd | docker) echo docker.io ;;
    busybox) echo busybox-static ;;
    *) echo "$1" ;;
  esac
}
missing=()
for program in "${need[@]}" docker; do
  command -v "$program" >/dev/null || missing+=("$(package "$program")")
done
answers() { docker info >/dev/null 2>&1; }
if ! answers && ! command -v dockerd >/dev/null; then missing+=(docker.io); fi
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || cannot "not installed: ${missing[*]}"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
    cannot "cannot be installed: ${missing[*]}"
fi

# The client that belongs to the engine comes first.
daemon=$(command -v dockerd || true)
if answers; then exec "$@"; fi
[ "$(id -u)" = 0 ] || cannot "no Docker engine answers, and starting one takes root"
[ -n "$daemon" ] || cannot "no Docker engine answers, and dockerd is not installed"
if [ -x /usr/bin/docker ]; then PATH=/usr/bin:$PATH; fi

# Two engines would give the same addresses on the same bridge: one at a time.
exec 9>"${TMPDIR:-/tmp}/cairn-docker.lock"
flock 9
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cairn-docker-XXXXXX")
engine=
bridge=
[ ! -e /sys/class/net/docker0 ] || bridge=kept # somebody else's
finish() {
  local code=$? _
  trap - EXIT INT TERM
  if [ -n "$engine" ]; then
    # What still runs in containers goes first: dockerd would leave it its shims.
    docker ps -aq 2>/dev/null | xargs -r docker rm -f >/dev/null 2>&1 || true
    kill "$engine" 2>/dev/null || true
    for _ in $(seq 200); do kill -0 "$engine" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$engine" 2>/dev/null || true
    [ -n "$bridge" ] || ip link delete docker0 2>/dev/null || true
  fi
  # Mounts below it, the deepest first.
  awk -v d="$scratch/" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l 2>/dev/null || true
  rm -rf "$scratch"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

export DOCKER_HOST=unix://$scratch/docker.sock
# Without rules of a firewall, which a container itself may not write: published
# ports go through docker-proxy, and nothing in a container reaches other machines.
setsid "$daemon" -H "$DOCKER_HOST" --data-root "$scratch/data" --exec-root "$scratch/exec" --pidfile "$scratch/pid" \
  --iptables=false --ip-masq=false >"$scratch/log" 2>&1 </dev/null 9>&- &
engine=$!
for _ in $(seq 300); do
  answers && break
  kill -0 "$engine" 2>/dev/null || break
  sleep 0.1
done
if ! answers; then
  tail -n 5 "$scratch/log" >&2
  cannot "dockerd does not start on this machine"
fi
say "dockerd $(docker version --format '{{.Server.Version}}') runs for this alone"
"$@" 9>&-
