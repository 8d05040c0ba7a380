#!/bin/sh
# Run tests in .venv-newest, or say in one line why that adds nothing.
#
#   scripts/on_newest.sh TESTS...
#
# Not those whose answer cannot depend on the Python that runs them: what checkers say, bytes recorded from a Celery that
# is a process of its own, the source's layers, the pages and the scripts; nor the tours that only change the broker,
# the outages, in which servers are slow and a Python is not, the storms of schedulers, and the benchmarks' harness.
set -eu
cd "$(dirname "$0")/.."

version() {
    "$1/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}
if [ "$(version .venv)" = "$(version .venv-newest)" ]; then
    echo "NOT RUN: the tests on a newer Python with the newest Django. Python $(version .venv) is the only one here; install a newer one to run both."
    exit 0
fi

ignore="--ignore=tests/typing --ignore=tests/interop --ignore=tests/test_layers.py --ignore=tests/test_docs.py --ignore=tests/test_scripts.py --ignore=tests/django/test_site_on_servers.py --ignore=tests/outages --ignore=tests/servers --ignore=tests/benchmarks --ignore=tests/beat/test_storm.py --ignore=tests/timetables/test_kills.py"
# Pytest ignores nothing that is named to it, so what is named here is sorted out by hand.
for argument in "$@"; do
    shift
    case "$argument" in
    tests/typing* | tests/interop* | tests/test_layers.py* | tests/test_docs.py* | tests/test_scripts.py* | tests/django/test_site_on_servers.py* | tests/outages* | tests/servers* | tests/benchmarks*) ;;
    *) set -- "$@" "$argument" ;;
    esac
done
if [ $# -eq 0 ]; then
    echo "NOT RUN on Python $(version .venv-newest): these tests have one answer for all Pythons."
    exit 0
fi
# shellcheck disable=SC2086 - several words on purpose
exec .venv-newest/bin/python -m pytest $ignore "$@"
