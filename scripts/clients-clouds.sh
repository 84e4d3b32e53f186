#!/usr/bin/env bash
# Installs the clients of others that call the server as their platforms do, each in an
# environment of its own below .venv-clouds. Running it again changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

install() {
    local place=".venv-clouds/$1"
    shift
    if [ ! -e "$place/done" ] || [ "$(cat "$place/done")" != "$*" ]; then
        rm -rf "$place"
        python3 -m venv "$place"
        "$place/bin/pip" install --quiet --disable-pip-version-check "$@"
        printf '%s' "$*" > "$place/done"
    fi
}

install sagemaker "boto3==1.44.5"
install vertex "google-cloud-aiplatform[prediction]==2.7.0" "docker==7.2.0"
install azure "azure-ai-ml==1.35.2" "docker==7.2.0"
install schemathesis "schemathesis==4.32.5"
