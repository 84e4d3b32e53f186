#!/usr/bin/env bash
# Makes an environment of its own with Ray and this checkout, for replays on a cluster; prints its
# interpreter. Running it again changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/environment.sh .venv-ray "ray==2.55.1" --editable .
echo "$PWD/.venv-ray/bin/python"
