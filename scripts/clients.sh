#!/usr/bin/env bash
# Installs the serving clients that others wrote, for the heavy tests, each in an environment of
# its own: they are no dependencies. Prints the folder that holds the environments.
set -euo pipefail
cd "$(dirname "$0")/.."

folder="$PWD/.venv-clients"
client() { # name, requirements
    local name="$1"; shift
    local wanted="$*"
    local done="$folder/$name/.installed"
    [ "$(cat "$done" 2>/dev/null)" = "$wanted" ] && return
    rm -rf "${folder:?}/$name"
    python3 -m venv "$folder/$name"
    "$folder/$name/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
    echo "$wanted" >"$done"
}

client triton "tritonclient[http,grpc]==2.73.0"
client kserve "kserve==0.21.0"
client mlserver "mlserver==1.7.1"
echo "$folder"
