#!/bin/sh
# Makes random secrets in ./secrets and lets .env name them; what is there already stays.
set -eu

cd "$(dirname "$0")/../.."
# The files are for every user to read, because each container reads them as a user of its own; it
# is the directory that keeps everyone else on this machine out.
mkdir -p -m 0700 secrets
for example in deploy/docker/secrets-for-trying/*; do
  secret=secrets/$(basename "$example")
  if [ ! -e "$secret" ]; then
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$secret"
    chmod 0644 "$secret"
  fi
done
touch .env
grep -q '^KPI_SECRETS_DIR=' .env || echo 'KPI_SECRETS_DIR=./secrets' >>.env

echo "Secrets are in ./secrets, and .env names that place."
echo "Grafana: user admin, password in secrets/grafana_admin_password"
