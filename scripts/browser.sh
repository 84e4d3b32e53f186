#!/bin/sh
# Installs Debian's Chromium, which the browser tests drive.
set -eu
command -v chromium >/dev/null && exit 0
[ "$(id -u)" = 0 ] || { echo "browser: run: sudo apt-get install chromium" >&2; exit 1; }
apt-get install -y -qq chromium >/dev/null
