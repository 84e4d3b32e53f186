#!/bin/sh
# Resolves pyproject.toml to the exact versions, with hashes, that everything here is tested on.
set -eu
cd "$(dirname "$0")/.."
tools="${TMPDIR:-/tmp}/holdfast-lock-tools"
[ -x "$tools/bin/uv" ] || { python3 -m venv "$tools" && "$tools/bin/pip" install -q uv; }
compile() { # out, then options
    out="$1"; shift
    "$tools/bin/uv" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-annotate "$@" -o "requirements/$out" >/dev/null
}
compile dev.txt --group dev --extra demo --extra grpc --extra lightgbm --extra postgres --extra xgboost
# What an image installs; part of the package, so that 'holdfast render' needs no checkout.
image() { # target, then what to resolve
    out="src/holdfast/integrations/docker/locks/$1.txt"; shift
    "$tools/bin/uv" pip compile "$@" --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-annotate --constraint requirements/dev.txt \
        -o "$out" >/dev/null
}
compile demo.txt --group packaging --extra demo --constraint requirements/dev.txt
image serve --group serve
image record --group record
image control pyproject.toml --extra postgres
