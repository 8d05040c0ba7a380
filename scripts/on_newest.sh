#!/bin/sh
# Run tests in .venv-newest, or say in one line why that adds nothing.
#
#   scripts/on_newest.sh TESTS...
#
# Not those whose answer cannot depend on the Python that runs them: what checkers say, bytes recorded from a Celery that
# is a process of its own, the source's layers, the pages and the scripts.
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
.venv-newest/bin/python -m pytest --ignore=tests/typing --ignore=tests/interop --ignore=tests/test_layers.py \
    --ignore=tests/test_docs.py --ignore=tests/test_scripts.py "$@" || status=$?
# Pytest's 5: nothing was left to run.
if [ "$status" -eq 5 ]; then
    echo "NOT RUN on Python $(version .venv-newest): $* has only tests that one Python answers for all."
    exit 0
fi
exit "$status"
