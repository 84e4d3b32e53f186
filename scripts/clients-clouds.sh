#!/usr/bin/env bash
# Installs the clients of others that call the server as their platforms do, each in an
# environment of its own below .venv-clouds.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/environment.sh .venv-clouds/sagemaker "boto3==1.44.5"
scripts/environment.sh .venv-clouds/vertex "google-cloud-aiplatform[prediction]==2.7.0" "docker==7.2.0"
scripts/environment.sh .venv-clouds/azure "azure-ai-ml==1.35.2" "docker==7.2.0"
scripts/environment.sh .venv-clouds/schemathesis "schemathesis==4.32.5"
