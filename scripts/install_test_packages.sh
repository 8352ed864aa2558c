#!/usr/bin/env bash
# Installs the programs that tests run against, as far as this user may. What stays missing is
# no error: the tests that need it are skipped and say so.
set -uo pipefail
cd "$(dirname "$0")/.."

# Each program that is missing, with the Debian package that has it. One by one, for what one
# distribution lacks must not keep the others from being installed.
while read -r program package; do
  command -v "$program" >/dev/null || scripts/apt_install.sh "$package"
done <<'END'
promtool prometheus
prometheus-alertmanager prometheus-alertmanager
chromium chromium
nginx nginx-light
node nodejs
npm npm
END

# No install scripts: they only build adapters that no test uses. Node brings its own list of
# authorities; the machine's may have one more, a proxy's.
pouchdb=.cache/pouchdb
if [ ! -x "$pouchdb/node_modules/.bin/pouchdb-server" ] && command -v npm >/dev/null; then
  echo "Installing pouchdb-server"
  authorities=/etc/ssl/certs/ca-certificates.crt
  if [ -r "$authorities" ]; then
    export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$authorities}
  fi
  npm install --prefix "$pouchdb" --no-package-lock --no-audit --no-fund --no-update-notifier \
    --ignore-scripts --loglevel=error pouchdb-server@4.2.0
fi
exit 0
