#!/usr/bin/env bash
# Makes an environment of its own for what a test needs but the project does not depend on:
# environment.sh FOLDER REQUIREMENT …   Running it again with the same changes nothing.
set -euo pipefail
place="$1"
shift
[ "$(cat "$place/.installed" 2>/dev/null)" = "$*" ] && exit 0
rm -rf "$place"
python3 -m venv "$place"
# uv resolves in seconds what pip backtracks over for minutes.
"$place/bin/pip" install --quiet --disable-pip-version-check uv >&2
"$place/bin/uv" pip install --quiet --python "$place/bin/python" "$@" >&2
echo "$*" >"$place/.installed"
