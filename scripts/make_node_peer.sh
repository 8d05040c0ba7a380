#!/bin/sh
# Install a package of Node.js, with which the interop tests publish tasks; costs next to nothing when it is there.
#
#   scripts/make_node_peer.sh DIRECTORY PACKAGE@VERSION
#
# Where there is no npm it says so in one line and succeeds: the tests are skipped then. With CI=true it fails.
set -eu
cd "$(dirname "$0")/.."
directory=$1 package=$2

[ "$(cat "$directory/.celeriac-package" 2>/dev/null)" = "$package" ] && exit 0
if ! command -v npm >/dev/null; then
    echo "NO NODE.JS: npm is not in PATH, so no client in another language is tried (Debian: apt-get install nodejs npm)." >&2
    [ "${CI:-}" != true ]
    exit
fi
echo "Installing into $directory: $package"
mkdir -p "$directory"
npm install --prefix "$directory" --no-save --no-package-lock --no-audit --no-fund --loglevel=error "$package" >/dev/null
echo "$package" >"$directory/.celeriac-package"
