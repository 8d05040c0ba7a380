#!/bin/sh
# Run tests in .venv-newest, or say in one line why that adds nothing.
#
#   scripts/on_newest.sh TESTS...
set -eu
cd "$(dirname "$0")/.."

version() {
    "$1/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}
if [ "$(version .venv)" = "$(version .venv-newest)" ]; then
    echo "NOT RUN: the tests on a newer Python with the newest Django. Python $(version .venv) is the only one here; install a newer one to run both."
    exit 0
fi
exec .venv-newest/bin/python -m pytest "$@"
