#!/usr/bin/env bash
# Installs Debian or Ubuntu packages where that is allowed (root, or sudo without a password);
# elsewhere fails with the command that would help. Starts no service of theirs.
set -euo pipefail

if [ "$(id -u)" = 0 ]; then
  as_root=()
elif sudo -n true 2>/dev/null; then
  as_root=(sudo -n)
else
  echo "Needs root: apt-get install $*" >&2
  exit 1
fi
if ! command -v apt-get >/dev/null; then
  echo "No apt-get here; install by hand: $*" >&2
  exit 1
fi

apt_get() {
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@"
}

# Maintainer scripts ask this file before they start a service; 101 is "no".
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | ${as_root[@]+"${as_root[@]}"} tee "$policy" >/dev/null
  ${as_root[@]+"${as_root[@]}"} chmod +x "$policy"
  trap '${as_root[@]+"${as_root[@]}"} rm -f "$policy"' EXIT
fi

echo "Installing $*"
# Package lists may be missing (a bare container) or too old; only then fetch them.
apt_get install --no-install-recommends "$@" >/dev/null 2>&1 || {
  apt_get update >/dev/null
  apt_get install --no-install-recommends "$@" >/dev/null
}
