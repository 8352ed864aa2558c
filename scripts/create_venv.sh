#!/usr/bin/env bash
# Makes .venv in the checkout, with the pinned versions of constraints.txt: what runs, and with the
# argument dev what checks and tests as well.
# PYTHON names the interpreter to use; without it the first that is new enough is taken.
set -euo pipefail
cd "$(dirname "$0")/.."

oldest="3.11"

is_new_enough() {
  "$1" -c "import sys; sys.exit(sys.version_info < (${oldest/./, }))" >/dev/null 2>&1
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if is_new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  echo "kpi-exporter needs Python $oldest or later; none found as ${PYTHON:-python3 or python3.N}." >&2
  echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv) or name it:" >&2
  echo "  make setup PYTHON=/path/to/python3" >&2
  return 1
}

python=$(find_python)

# Debian and Ubuntu ship venv without pip unless python3.N-venv is installed.
if ! "$python" -c "import ensurepip, venv" 2>/dev/null; then
  version=$("$python" -c "import sys; print('%d.%d' % sys.version_info[:2])")
  scripts/apt_install.sh "python$version-venv"
fi

# A .venv of an interpreter that is gone or too old, or whose making was cut short, is made anew.
if ! is_new_enough .venv/bin/python || ! .venv/bin/python -c "import pip" 2>/dev/null; then
  "$python" -m venv --clear .venv
fi

echo "Installing into .venv what constraints.txt pins; the first time this takes a minute or so." >&2
# As environment the constraints hold for the isolated build as well; relative, for pip splits
# these values at spaces and the checkout's path may have some.
PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
  .venv/bin/python -m pip install --quiet --editable ".${1:+[$1]}"
touch .venv/.runs ${1:+.venv/.ready}
