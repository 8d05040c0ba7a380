#!/bin/sh
# Run tests in .venv-newest, or say in one line why that adds nothing.
#
#   scripts/on_newest.sh TESTS...
#
# Not those of the types: the checkers are told which Python to check for, and live in .venv.
set -eu
cd "$(dirname "$0")/.."

version() {
    "$1/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}
if [ "$(version .venv)" = "$(version .venv-newest)" ]; then
    echo "NOT RUN: the tests on a newer Python with the newest Django. Python $(version .venv) is the only one here; install a newer one to run both."
    exit 0
fi
status=0
.venv-newest/bin/python -m pytest --ignore=tests/typing "$@" || status=$?
# Pytest's 5: nothing was left to run.
if [ "$status" -eq 5 ]; then
    echo "NOT RUN on Python $(version .venv-newest): $* has only tests of the types."
    exit 0
fi
exit "$status"
