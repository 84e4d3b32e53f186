#!/bin/sh
# Makes .venv with exactly the locked packages: setup.sh demo | dev
set -eu
cd "$(dirname "$0")/.."
wanted="requirements/${1:-dev}.txt"
python="${PYTHON:-python3}"

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: $python is older than Python 3.11; name a newer one with PYTHON=/path/to/python3" >&2
    exit 1
}
if [ ! -x .venv/bin/python ]; then
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        rm -rf .venv
        # Debian splits venv from Python; without it there is no pip either.
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "setup: installing python3-venv"
            apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
            "$python" -m venv .venv
        else
            echo "setup: $python cannot make a virtual environment; run: sudo apt-get install python3-venv" >&2
            exit 1
        fi
    fi
fi
echo "setup: installing locked packages from $wanted (once)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$wanted"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
.venv/bin/python -m pip check >/dev/null || .venv/bin/python -m pip check
