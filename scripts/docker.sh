#!/usr/bin/env bash
# A private Docker engine for the tests: install | start | base | host | stop.
#
#   scripts/docker.sh install                    # Debian's docker.io, debootstrap, promtool
#   scripts/docker.sh start                      # prints the engine's address, a DOCKER_HOST
#   scripts/docker.sh base                       # imports a base image as python:3.11-slim
#   export DOCKER_HOST="$(scripts/docker.sh host)"
#   scripts/docker.sh stop
#
# The engine has data, sockets and process files of its own, and leaves the machine's network as it
# is: containers get the host's network, or none. The base image is Debian bookworm with its Python,
# made by debootstrap, because a test must not depend on an image registry.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=${HOLDFAST_DOCKER_HOME:-$root/.docker}
base=python:3.11-slim

say() { echo "docker.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

install_debian() {
    local needed missing=""
    for needed in dockerd debootstrap promtool /usr/bin/docker; do
        command -v "$needed" >/dev/null || missing=1
    done
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] || fail "installing needs root: sudo scripts/docker.sh install"
    apt-get update -qq
    # Debian would otherwise start an engine and a Prometheus of its own.
    local policy=/usr/sbin/policy-rc.d ours=""
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ca-certificates containerd debootstrap docker.io prometheus runc >/dev/null
    [ -z "$ours" ] || rm "$policy"
}

running() { [ -f "$state/engine" ] && [ -S "$(cat "$state/engine")/socket" ] && talk version >/dev/null 2>&1; }

# Debian's own client: its version is the engine's, and it has BuildKit built in.
talk() { DOCKER_HOST="unix://$(cat "$state/engine")/socket" DOCKER_BUILDKIT=1 /usr/bin/docker "$@"; }

start() {
    local engine try
    if running; then host; return; fi
    [ "$(id -u)" = 0 ] || fail "the engine needs root: sudo scripts/docker.sh start"
    command -v dockerd >/dev/null || fail "the engine is missing; run: scripts/docker.sh install"
    mkdir -p "$state"
    # A socket's path must be short.
    engine=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-docker.XXXXXX")
    echo "$engine" >"$state/engine"
    setsid dockerd --data-root "$engine/data" --exec-root "$engine/exec" --pidfile "$engine/pid" \
        --host "unix://$engine/socket" --group root --bridge=none --iptables=false \
        --ip-forward=false </dev/null >"$engine/log" 2>&1 &
    for try in $(seq 120); do
        if running; then host; return; fi
        kill -0 $! 2>/dev/null || break
        sleep 0.5
    done
    tail -n 20 "$engine/log" >&2
    fail "the engine did not start"
}

# Where this machine gets bookworm from.
mirror() {
    local site
    site=$(apt-get indextargets --format '$(SITE) $(CODENAME)' | awk '$2 == "bookworm" { print $1; exit }')
    echo "${HOLDFAST_DEBIAN_MIRROR:-${site:?no source of bookworm: name one in HOLDFAST_DEBIAN_MIRROR}}"
}

make_base() {
    local made
    running || fail "it is not running; run: scripts/docker.sh start"
    if talk image inspect "$base" >/dev/null 2>&1; then return; fi
    if [ ! -f "$state/base.tar" ]; then
        made=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-base.XXXXXX")
        say "making $base with debootstrap (once)"
        debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv \
            bookworm "$made/root" "$(mirror)" >"$made/log" 2>&1 ||
            { tail -n 20 "$made/log" >&2; fail "debootstrap failed"; }
        ln -s /usr/bin/python3 "$made/root/usr/local/bin/python"
        rm -rf "$made"/root/var/cache/apt/archives/*.deb "$made"/root/var/lib/apt/lists/*
        tar -C "$made/root" --one-file-system -cf "$state/base.draft" .
        mv "$state/base.draft" "$state/base.tar"
        rm -rf "$made"
    fi
    talk import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'CMD ["python3"]' "$state/base.tar" "$base" >/dev/null
}

stop() {
    local engine pid
    [ -f "$state/engine" ] || return 0
    engine=$(cat "$state/engine")
    if running; then
        talk ps -aq | xargs -r env DOCKER_HOST="unix://$engine/socket" /usr/bin/docker rm -f >/dev/null
        pid=$(cat "$engine/pid")
        kill "$pid"
        for _ in $(seq 120); do kill -0 "$pid" 2>/dev/null || break; sleep 0.5; done
    fi
    # The namespace of the host's network stays mounted when the engine ends.
    umount -l "$engine"/exec/netns/* 2>/dev/null || true
    rm -rf "$engine" "$state/engine"
}

host() {
    running || fail "it is not running; run: scripts/docker.sh start"
    echo "unix://$(cat "$state/engine")/socket"
}

case "${1:-}" in
install) install_debian ;;
start) start ;;
base) make_base ;;
host) host ;;
stop) stop ;;
*) fail "usage: scripts/docker.sh install | start | base | host | stop" ;;
esac
