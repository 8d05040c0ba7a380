#!/bin/sh
# Run tests on both Pythons at the same time, which takes little longer than one: tests wait more than they compute.
#
#   scripts/test.sh TESTS...
#
# What the newest Python says is shown when both have ended. Fails when one of them does.
set -u
cd "$(dirname "$0")/.."

log=$(mktemp)
newest=
stop() {
    [ -z "$newest" ] || kill "$newest" 2>/dev/null
    rm -f "$log"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

scripts/on_newest.sh "$@" >"$log" 2>&1 &
newest=$!
.venv/bin/python -m pytest "$@"
status=$?
wait "$newest"
newest_status=$?
newest=
echo "On the newest Python:"
cat "$log"
[ "$status" -eq 0 ] || exit "$status"
exit "$newest_status"
