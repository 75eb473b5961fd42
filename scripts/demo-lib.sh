# Shared by demo.sh and demo-clean.sh; needs $cairn and CAIRN_HOME.

# stop_owner ends what works for this CAIRN_HOME: its runs, then its server, by id.
stop_owner() {
  [ -S "$CAIRN_HOME/cairn.sock" ] && [ -x "$cairn" ] || return 0
  local id pid=''
  if [ -f "$CAIRN_HOME/server.json" ]; then
    pid=$(sed -n 's/.*"pid"[^0-9]*\([0-9][0-9]*\).*/\1/p' "$CAIRN_HOME/server.json" | head -n 1)
  fi
  # A server that is gone already must not be started again only to be stopped,
  # and its number may belong to another program by now.
  [ -n "$pid" ] || return 0
  case $(ps -o args= -p "$pid" 2>/dev/null || true) in *cairn*) ;; *) return 0 ;; esac
  for id in $("$cairn" run list --all --status running --json --jq '.[].id' 2>/dev/null); do
    "$cairn" run cancel "$id" --force >/dev/null 2>&1 || true
  done
  "$cairn" serve --stop >/dev/null 2>&1 || true
  wait_gone "$pid" || kill "$pid" 2>/dev/null || true
  # Supervisors clear their workspaces before they leave.
  local file
  for file in "$CAIRN_HOME"/jobs/*/pid; do
    [ -f "$file" ] || continue
    wait_gone "$(sed -n 's/[^0-9]*\([0-9][0-9]*\).*/\1/p;q' "$file")" || true
  done
}

# wait_gone waits up to 10 s until a process has ended.
wait_gone() {
  local _
  for _ in $(seq 100); do
    [ -n "$1" ] && kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  return 1
}

# get_uv sets $uv: the one on PATH, else the one that Cairn would fetch, fetched
# here in the same way and put where Cairn looks for it.
get_uv() {
  uv=$(command -v uv || true)
  if [ -n "$uv" ] && "$uv" --version >/dev/null 2>&1; then return; fi
  uv=$CAIRN_HOME/tools/uv/uv
  if [ -x "$uv" ] && "$uv" --version >/dev/null 2>&1; then return; fi
  note "fetching uv once, with pip"
  local tmp
  tmp=$(mktemp -d "$CAIRN_HOME/tools/uv-new-XXXXXX")
  if ! python3 -m venv "$tmp/venv" >"$tmp/log" 2>&1; then
    cat "$tmp/log" >&2
    rm -rf "$tmp"
    fail "this Python has no venv; on Debian and Ubuntu the package python$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv brings it (or put uv on PATH)"
  fi
  if ! "$tmp/venv/bin/python" -m pip install -q --disable-pip-version-check 'uv>=0.7,<1'; then
    rm -rf "$tmp"
    fail "uv could not be fetched; pip is used as you have it configured"
  fi
  mkdir -p "$tmp/ready"
  mv "$tmp/venv/bin/uv" "$tmp/ready/uv"
  rm -rf "$CAIRN_HOME/tools/uv"
  mv "$tmp/ready" "$CAIRN_HOME/tools/uv"
  rm -rf "$tmp"
}

# pip_env runs uv with the caller's pip configuration in uv's words, and with the
# cache that the jobs will use.
pip_env() {
  local index extra links cert
  index=$(python3 -m pip config get global.index-url 2>/dev/null || true)
  index=${PIP_INDEX_URL:-$index}
  extra=${PIP_EXTRA_INDEX_URL:-}
  links=${PIP_FIND_LINKS:-}
  cert=${PIP_CERT:-}
  (
    export UV_CACHE_DIR=$CAIRN_HOME/cache/uv UV_NO_PROGRESS=1
    if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX=$index; fi
    if [ -n "$extra" ] && [ -z "${UV_INDEX:-}" ]; then export UV_INDEX=$extra UV_INDEX_STRATEGY=unsafe-best-match; fi
    if [ -n "$links" ] && [ -z "${UV_FIND_LINKS:-}" ]; then export UV_FIND_LINKS=${links// /,}; fi
    if [ -n "$cert" ] && [ -z "${SSL_CERT_FILE:-}" ]; then export SSL_CERT_FILE=$cert; fi
    "$@"
  )
}
