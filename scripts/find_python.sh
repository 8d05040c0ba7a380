#!/bin/sh
# Print the path of a Python interpreter that celeriac runs on.
#
#   scripts/find_python.sh oldest|newest
#
# Looks for CPython 3.11 and later in PATH and among pyenv's versions. Prints nothing and fails with one sentence when
# there is none, or when all that were found lack the venv module.
set -eu

order=${1:?say oldest or newest}
minors="11 12 13 14 15 16 17 18 19"
if [ "$order" = newest ]; then
    minors="19 18 17 16 15 14 13 12 11"
fi

# Exit status 0: suitable. 3: suitable but for venv. Anything else: not for us (too old, a preview, another
# implementation, a build without SQLite, a pyenv shim whose version is not switched on).
inspect() {
    "$1" -c '
import importlib.util, sys, sysconfig
info = sys.version_info
if info < (3, 11) or info.releaselevel != "final" or sys.implementation.name != "cpython":
    sys.exit(2)
if len(sys.argv) > 1 and info.minor != int(sys.argv[1]):
    sys.exit(2)
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit(2)
import sqlite3, ssl
if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
    sys.exit(3)
' ${2:+"$2"} </dev/null >/dev/null 2>&1
}

without_venv=""
try() {
    [ -x "$1" ] || return 1
    status=0
    inspect "$@" || status=$?
    if [ "$status" -eq 0 ]; then
        # Not the shim, nor a virtual environment's link.
        "$1" -c 'import sys; print(sys._base_executable)'
        exit 0
    fi
    if [ "$status" -eq 3 ] && [ -z "$without_venv" ]; then
        without_venv=$1
    fi
    return 1
}

for minor in $minors; do
    for candidate in \
        "$(command -v "python3.$minor" || true)" \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python3; do
        try "$candidate" "$minor" || true
    done
done
try "$(command -v python3 || true)" || true

if [ -n "$without_venv" ]; then
    version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$without_venv is Python $version without its venv module. Install it (Debian and Ubuntu: apt-get install python$version-venv), or name another interpreter: make PYTHON=/path/to/python3 ..." >&2
else
    found=$(python3 -V 2>/dev/null || echo "no python3 at all")
    echo "celeriac needs Python 3.11 or newer; in PATH there is $found. Install one (Debian 12, Ubuntu 24.04: apt-get install python3 python3-venv), or name one: make PYTHON=/path/to/python3 ..." >&2
fi
exit 1
