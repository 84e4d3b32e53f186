#!/bin/sh
# Builds the wheel, installs it with the locked packages in a fresh environment, and uses it.
set -eu
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m build --no-isolation --wheel --outdir "$work" . >"$work/build.log" 2>&1 || {
    cat "$work/build.log" >&2
    exit 1
}
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.txt
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "$work"/holdfast-*.whl
cd "$work" # so that nothing is found in the checkout
venv/bin/python -W error -c 'import holdfast; assert "site-packages" in holdfast.__file__'
venv/bin/holdfast --help >/dev/null
venv/bin/holdfast init project >/dev/null
venv/bin/holdfast check --project project
venv/bin/holdfast train --project project
venv/bin/holdfast gate --project project
echo "wheel: built, installed and used: $(basename "$work"/holdfast-*.whl)"
