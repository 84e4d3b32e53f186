#!/bin/sh
# Compiles the definition of serving/rpc anew; writes to a folder when one is named.
set -eu
cd "$(dirname "$0")/.."
folder=src/holdfast/serving/rpc
.venv/bin/python -m grpc_tools.protoc --proto_path="$folder" \
    --descriptor_set_out="${1:-$folder}/inference.binpb" inference.proto
