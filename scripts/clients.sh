#!/usr/bin/env bash
# Installs the serving clients that others wrote, for the heavy tests, each in an environment of
# its own. Prints the folder that holds the environments.
set -euo pipefail
cd "$(dirname "$0")/.."

folder="$PWD/.venv-clients"
scripts/environment.sh "$folder/triton" "tritonclient[http,grpc]==2.73.0"
scripts/environment.sh "$folder/kserve" "kserve==0.21.0"
scripts/environment.sh "$folder/mlserver" "mlserver==1.7.1"
echo "$folder"
