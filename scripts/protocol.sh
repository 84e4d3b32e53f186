#!/bin/sh
# Writes the message classes of serving/protocol anew from their definition.
set -eu
cd "$(dirname "$0")/../src"
../.venv/bin/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. \
    holdfast/serving/protocol/inference.proto
