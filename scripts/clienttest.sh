#!/usr/bin/env bash
# The built-in actions with one large file and with many small ones, beside what
# `make test-clients` measures of GitHub's own packages: the times of the steps.
# BYTES and FILES say how much (default: 1 GiB and 10,000).
set -euo pipefail
cairn=$(realpath "${CAIRN:-bin/cairn}")
dir=$(mktemp -d /tmp/cairn-clients.XXXXXX)
export CAIRN_HOME=$dir/home
trap '"$cairn" serve --stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
mkdir -p "$CAIRN_HOME" "$dir/repo/.github/workflows"
printf 'listen: 127.0.0.1:%s\n' "${PORT:-7850}" >"$CAIRN_HOME/config.yaml"
cd "$dir/repo"
git init -q -b main .
cat >.github/workflows/clients.yml <<EOF
on: workflow_dispatch
jobs:
  built-in:
    runs-on: ubuntu-latest
    steps:
      - name: make files
        run: |
          mkdir big many
          head -c ${BYTES:-1073741824} /dev/urandom > big/big.bin
          for d in \$(seq 0 99); do mkdir many/\$d; done
          for i in \$(seq ${FILES:-10000}); do yes "file \$i" | head -n 50 > many/\$((i % 100))/\$i.txt; done
      - {name: upload of one file, uses: actions/upload-artifact@v4, with: {name: big, path: big}}
      - {name: download of it, uses: actions/download-artifact@v4, with: {name: big, path: big2}}
      - {name: upload of many files, uses: actions/upload-artifact@v4, with: {name: many, path: many}}
      - {name: download of them, uses: actions/download-artifact@v4, with: {name: many, path: many2}}
      - {name: compare, run: diff -r big big2 && diff -r many many2 && rm -r big2 many2}
      - {name: cache of one file, uses: actions/cache/save@v4, with: {path: big, key: big}}
      - {name: cache of many files, uses: actions/cache/save@v4, with: {path: many, key: many}}
      - run: rm -r big many
      - {name: restore of one file, uses: actions/cache/restore@v4, with: {path: big, key: big, fail-on-cache-miss: true}}
      - {name: restore of many files, uses: actions/cache/restore@v4, with: {path: many, key: many, fail-on-cache-miss: true}}
EOF
git add -A
git -c user.name=test -c user.email=test@example.com commit -q -m clients
"$cairn" run --progress quiet >/dev/null
"$cairn" run view 1 --jq 'def t: (.[0:19] + "Z" | fromdate) + ((capture("(?<f>\\.[0-9]+)Z$").f // "0") | "0" + . | tonumber);
  .jobs[0].steps[] | select(.name | test("upload|download|cache of|restore of")) |
  "built-in \(.name): \((((.finished_at | t) - (.started_at | t)) * 100 | round) / 100) s"'
