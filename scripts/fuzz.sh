#!/usr/bin/env bash
# Fuzzes each decoder in turn: scripts/fuzz.sh [SECONDS for each, 60 by default] [TARGET …].
# What breaks one is left in tests/fuzz/seeds, where the plain tests find it.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds="${1:-60}"
shift || true
python=".venv/bin/python"
"$python" -c "import atheris" 2>/dev/null \
    || "$python" -m pip install --quiet --disable-pip-version-check "atheris==3.0.0"

targets=("$@")
if [ "${#targets[@]}" -eq 0 ]; then
    targets=(mlflow_json v1_json v2_json v2_binary csv json_lines vertex azure grpc packed segment http)
fi
for target in "${targets[@]}"; do
    echo "--- $target"
    "$python" tests/fuzz/run.py "$target" "$seconds"
done
