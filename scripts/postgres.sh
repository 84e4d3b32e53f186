#!/usr/bin/env bash
# A private PostgreSQL for the tests: install | start | stop | url | pause | resume.
#
#   scripts/postgres.sh start                     # prints the SQLAlchemy URL
#   export HOLDFAST_TEST_POSTGRES="$(scripts/postgres.sh url)"
#   scripts/postgres.sh stop
#
# The cluster listens on a free loopback port, with a random password, as an unprivileged user
# (PostgreSQL refuses root). It lives in .postgres/, or in TMPDIR when that user cannot get there.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=${HOLDFAST_POSTGRES_HOME:-$root/.postgres}

say() { echo "postgres.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

binaries() {
    local folder
    for folder in /usr/lib/postgresql/*/bin; do
        if [ -x "$folder/initdb" ]; then found=$folder; fi
    done
    [ -n "${found:-}" ] || fail "PostgreSQL is missing; run: scripts/postgres.sh install"
    echo "$found"
}

# Runs a command as the user that owns the cluster.
unprivileged() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

install_debian() {
    if compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then
        say "already installed in $(binaries)"
        return
    fi
    [ "$(id -u)" = 0 ] || fail "installing needs root: sudo scripts/postgres.sh install"
    # Debian would otherwise start a cluster of its own on port 5432.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql
}

free_port() {
    python3 -c 'import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1])'
}

running() {
    [ -f "$state/cluster" ] &&
        unprivileged "$(binaries)/pg_ctl" -D "$(cat "$state/cluster")/data" status >/dev/null 2>&1
}

create() {
    local bin cluster password
    bin=$(binaries)
    mkdir -p "$state"
    chmod 0755 "$state"
    cluster=$(mktemp -d "$state/cluster.XXXXXX")
    if [ "$(id -u)" = 0 ]; then
        chown postgres "$cluster"
        if ! unprivileged test -w "$cluster"; then
            rmdir "$cluster"
            cluster=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-postgres.XXXXXX")
            chown postgres "$cluster"
            unprivileged test -w "$cluster" || fail "user postgres cannot write to $cluster"
        fi
    fi
    password=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
    (umask 077 && echo "$password" >"$state/password")
    install -m 0600 "$state/password" "$cluster/password"
    [ "$(id -u)" != 0 ] || chown postgres "$cluster/password"
    unprivileged "$bin/initdb" -D "$cluster/data" -U holdfast --auth=scram-sha-256 \
        --pwfile="$cluster/password" --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    rm "$cluster/password"
    echo "$cluster" >"$state/cluster"
}

start() {
    local bin cluster port try
    if running; then url; return; fi
    bin=$(binaries)
    [ -f "$state/cluster" ] && [ -d "$(cat "$state/cluster")/data" ] || create
    cluster=$(cat "$state/cluster")
    for try in 1 2 3; do
        port=$(free_port)
        # fsync off: test data need not survive the machine, and a killed server loses nothing.
        if unprivileged "$bin/pg_ctl" -D "$cluster/data" -l "$cluster/log" -w -t 60 start \
            -o "-p $port -k $cluster -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200" \
            >/dev/null; then
            echo "$port" >"$state/port"
            url
            return
        fi
        say "could not start on port $port (try $try)"
    done
    unprivileged tail -n 20 "$cluster/log" >&2 || true
    fail "the server did not start"
}

# Stops the server and keeps its data; resume starts it again on the same port.
pause() {
    running || return 0
    unprivileged "$(binaries)/pg_ctl" -D "$(cat "$state/cluster")/data" -m immediate -w stop >/dev/null
}

resume() {
    local cluster
    cluster=$(cat "$state/cluster")
    unprivileged "$(binaries)/pg_ctl" -D "$cluster/data" -l "$cluster/log" -w -t 60 start >/dev/null \
        -o "-p $(cat "$state/port") -k $cluster -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
}

stop() {
    local cluster
    [ -f "$state/cluster" ] || return 0
    cluster=$(cat "$state/cluster")
    if running; then
        unprivileged "$(binaries)/pg_ctl" -D "$cluster/data" -m fast -w stop >/dev/null
    fi
    rm -rf "$cluster" "$state/cluster" "$state/port" "$state/password"
    rmdir "$state" 2>/dev/null || true
}

url() {
    running || fail "it is not running; run: scripts/postgres.sh start"
    echo "postgresql+psycopg://holdfast:$(cat "$state/password")@127.0.0.1:$(cat "$state/port")/postgres"
}

case "${1:-}" in
install) install_debian ;;
start) start ;;
stop) stop ;;
url) url ;;
pause) pause ;;
resume) resume ;;
*) fail "usage: scripts/postgres.sh install | start | stop | url | pause | resume" ;;
esac
