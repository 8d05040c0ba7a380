#!/bin/sh
# Bring a virtual environment up to date; costs next to nothing when it is.
#
#   scripts/make_environment.sh DIRECTORY oldest|newest|/path/to/python STAGE REQUIREMENT...
#
# Creates DIRECTORY with the named interpreter unless it stands, and installs the requirements at the versions of
# constraints.txt. What was installed is remembered per STAGE, so that several stages share a directory. Safe to call
# twice, at the same time, and after an interruption.
set -eu

directory=$1 choice=$2 stage=$3
shift 3
cd "$(dirname "$0")/.."

fingerprint() {
    { cat pyproject.toml constraints.txt; echo "$@"; } | cksum
}
wanted=$(fingerprint "$@")

# Editable installs and scripts hold the path of this directory: a copy of it elsewhere starts anew, and so does another
# interpreter that is asked for by its path. An environment that somebody else made is taken as it is.
usable() {
    [ -e "$directory/.celeriac-place" ] || return 0
    [ "$(cat "$directory/.celeriac-place")" = "$(pwd)" ] || return 1
    case $choice in
    oldest | newest) return 0 ;;
    esac
    [ "$(cat "$directory/.celeriac-python" 2>/dev/null)" = "$choice" ]
}

up_to_date() {
    [ -e "$directory/.celeriac-place" ] && usable &&
        [ "$(cat "$directory/.celeriac-$stage" 2>/dev/null)" = "$wanted" ] &&
        "$directory/bin/python" -c '' 2>/dev/null
}
up_to_date && exit 0

# One at a time: two `make` commands may start together.
lock="$directory.lock"
until mkdir "$lock" 2>/dev/null; do
    holder=$(cat "$lock/pid" 2>/dev/null || true)
    if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then
        rm -rf "$lock"
    else
        sleep 1
    fi
done
echo $$ >"$lock/pid"
trap 'rm -rf "$lock"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
up_to_date && exit 0

usable || rm -rf "$directory"
if ! "$directory/bin/python" -m pip --version >/dev/null 2>&1; then
    case $choice in
    oldest | newest) python=$(scripts/find_python.sh "$choice") ;;
    *)
        python=$choice
        if ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python is no Python 3.11 or newer with its venv module. Name another one: make PYTHON=/path/to/python3 ..." >&2
            exit 1
        fi
        ;;
    esac
    echo "Creating $directory with $("$python" -V) ($python)."
    "$python" -m venv --clear "$directory"
    echo "$choice" >"$directory/.celeriac-python"
fi
pwd >"$directory/.celeriac-place"

echo "Installing into $directory: $*"
if ! "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$@"; then
    echo "pip could not install the packages above into $directory. It needs a package index (PIP_INDEX_URL names another than pip's own); then run make again." >&2
    exit 1
fi
echo "$wanted" >"$directory/.celeriac-$stage"
