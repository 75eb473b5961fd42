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

# stop_all ends the stages of this CAIRN_HOME, then what stop_owner ends.
stop_all() {
  if [ -S "$CAIRN_HOME/cairn.sock" ] && [ -x "$cairn" ]; then
    local stage
    for stage in $("$cairn" status --jq '.stages[]? | select(.live) | .stage.repository + ":" + .stage.name' 2>/dev/null); do
      "$cairn" stop "${stage##*:}" --repo "${stage%:*}" >/dev/null 2>&1 || true
    done
  fi
  stop_owner
  # A stage whose server is gone is ended by its own number.
  local file pid
  for file in "$CAIRN_HOME"/stages/*/pid; do
    [ -f "$file" ] || continue
    pid=$(sed -n 's/[^0-9]*\([0-9][0-9]*\).*/\1/p;q' "$file")
    case $(ps -o args= -p "$pid" 2>/dev/null || true) in *cairn*_stage*) kill "$pid" 2>/dev/null || true; wait_gone "$pid" || true ;; esac
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
